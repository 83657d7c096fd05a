//! The embedded store.

use analytics::store::sqlite::SqliteStore;
use tempfile::TempDir;

use crate::conformance::{Site, conforms};

struct Folder(TempDir);

impl Site for Folder {
    type Store = SqliteStore;

    async fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.0.path().join("store.db")).unwrap()
    }
}

conforms!(Folder);
