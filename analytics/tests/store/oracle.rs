//! A store in memory, written to be obviously right rather than fast.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, Mutex},
};

use analytics::{
    aggregate::{AttackDelta, Merge, Span, Wanted},
    attack::{Attack, Sources},
    hit::{Action, StoredHit},
    id::{AttackId, HitId, JournalId, Position, Slot},
    store::{Applied, AttackCursor, Filter, Paged, Retained, Retention, Revision, Store, StoreError, WriteUnit},
};
use jiff::Timestamp;

/// The store.
#[derive(Default)]
pub(crate) struct Oracle(Mutex<State>);

#[derive(Default)]
struct State {
    revision: Revision,
    applied: BTreeMap<JournalId, Position>,
    attacks: BTreeMap<AttackId, (Attack, BTreeSet<IpAddr>)>,
    hits: BTreeMap<HitId, StoredHit>,
}

impl State {
    fn merge(&mut self, merge: Merge) {
        let (from, from_sources) = self.attacks.remove(&merge.from).unwrap();
        self.add(
            AttackDelta {
                id: merge.into,
                key: from.key,
                first: from.first,
                last: from.last,
                hits: from.hits,
                blocked_hits: from.blocked_hits,
                counted_hits: from.counted_hits,
                sources: Sources::default(),
                payload: from.payload,
            },
            from_sources,
        );
        for hit in self.hits.values_mut().filter(|hit| hit.attack == merge.from) {
            hit.attack = merge.into;
        }
    }

    fn add(&mut self, delta: AttackDelta, sources: BTreeSet<IpAddr>) {
        let (attack, known) = self.attacks.entry(delta.id).or_insert_with(|| {
            let attack = Attack {
                id: delta.id,
                key: delta.key.clone(),
                first: delta.first,
                last: delta.last,
                hits: 0,
                blocked_hits: 0,
                counted_hits: 0,
                n_sources: 0,
                payload: delta.payload.clone(),
            };
            (attack, BTreeSet::new())
        });
        assert_eq!(attack.key, delta.key, "an attack keeps its key");
        if (delta.last, &delta.payload) > (attack.last, &attack.payload) {
            attack.payload = delta.payload;
        }
        attack.first = attack.first.min(delta.first);
        attack.last = attack.last.max(delta.last);
        attack.hits += delta.hits;
        attack.blocked_hits += delta.blocked_hits;
        attack.counted_hits += delta.counted_hits;
        known.extend(sources);
        attack.n_sources = known.len().min(Sources::MAX) as u32;
    }
}

