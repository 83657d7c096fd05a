//! Folds hits into attacks.
//!
//! A pure function: times are those of the hits, what is already stored is passed in, and what changes comes back. The
//! result does not depend on the order of hits or on how they are cut into batches: a hit that arrives late joins the
//! attack it belongs to, opens one, or closes the gap between two, which then become one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::{
    attack::{AttackKey, KeyDigest, Sources},
    hit::{Action, Hit},
    id::{AttackId, HitId},
};

/// Longest pause between two hits of one attack; a hit that comes later opens a new attack.
///
/// Source: Wallarm documentation, "Grouping and sampling of hits".
pub const MAX_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// A stored attack, as far as grouping must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Identifier.
    pub id: AttackId,
    /// Digest of its key.
    pub key: KeyDigest,
    /// Time of the first hit.
    pub first: Timestamp,
    /// Time of the last hit.
    pub last: Timestamp,
}

/// Which stored attacks matter to a set of hits: those of one key that overlap a range of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Digest of the key.
    pub key: KeyDigest,
    /// Attacks whose last hit is not before this.
    pub from: Timestamp,
    /// Attacks whose first hit is not after this.
    pub until: Timestamp,
}

/// What a set of hits adds to one attack, new or stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttackDelta {
    /// Identifier.
    pub id: AttackId,
    /// What the hits have in common.
    pub key: AttackKey,
    /// Time of the first of these hits.
    pub first: Timestamp,
    /// Time of the last of these hits.
    pub last: Timestamp,
    /// Number of these hits.
    pub hits: u64,
    /// Those that were blocked.
    pub blocked_hits: u64,
    /// Those that are only counted, see [`crate::sample`].
    pub counted_hits: u64,
    /// Their sources.
    pub sources: Sources,
    /// Payload of the latest; of several at one time the greatest.
    pub payload: Vec<u8>,
}

/// Two stored attacks turned out to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merge {
    /// The attack that ends.
    pub from: AttackId,
    /// The attack that takes its hits.
    pub into: AttackId,
}

/// What a set of hits changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// To be carried out first, in order.
    pub merges: Vec<Merge>,
    /// To be added after that; by id.
    pub deltas: Vec<AttackDelta>,
    /// The attack of each hit, in the order of the hits.
    pub attacks: Vec<AttackId>,
}

/// Which stored attacks [`fold`] must know for these hits.
pub fn wanted<'h>(hits: impl IntoIterator<Item = &'h Hit>) -> Vec<Wanted> {
    let mut ranges: BTreeMap<KeyDigest, (Timestamp, Timestamp)> = BTreeMap::new();
    for hit in hits {
        let range = ranges
            .entry(AttackKey::of(hit).digest())
            .or_insert((hit.time, hit.time));
        range.0 = range.0.min(hit.time);
        range.1 = range.1.max(hit.time);
    }
    let wanted = ranges.into_iter().map(|(key, (first, last))| Wanted {
        key,
        from: first - MAX_PAUSE,
        until: last + MAX_PAUSE,
    });
    wanted.collect()
}

/// Folds hits into attacks. `known` are the stored attacks that [`wanted`] asks for; others do no harm.
pub fn fold(known: Vec<Span>, hits: &[(HitId, Hit)]) -> Folded {
    let mut groups: BTreeMap<KeyDigest, Vec<Open>> = BTreeMap::new();
    for span in known {
        groups.entry(span.key).or_default().push(Open::stored(span));
    }
    let mut folded = Folded::default();
    // Attacks that ended in others; followed to the end once all hits are in.
    let mut ended: BTreeMap<AttackId, AttackId> = BTreeMap::new();
    for (id, hit) in hits {
        let key = AttackKey::of(hit);
        let group = groups.entry(key.digest()).or_default();
        let mut near = group.iter().enumerate().filter(|(_, open)| open.is_near(hit.time));
        // Attacks of one key are more than a pause apart, so a hit is near two of them at most.
        let at = match (near.next().map(|(at, _)| at), near.next().map(|(at, _)| at)) {
            (None, _) => {
                group.push(Open::new(AttackId(*id), hit.time));
                group.len() - 1
            }
            (Some(at), None) => at,
            (Some(left), Some(right)) => {
                let other = group.remove(right);
                let open = &mut group[left];
                let merge = open.absorb(other);
                ended.insert(merge.from, merge.into);
                folded.merges.push(merge);
                left
            }
        };
        group[at].add(key, hit);
        folded.attacks.push(group[at].id);
    }
    for attack in &mut folded.attacks {
        while let Some(into) = ended.get(attack) {
            *attack = *into;
        }
    }
    let stored: BTreeSet<AttackId> = groups
        .values()
        .flatten()
        .flat_map(|open| open.stored.iter().copied())
        .collect();
    // What only this call knew needs no merging in the store.
    folded.merges.retain(|merge| stored.contains(&merge.from));
    folded.deltas = groups.into_values().flatten().filter_map(|open| open.delta).collect();
    folded.deltas.sort_by_key(|delta| delta.id);
    folded
}

