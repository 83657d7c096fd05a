//! Moves hits from the journal to the store.
//!
//! Reads entries in order, gives hits their ids, groups them into attacks, leaves repetitions out, and writes the rest as one unit. The unit says
//! which part of the journal it carries, and the store keeps that in the same transaction: a crash at any point loses
//! nothing and doubles nothing. Entries leave the journal only after the store has them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    aggregate,
    attack::AttackKey,
    hit::{Hit, StoredHit},
    id::{HitId, Position, Slot},
    journal::{Entry, Journal},
    metrics::Metrics,
    sample::{Pressure, Sampler},
    store::{Applied, Retention, Store, StoreError, WriteUnit},
};

/// Bytes of batches per unit: about a thousand hits.
const UNIT_BYTES: usize = 1024 * 1024;
/// First and longest pause between attempts after a failure.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// Pause between looks at the retention while nothing happens.
const RETAIN_INTERVAL: Duration = Duration::from_secs(10);
/// Time that retention may take between two units.
const RETAIN_BUDGET: Duration = Duration::from_millis(500);

/// Moves hits from a journal to a store.
#[derive(Debug)]
pub struct Applier<S> {
    journal: Journal,
    store: Arc<S>,
    retention: Retention,
    pressure: Pressure,
    sampler: Mutex<Sampler>,
    metrics: Metrics,
}