impl Store for Oracle {
    async fn applied(&self, journal: JournalId) -> Result<Position, StoreError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .applied
            .get(&journal)
            .copied()
            .unwrap_or_default())
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.0.lock().unwrap().revision)
    }

    async fn taken(&self, slots: Vec<Slot>) -> Result<Vec<Option<HitId>>, StoreError> {
        let state = self.0.lock().unwrap();
        let greatest = |slot: &Slot| state.hits.keys().filter(|id| id.slot() == *slot).max().copied();
        Ok(slots.iter().map(greatest).collect())
    }

    async fn spans(&self, wanted: Vec<Wanted>) -> Result<Vec<Span>, StoreError> {
        let state = self.0.lock().unwrap();
        let mut spans = Vec::new();
        for Wanted { key, from, until } in wanted {
            for (attack, _) in state.attacks.values() {
                if attack.key.digest() == key && attack.last >= from && attack.first <= until {
                    spans.push(Span {
                        id: attack.id,
                        key,
                        first: attack.first,
                        last: attack.last,
                    });
                }
            }
        }
        Ok(spans)
    }

    async fn apply(&self, unit: Arc<WriteUnit>) -> Result<Applied, StoreError> {
        let mut state = self.0.lock().unwrap();
        let applied = state.applied.get(&unit.journal).copied().unwrap_or_default();
        if applied >= unit.through {
            return Ok(Applied::Already);
        }
        if applied != unit.after {
            return Err(StoreError::Gap {
                after: unit.after,
                applied,
            });
        }
        if state.revision != unit.basis {
            return Err(StoreError::Outdated);
        }
        state.revision.0 += 1;
        for merge in &unit.merges {
            state.merge(*merge);
        }
        for delta in &unit.deltas {
            state.add(delta.clone(), delta.sources.iter().copied().collect());
        }
        for hit in &unit.hits {
            assert!(state.hits.insert(hit.id, hit.clone()).is_none(), "ids are unique");
        }
        state.applied.insert(unit.journal, unit.through);
        Ok(Applied::Now)
    }

    async fn attacks(
        &self,
        filter: Filter,
        after: Option<AttackCursor>,
        limit: usize,
    ) -> Result<Paged<Attack, AttackCursor>, StoreError> {
        let state = self.0.lock().unwrap();
        let matches = |(attack, sources): &&(Attack, BTreeSet<IpAddr>)| {
            key_matches(&filter, attack)
                && filter
                    .source
                    .is_none_or(|network| sources.iter().any(|address| network.contains(*address)))
                && filter
                    .blocked
                    .is_none_or(|blocked| blocked == (attack.blocked_hits > 0))
                && filter.since.is_none_or(|since| attack.last >= since)
                && filter.until.is_none_or(|until| attack.first < until)
        };
        let cursor = |attack: &Attack| AttackCursor {
            last: attack.last,
            id: attack.id,
        };
        let mut found: Vec<Attack> = state
            .attacks
            .values()
            .filter(matches)
            .map(|(attack, _)| attack.clone())
            .collect();
        found.sort_by_key(|attack| std::cmp::Reverse(cursor(attack)));
        found.retain(|attack| after.is_none_or(|after| cursor(attack) < after));
        Ok(page(found, limit, cursor))
    }

    async fn attack(&self, id: AttackId) -> Result<Option<Attack>, StoreError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .attacks
            .get(&id)
            .map(|(attack, _)| attack.clone()))
    }

    async fn hits(
        &self,
        filter: Filter,
        attack: Option<AttackId>,
        after: Option<HitId>,
        limit: usize,
    ) -> Result<Paged<StoredHit, HitId>, StoreError> {
        let state = self.0.lock().unwrap();
        let matches = |stored: &&StoredHit| {
            key_matches(&filter, &state.attacks[&stored.attack].0)
                && attack.is_none_or(|attack| stored.attack == attack)
                && filter
                    .source
                    .is_none_or(|network| stored.hit.remote_addr.is_some_and(|address| network.contains(address)))
                && filter
                    .blocked
                    .is_none_or(|blocked| blocked == (stored.hit.action == Action::Blocked))
                && filter.since.is_none_or(|since| stored.hit.time >= since)
                && filter.until.is_none_or(|until| stored.hit.time < until)
                && after.is_none_or(|after| stored.id < after)
        };
        let found = state.hits.values().rev().filter(matches).cloned().collect();
        Ok(page(found, limit, |stored: &StoredHit| stored.id))
    }

    /// By age only: what counts in bytes is a matter of the store.
    async fn retain(&self, retention: Retention, now: Timestamp) -> Result<Retained, StoreError> {
        let mut state = self.0.lock().unwrap();
        let cutoff = now - retention.max_age;
        let before = (state.hits.len(), state.attacks.len());
        state.hits.retain(|_, stored| stored.hit.time >= cutoff);
        let oldest = state.hits.values().map(|stored| stored.hit.time).min();
        state
            .attacks
            .retain(|_, (attack, _)| oldest.is_some_and(|oldest| attack.last >= oldest));
        Ok(Retained {
            hits: (before.0 - state.hits.len()) as u64,
            attacks: (before.1 - state.attacks.len()) as u64,
            more: false,
            bytes: 0,
        })
    }
}

fn key_matches(filter: &Filter, attack: &Attack) -> bool {
    let types = &filter.attack_types;
    (types.is_empty() || types.contains(&attack.key.attack_type))
        && !filter.not_attack_types.contains(&attack.key.attack_type)
        && filter.host.as_ref().is_none_or(|host| *host == attack.key.host)
}

fn page<T, C>(mut found: Vec<T>, limit: usize, cursor: impl Fn(&T) -> C) -> Paged<T, C> {
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(cursor);
    Paged { entries: found, next }
}
