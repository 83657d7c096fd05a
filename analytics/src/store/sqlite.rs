//! The embedded store: the SQLite file `store.db`.
//!
//! The row id of a hit is its time, so that a range of time is a range of rows and "latest" is a scan from the end. What
//! only shows up when a hit is looked at lies in a table of its own, one compressed blob per hit, which list conditions
//! never touch. One connection writes; queries have their own, which can only read, and a deadline.

mod query;
mod schema;
mod write;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::Semaphore;

use super::{Applied, AttackCursor, Filter, Paged, Retained, Retention, Revision, Store, StoreError, WriteUnit};
use crate::{
    aggregate::{Span, Wanted},
    attack::Attack,
    database::{self, OpenError},
    hit::StoredHit,
    id::{AttackId, HitId, JournalId, Position, Slot},
};

/// Queries that run at the same time; others wait.
const READERS: usize = 4;
/// Longest time a query may take, waiting not counted.
const QUERY_DEADLINE: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock: well below a millisecond.
const DEADLINE_CHECK_STEPS: i32 = 1000;

/// The embedded store. Clones share it.
#[derive(Clone, Debug)]
pub struct SqliteStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    reader_room: Semaphore,
    query_deadline: Duration,
}

// === impl SqliteStore ===

impl SqliteStore {
    /// Opens the file, creating it where it is missing.
    pub fn open(path: &Path) -> Result<SqliteStore, OpenError> {
        SqliteStore::open_with_deadline(path, QUERY_DEADLINE)
    }

    fn open_with_deadline(path: &Path, query_deadline: Duration) -> Result<SqliteStore, OpenError> {
        let writer = database::open(path, schema::SCHEMA)?;
        Ok(SqliteStore(Arc::new(Inner {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            reader_room: Semaphore::new(READERS),
            query_deadline,
        })))
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.0.clone();
        blocking(move || {
            // A panic while the lock was held rolled its transaction back.
            let mut writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut writer)
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.0.clone();
        let permit = inner.reader_room.acquire().await;
        let permit = permit.map_err(|error| StoreError::Fatal(Box::new(error)))?;
        let shared = inner.clone();
        let result = blocking(move || {
            let idle = shared.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut reader = match idle {
                Some(reader) => reader,
                None => database::open_reader(&shared.path).map_err(|error| StoreError::Retry(Box::new(error)))?,
            };
            let deadline = Instant::now() + shared.query_deadline;
            reader.progress_handler(DEADLINE_CHECK_STEPS, Some(move || Instant::now() > deadline))?;
            let result = work(&reader).map_err(|error| match error {
                StoreError::Deadline(_) => StoreError::Deadline(shared.query_deadline),
                other => other,
            });
            let mut readers = shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
            readers.push(reader);
            result
        })
        .await;
        drop(permit);
        result
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Retry(Box::new(error))),
    }
}

impl Store for SqliteStore {
    async fn applied(&self, journal: JournalId) -> Result<Position, StoreError> {
        self.write(move |connection| Ok(write::applied(connection, journal)?))
            .await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.write(move |connection| Ok(write::revision(connection)?)).await
    }

    async fn taken(&self, slots: Vec<Slot>) -> Result<Vec<Option<HitId>>, StoreError> {
        self.write(move |connection| Ok(write::taken(connection, &slots)?))
            .await
    }

    async fn spans(&self, wanted: Vec<Wanted>) -> Result<Vec<Span>, StoreError> {
        self.write(move |connection| write::spans(connection, &wanted)).await
    }

    async fn apply(&self, unit: Arc<WriteUnit>) -> Result<Applied, StoreError> {
        self.write(move |connection| write::apply(connection, &unit)).await
    }

    async fn attacks(
        &self,
        filter: Filter,
        after: Option<AttackCursor>,
        limit: usize,
    ) -> Result<Paged<Attack, AttackCursor>, StoreError> {
        self.read(move |connection| query::attacks(connection, &filter, after, limit))
            .await
    }

    async fn attack(&self, id: AttackId) -> Result<Option<Attack>, StoreError> {
        self.read(move |connection| query::attack(connection, id)).await
    }

    async fn hits(
        &self,
        filter: Filter,
        attack: Option<AttackId>,
        after: Option<HitId>,
        limit: usize,
    ) -> Result<Paged<StoredHit, HitId>, StoreError> {
        self.read(move |connection| query::hits(connection, &filter, attack, after, limit))
            .await
    }

    async fn retain(&self, retention: Retention, now: Timestamp) -> Result<Retained, StoreError> {
        self.write(move |connection| Ok(write::retain(connection, retention, now)?))
            .await
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => StoreError::Deadline(QUERY_DEADLINE),
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly,
            ) => StoreError::Retry(Box::new(error)),
            _ => StoreError::Fatal(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_query_that_takes_too_long_ends() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open_with_deadline(&folder.path().join("store.db"), Duration::ZERO).unwrap();
        let many = "
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
            INSERT INTO hit(id, attack, remote_addr) SELECT i, 1, x'04' FROM n";
        store
            .write(move |connection| Ok(connection.execute_batch(many)?))
            .await
            .unwrap();
        let filter = Filter {
            source: Some(std::net::IpAddr::from([127, 0, 0, 1]).into()),
            ..Filter::default()
        };
        let error = store.hits(filter, None, None, 10).await.unwrap_err();
        assert!(matches!(error, StoreError::Deadline(Duration::ZERO)), "{error}");
        // The connection goes on to serve.
        assert_eq!(
            store
                .attack(AttackId(Slot::nearest(Timestamp::UNIX_EPOCH).first_id()))
                .await
                .unwrap(),
            None
        );
    }
}
