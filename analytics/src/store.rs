//! What a store does: domain operations, neither SQL nor keys and values.
//!
//! Aggregation happens before the store, once, in `aggregate`; a store inserts rows and adds deltas. Implementations may
//! differ in speed, never in meaning: one conformance suite runs on all of them and on an in-memory oracle.

pub mod any;
mod column;
mod page;
pub mod postgres;
pub mod sqlite;

use std::{future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    aggregate::{AttackDelta, Merge, Span, Wanted},
    attack::Attack,
    hit::{AttackTypeCode, StoredHit},
    id::{AttackId, HitId, JournalId, Position, Slot},
    network::Network,
};

/// Bytes of entries after which a page ends early, so that hostile entries of the greatest size still make pages that fit
/// into memory and messages.
pub const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// State of a store: grows with each unit written, and when attacks are deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// One atomic, idempotent step of writing.
#[derive(Clone, Debug)]
pub struct WriteUnit {
    /// Asked before anything that the unit was decided from. Where stores are shared, a unit of another process may have
    /// come in between.
    pub basis: Revision,
    /// The journal that the hits come from.
    pub journal: JournalId,
    /// Everything up to here must be in the store already.
    pub after: Position,
    /// Everything up to here is in the store afterwards.
    pub through: Position,
    /// Attacks that become one; carried out first, in order.
    pub merges: Vec<Merge>,
    /// Added to attacks; opens those that do not exist.
    pub deltas: Vec<AttackDelta>,
    /// New hits.
    pub hits: Vec<StoredHit>,
}

/// What became of a [`WriteUnit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was written.
    Now,
    /// It had been written before; nothing changed.
    Already,
}

/// Which attacks or hits are meant. Empty and absent parts do not restrict; all others must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Attack types; any of them.
    pub attack_types: Vec<AttackTypeCode>,
    /// Attack types; none of them.
    pub not_attack_types: Vec<AttackTypeCode>,
    /// Host, lower-case.
    pub host: Option<Vec<u8>>,
    /// Where the source address lies. For attacks: one of those that are kept, see [`crate::attack::Sources`].
    pub source: Option<Network>,
    /// Whether the hit was blocked. For attacks: whether one of its hits was.
    pub blocked: Option<bool>,
    /// Not before. For attacks: the last hit.
    pub since: Option<Timestamp>,
    /// Before. For attacks: the first hit.
    pub until: Option<Timestamp>,
}

/// Where a page of attacks starts: after the attack with this time of last hit and this id, going back in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttackCursor {
    /// Time of the last hit.
    pub last: Timestamp,
    /// Identifier.
    pub id: AttackId,
}

/// A page and where the next one starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged<T, C> {
    /// The entries.
    pub entries: Vec<T>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<C>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Bytes in use; the oldest hits go first.
    pub max_bytes: u64,
    /// Age of hits.
    pub max_age: Duration,
}

/// What [`Store::retain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Hits deleted.
    pub hits: u64,
    /// Attacks deleted: those that ended before every hit that is left.
    pub attacks: u64,
    /// Whether there is more to delete.
    pub more: bool,
    /// Bytes in use.
    pub bytes: u64,
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It may work later: busy, out of space, an input or output error.
    #[error("store does not respond")]
    Retry(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The query took too long.
    #[error("query took longer than {}", humantime(.0))]
    Deadline(Duration),
    /// The unit does not follow what is stored.
    #[error("unit starts after position {after}, but the store ends at {applied}")]
    Gap {
        /// Where the unit starts.
        after: Position,
        /// Where the store ends.
        applied: Position,
    },
    /// The store has changed since the unit was decided: it must be decided anew.
    #[error("the store has changed")]
    Outdated,
    /// It will not work without help.
    #[error("store is broken")]
    Fatal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn humantime(duration: &Duration) -> String {
    format!("{} s", duration.as_secs())
}

/// A store of hits and attacks.
pub trait Store: Send + Sync + 'static {
    /// How far a journal has been written; the start for one that is not known.
    fn applied(&self, journal: JournalId) -> impl Future<Output = Result<Position, StoreError>> + Send;

    /// The current state.
    fn revision(&self) -> impl Future<Output = Result<Revision, StoreError>> + Send;

    /// The greatest id in use in each slot, in the order asked; `None` where the slot is empty.
    fn taken(&self, slots: Vec<Slot>) -> impl Future<Output = Result<Vec<Option<HitId>>, StoreError>> + Send;

    /// The attacks that grouping must know.
    fn spans(&self, wanted: Vec<Wanted>) -> impl Future<Output = Result<Vec<Span>, StoreError>> + Send;

    /// Writes a unit, whole and once: a unit that was written before changes nothing. Otherwise the store must be in the
    /// state that the unit was decided from.
    fn apply(&self, unit: Arc<WriteUnit>) -> impl Future<Output = Result<Applied, StoreError>> + Send;

    /// Attacks, the most recently active first: at most `limit`, fewer when they exceed [`PAGE_BYTES`].
    fn attacks(
        &self,
        filter: Filter,
        after: Option<AttackCursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Paged<Attack, AttackCursor>, StoreError>> + Send;

    /// One attack.
    fn attack(&self, id: AttackId) -> impl Future<Output = Result<Option<Attack>, StoreError>> + Send;

    /// Hits, newest first; of one attack or of all. At most `limit`, fewer when they exceed [`PAGE_BYTES`].
    fn hits(
        &self,
        filter: Filter,
        attack: Option<AttackId>,
        after: Option<HitId>,
        limit: usize,
    ) -> impl Future<Output = Result<Paged<StoredHit, HitId>, StoreError>> + Send;

    /// Deletes a bounded number of the oldest hits that are beyond the retention, and attacks that ended before the oldest
    /// hit that is left.
    fn retain(&self, retention: Retention, now: Timestamp)
    -> impl Future<Output = Result<Retained, StoreError>> + Send;
}
