//! The store that was chosen when the service started.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Applied, AttackCursor, Filter, Paged, Retained, Retention, Revision, Store, StoreError, WriteUnit,
    postgres::PostgresStore, sqlite::SqliteStore,
};
use crate::{
    aggregate::{Span, Wanted},
    attack::Attack,
    hit::StoredHit,
    id::{AttackId, HitId, JournalId, Position, Slot},
};

/// One of the stores. An enum rather than a trait object: the trait's futures stay on the stack.
#[derive(Clone, Debug)]
pub enum AnyStore {
    /// Embedded.
    Sqlite(SqliteStore),
    /// Shared.
    Postgres(PostgresStore),
}

macro_rules! either {
    ($store:expr, $inner:ident => $call:expr) => {
        match $store {
            AnyStore::Sqlite($inner) => $call.await,
            AnyStore::Postgres($inner) => $call.await,
        }
    };
}

impl Store for AnyStore {
    async fn applied(&self, journal: JournalId) -> Result<Position, StoreError> {
        either!(self, store => store.applied(journal))
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        either!(self, store => store.revision())
    }

    async fn taken(&self, slots: Vec<Slot>) -> Result<Vec<Option<HitId>>, StoreError> {
        either!(self, store => store.taken(slots))
    }

    async fn spans(&self, wanted: Vec<Wanted>) -> Result<Vec<Span>, StoreError> {
        either!(self, store => store.spans(wanted))
    }

    async fn apply(&self, unit: Arc<WriteUnit>) -> Result<Applied, StoreError> {
        either!(self, store => store.apply(unit))
    }

    async fn attacks(
        &self,
        filter: Filter,
        after: Option<AttackCursor>,
        limit: usize,
    ) -> Result<Paged<Attack, AttackCursor>, StoreError> {
        either!(self, store => store.attacks(filter, after, limit))
    }

    async fn attack(&self, id: AttackId) -> Result<Option<Attack>, StoreError> {
        either!(self, store => store.attack(id))
    }

    async fn hits(
        &self,
        filter: Filter,
        attack: Option<AttackId>,
        after: Option<HitId>,
        limit: usize,
    ) -> Result<Paged<StoredHit, HitId>, StoreError> {
        either!(self, store => store.hits(filter, attack, after, limit))
    }

    async fn retain(&self, retention: Retention, now: Timestamp) -> Result<Retained, StoreError> {
        either!(self, store => store.retain(retention, now))
    }
}
