//! The shared store: PostgreSQL 15 or newer, or what speaks its protocol.
//!
//! The SQL is portable: every key begins with the shard, so that a distributed engine can keep an attack and its hits in
//! one place; no advisory locks, triggers, temporary tables or server options; one statement per call. Several processes
//! may write: each unit names the revision it was decided from, and one row holds the current one.

mod connect;
mod query;
mod schema;
mod write;

use std::sync::Arc;

use deadpool_postgres::{Object, Pool, PoolError};
use jiff::Timestamp;
use tokio_postgres::error::SqlState;

pub use self::connect::{ConnectError, Server};
use super::{Applied, AttackCursor, Filter, Paged, Retained, Retention, Revision, Store, StoreError, WriteUnit};
use crate::{
    aggregate::{Span, Wanted},
    attack::Attack,
    hit::StoredHit,
    id::{AttackId, HitId, JournalId, Position, Slot},
};

/// The shared store. Clones share its connections.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    writers: Pool,
    readers: Pool,
}

// === impl PostgresStore ===

impl PostgresStore {
    /// Connects, and brings the tables to the current version.
    pub async fn open(server: &Server) -> Result<PostgresStore, ConnectError> {
        let (writers, readers) = server.pools()?;
        let mut connection = writers.get().await.map_err(|error| server.unreachable(error))?;
        schema::migrate(&mut connection).await?;
        Ok(PostgresStore { writers, readers })
    }

    async fn writer(&self) -> Result<Object, StoreError> {
        Ok(self.writers.get().await?)
    }

    async fn reader(&self) -> Result<Object, StoreError> {
        Ok(self.readers.get().await?)
    }
}

impl Store for PostgresStore {
    async fn applied(&self, journal: JournalId) -> Result<Position, StoreError> {
        write::applied(&**self.writer().await?, journal).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        write::revision(&**self.writer().await?).await
    }

    async fn taken(&self, slots: Vec<Slot>) -> Result<Vec<Option<HitId>>, StoreError> {
        write::taken(&**self.writer().await?, &slots).await
    }

    async fn spans(&self, wanted: Vec<Wanted>) -> Result<Vec<Span>, StoreError> {
        write::spans(&**self.writer().await?, &wanted).await
    }

    async fn apply(&self, unit: Arc<WriteUnit>) -> Result<Applied, StoreError> {
        let mut writer = self.writer().await?;
        write::apply(&mut writer, &unit).await
    }

    async fn attacks(
        &self,
        filter: Filter,
        after: Option<AttackCursor>,
        limit: usize,
    ) -> Result<Paged<Attack, AttackCursor>, StoreError> {
        query::attacks(&**self.reader().await?, &filter, after, limit).await
    }

    async fn attack(&self, id: AttackId) -> Result<Option<Attack>, StoreError> {
        query::attack(&**self.reader().await?, id).await
    }

    async fn hits(
        &self,
        filter: Filter,
        attack: Option<AttackId>,
        after: Option<HitId>,
        limit: usize,
    ) -> Result<Paged<StoredHit, HitId>, StoreError> {
        query::hits(&**self.reader().await?, &filter, attack, after, limit).await
    }

    async fn retain(&self, retention: Retention, now: Timestamp) -> Result<Retained, StoreError> {
        let mut writer = self.writer().await?;
        write::retain(&mut writer, retention, now).await
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            error => StoreError::Retry(Box::new(error)),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(code) = error.code() else {
            // Not the server's word: the connection is broken.
            return StoreError::Retry(Box::new(error));
        };
        if *code == SqlState::QUERY_CANCELED {
            return StoreError::Deadline(connect::QUERY_DEADLINE);
        }
        // Source: PostgreSQL documentation, appendix A. Classes of connections, of transactions that another one got in the
        // way of, of resources, of intervention by an operator, of read-only standbys, and of the system around the server.
        let retry = ["08", "25", "40", "53", "55", "57", "58"];
        if retry.iter().any(|class| code.code().starts_with(class)) {
            StoreError::Retry(Box::new(error))
        } else {
            StoreError::Fatal(Box::new(error))
        }
    }
}