/// The service is stopping and the store does not take more; what is left stays in the journal.
#[derive(Debug, thiserror::Error)]
#[error("the rest of the spool stays there until the next start")]
pub struct Left(#[source] StoreError);

// === impl Applier ===

impl<S: Store> Applier<S> {
    /// An applier; [`Applier::run`] does the work.
    pub fn new(journal: Journal, store: Arc<S>, retention: Retention, pressure: Pressure, metrics: Metrics) -> Self {
        Applier {
            journal,
            store,
            retention,
            pressure,
            sampler: Mutex::default(),
            metrics,
        }
    }

    /// Works until `stop` becomes true and the journal is empty.
    ///
    /// A store that fails is tried again for as long as it takes; meanwhile batches collect in the journal. Only when
    /// stopping does a failure end the work.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> Result<(), Left> {
        let journal = self.journal.id();
        let mut applied = self.persist(&stop, || self.store.applied(journal)).await?;
        // Left over when a crash came between the store's commit and the journal's.
        self.journal.trim(applied);
        let mut retained_at = Instant::now();
        loop {
            // Also when nothing arrives: load that is over must be seen to be over.
            self.pressure.note(0, self.journal.fill(), Instant::now());
            let stage = self.pressure.stage().unwrap_or_default();
            self.metrics.sampling_stage.set(stage as u64);
            let read = || async {
                let entries = self.journal.read(applied, UNIT_BYTES).await;
                entries.map_err(StoreError::from)
            };
            let entries = self.persist(&stop, read).await?;
            let idle = entries.is_empty();
            if !idle {
                applied = self.apply(&stop, applied, entries).await?;
                self.journal.trim(applied);
            } else if *stop.borrow() {
                return Ok(());
            }
            if retained_at.elapsed() >= RETAIN_INTERVAL || !idle {
                self.retain().await;
                retained_at = Instant::now();
            }
            if idle {
                tokio::select! {
                    () = self.journal.appended() => {}
                    // An error means that whoever could stop us is gone.
                    _ = stop.wait_for(|stop| *stop) => {}
                    () = tokio::time::sleep(RETAIN_INTERVAL) => {}
                }
            }
        }
    }

    async fn apply(
        &self,
        stop: &watch::Receiver<bool>,
        after: Position,
        entries: Vec<Entry>,
    ) -> Result<Position, Left> {
        let through = entries.last().map_or(after, |entry| entry.position);
        let mut nodes = Vec::new();
        let mut hits = Vec::new();
        for Entry { position, batch } in entries {
            let Some(batch) = batch else {
                self.metrics.entries_unreadable.inc();
                error!(%position, "A batch in the spool is damaged and was skipped.");
                continue;
            };
            let node = Arc::new(batch.producer.node);
            nodes.extend(batch.hits.iter().map(|_| node.clone()));
            hits.extend(batch.hits);
        }
        // Decided once: a unit that is decided anew must not see its own hits as repetitions.
        let keep: Vec<bool> = hits.iter().map(|hit| self.keeps(hit)).collect();
        let attempt = || async {
            loop {
                let unit = self.plan(after, through, &nodes, &hits, &keep).await?;
                let start = Instant::now();
                match self.store.apply(unit.clone()).await {
                    // Another process came first, which is then done.
                    Err(StoreError::Outdated) => {}
                    applied => return Ok((applied?, unit, start.elapsed())),
                }
            }
        };
        let (applied, unit, took) = self.persist(stop, attempt).await?;
        self.metrics.apply.observe(took.as_secs_f64());
        if applied == Applied::Now {
            self.metrics.hits_applied.inc_by(unit.hits.len() as u64);
            let counted = unit.deltas.iter().map(|delta| delta.counted_hits).sum();
            self.metrics.hits_counted.inc_by(counted);
            self.metrics.attacks_merged.inc_by(unit.merges.len() as u64);
        }
        Ok(through)
    }

    /// Decides everything that the unit writes.
    async fn plan(
        &self,
        after: Position,
        through: Position,
        nodes: &[Arc<String>],
        hits: &[Hit],
        keep: &[bool],
    ) -> Result<Arc<WriteUnit>, StoreError> {
        let basis = self.store.revision().await?;
        let ids = self.identify(hits).await?;
        let mut identified = Vec::with_capacity(hits.len());
        for (id, hit) in ids.into_iter().zip(hits) {
            let mut hit = hit.clone();
            hit.time = id.time();
            identified.push((id, hit));
        }
        let wanted = aggregate::wanted(identified.iter().map(|(_, hit)| hit));
        let spans = self.store.spans(wanted).await?;
        let mut folded = aggregate::fold(spans, &identified);
        let nodes: BTreeMap<HitId, &Arc<String>> = identified.iter().map(|(id, _)| *id).zip(nodes).collect();
        let kept = folded.sample(identified, keep);
        let stored = kept.into_iter().map(|(id, attack, hit)| StoredHit {
            id,
            attack,
            node: nodes.get(&id).map(|node| node.to_string()).unwrap_or_default(),
            hit,
        });
        Ok(Arc::new(WriteUnit {
            basis,
            journal: self.journal.id(),
            after,
            through,
            merges: folded.merges,
            deltas: folded.deltas,
            hits: stored.collect(),
        }))
    }

    fn keeps(&self, hit: &Hit) -> bool {
        let Some(stage) = self.pressure.stage() else {
            return true;
        };
        let mut sampler = self.sampler.lock().unwrap_or_else(PoisonError::into_inner);
        sampler.keeps(hit, AttackKey::of(hit).digest(), stage)
    }

    /// Gives each hit the next free id of its microsecond. Where that is full, the hit moves by up to a second.
    async fn identify(&self, hits: &[Hit]) -> Result<Vec<HitId>, StoreError> {
        let mut ids: Vec<Option<HitId>> = vec![None; hits.len()];
        let mut last_taken: BTreeMap<Slot, Option<HitId>> = BTreeMap::new();
        let mut pending: Vec<(usize, Slot)> = Vec::new();
        for (at, hit) in hits.iter().enumerate() {
            pending.push((at, Slot::nearest(hit.time)));
        }
        while !pending.is_empty() {
            let mut unknown: Vec<Slot> = pending.iter().map(|(_, slot)| *slot).collect();
            unknown.retain(|slot| !last_taken.contains_key(slot));
            unknown.sort_unstable();
            unknown.dedup();
            let taken = self.store.taken(unknown.clone()).await?;
            last_taken.extend(unknown.into_iter().zip(taken));
            let mut full = Vec::new();
            for (at, slot) in pending {
                let free = match last_taken.get(&slot).copied().flatten() {
                    None => Some(slot.first_id()),
                    Some(taken) => taken.next(),
                };
                if let Some(id) = free {
                    last_taken.insert(slot, Some(id));
                    ids[at] = Some(id);
                } else {
                    full.push((at, slot.later(Uuid::new_v4().as_u64_pair().0)));
                }
            }
            pending = full;
        }
        Ok(ids.into_iter().flatten().collect())
    }

    async fn retain(&self) {
        let start = Instant::now();
        loop {
            match self.store.retain(self.retention, Timestamp::now()).await {
                Ok(retained) => {
                    self.metrics.hits_expired.inc_by(retained.hits);
                    self.metrics.attacks_expired.inc_by(retained.attacks);
                    self.metrics.store_bytes.set(retained.bytes);
                    if !retained.more || start.elapsed() > RETAIN_BUDGET {
                        return;
                    }
                }
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "Cannot delete old hits.");
                    return;
                }
            }
        }
    }

    /// Tries until it works. Gives up only when stopping.
    async fn persist<T, F>(&self, stop: &watch::Receiver<bool>, attempt: impl Fn() -> F) -> Result<T, Left>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let [mut pause, longest] = BACKOFF;
        let mut failed = false;
        loop {
            let error = match attempt().await {
                Ok(done) => {
                    if failed {
                        info!("The store works again.");
                    }
                    return Ok(done);
                }
                Err(error) => error,
            };
            self.metrics.apply_failures.inc();
            if !failed {
                error!(
                    error = &error as &dyn std::error::Error,
                    "Cannot write to the store; hits wait in the spool."
                );
            }
            failed = true;
            if *stop.borrow() {
                return Err(Left(error));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }
}