// === impl Folded ===

impl Folded {
    /// Leaves out the hits for which `keep` is false, and counts them in their attacks; the hits that remain, with their
    /// attacks. A hit that opens an attack always remains: its id is the attack's, and nothing else may take it.
    pub fn sample(&mut self, hits: Vec<(HitId, Hit)>, keep: &[bool]) -> Vec<(HitId, AttackId, Hit)> {
        let mut kept = Vec::with_capacity(hits.len());
        for (((id, hit), attack), keep) in hits.into_iter().zip(&self.attacks).zip(keep) {
            if *keep || attack.0 == id {
                kept.push((id, *attack, hit));
            } else if let Ok(at) = self.deltas.binary_search_by_key(attack, |delta| delta.id) {
                self.deltas[at].counted_hits += 1;
            }
        }
        kept
    }
}

/// An attack while hits are folded into it.
struct Open {
    id: AttackId,
    /// The attacks in the store that went into it.
    stored: Vec<AttackId>,
    first: Timestamp,
    last: Timestamp,
    delta: Option<AttackDelta>,
}

// === impl Open ===

impl Open {
    fn stored(span: Span) -> Open {
        Open {
            id: span.id,
            stored: vec![span.id],
            first: span.first,
            last: span.last,
            delta: None,
        }
    }

    fn new(id: AttackId, time: Timestamp) -> Open {
        Open {
            id,
            stored: Vec::new(),
            first: time,
            last: time,
            delta: None,
        }
    }

    fn is_near(&self, time: Timestamp) -> bool {
        time >= self.first - MAX_PAUSE && time <= self.last + MAX_PAUSE
    }

    /// Takes in another attack. A stored attack keeps its id against a new one; otherwise the earlier keeps it.
    fn absorb(&mut self, other: Open) -> Merge {
        let mine = (self.stored.is_empty(), self.first, self.id);
        let theirs = (other.stored.is_empty(), other.first, other.id);
        let (into, from) = if mine <= theirs {
            (self.id, other.id)
        } else {
            (other.id, self.id)
        };
        self.id = into;
        self.stored.extend(other.stored);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.delta = match (self.delta.take(), other.delta) {
            (Some(mine), Some(theirs)) => Some(mine.plus(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        if let Some(delta) = &mut self.delta {
            delta.id = into;
        }
        Merge { from, into }
    }

    fn add(&mut self, key: AttackKey, hit: &Hit) {
        self.first = self.first.min(hit.time);
        self.last = self.last.max(hit.time);
        let one = AttackDelta::of(self.id, key, hit);
        self.delta = Some(match self.delta.take() {
            Some(delta) => delta.plus(one),
            None => one,
        });
    }
}

// === impl AttackDelta ===

impl AttackDelta {
    fn of(id: AttackId, key: AttackKey, hit: &Hit) -> AttackDelta {
        let mut sources = Sources::default();
        if let Some(address) = hit.remote_addr {
            sources.insert(address);
        }
        AttackDelta {
            id,
            key,
            first: hit.time,
            last: hit.time,
            hits: 1,
            blocked_hits: u64::from(hit.action == Action::Blocked),
            counted_hits: 0,
            sources,
            payload: hit.finding.payload.clone(),
        }
    }

    fn plus(mut self, other: AttackDelta) -> AttackDelta {
        if (other.last, &other.payload) > (self.last, &self.payload) {
            self.payload = other.payload;
        }
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.hits += other.hits;
        self.blocked_hits += other.blocked_hits;
        self.counted_hits += other.counted_hits;
        self.sources.merge(&other.sources);
        self
    }
}
