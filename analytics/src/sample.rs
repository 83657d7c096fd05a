//! Decides which hits are kept one by one and which are only counted in their attack.
//!
//! Detection, blocking and every count are the same whatever is decided here; only the list of single hits gets shorter.
//! Times are those of the hits and load is passed in, so that the same hits in the same order give the same decisions.
//!
//! Source: Wallarm documentation, "Grouping and sampling of hits".

mod pressure;

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
};

use jiff::{SignedDuration, Timestamp};

pub use self::pressure::{Flow, Pressure};
use crate::{attack::KeyDigest, hit::Hit};

/// For how long hits count as repetitions of one that was kept.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// Identical hits kept per window.
const REGULAR_KEPT: u32 = 5;
/// Identical hits kept per window of sources on a denylist.
const DENYLIST_KEPT: u32 = 10;
/// One of so many hits is kept of types that have no payload to tell them apart, in the extreme stage.
const EXTREME_ONE_IN: u32 = 10;
/// Kinds of hits remembered per generation; 24 bytes each, two generations.
const MAX_REMEMBERED: usize = 1 << 17;

/// How much is kept. In the order in which load raises it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Every hit of input validation; of other types the first five identical ones an hour.
    #[default]
    Full,
    /// Of every type the first five identical hits an hour.
    Regular,
    /// The first hit with a payload an hour; of types without payloads one in ten.
    Extreme,
    /// Only the hit that opens an attack.
    Counts,
}

/// What sampling distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// A payload in a request.
    Input,
    /// A behaviour, or a limit that was exceeded.
    Behaviour,
    /// A source on a denylist was refused.
    Denylist,
}

/// Remembers which hits were kept. Its memory is bounded: when there are too many kinds of hits, those that were not seen
/// for longest are forgotten, and more of them are kept.
#[derive(Debug, Default)]
pub struct Sampler {
    state: RandomState,
    young: HashMap<u64, Window>,
    old: HashMap<u64, Window>,
}

/// An hour of hits of one kind.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: Timestamp,
    /// Saturates, which is beyond every bound.
    n_seen: u32,
}

// === impl Stage ===

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 4] = [Stage::Full, Stage::Regular, Stage::Extreme, Stage::Counts];

    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Full => "full",
            Stage::Regular => "regular",
            Stage::Extreme => "extreme",
            Stage::Counts => "counts",
        }
    }
}

// === impl Class ===

impl Class {
    fn of(hit: &Hit) -> Class {
        match hit.attack_type.as_str() {
            "blocked_source" => Class::Denylist,
            "brute" | "dirbust" | "bola" | "data_bomb" | "overlimit_res" => Class::Behaviour,
            _ => Class::Input,
        }
    }
}

// === impl Sampler ===

impl Sampler {
    /// Whether to keep a hit. `attack` is the digest of its attack's key.
    pub fn keeps(&mut self, hit: &Hit, attack: KeyDigest, stage: Stage) -> bool {
        let identity = (attack, &hit.method, hit.response_status, hit.remote_addr);
        match (Class::of(hit), stage) {
            (_, Stage::Counts) => false,
            (Class::Input, Stage::Full) => true,
            (Class::Input, Stage::Regular) | (Class::Behaviour, Stage::Full | Stage::Regular) => {
                self.nth(hit.time, ("regular", identity)) < REGULAR_KEPT
            }
            (Class::Denylist, _) => self.nth(hit.time, ("denylist", identity)) < DENYLIST_KEPT,
            (Class::Input, Stage::Extreme) => {
                self.nth(hit.time, ("payload", &hit.attack_type, &hit.finding.payload)) == 0
            }
            (Class::Behaviour, Stage::Extreme) => self.nth(hit.time, ("one in", attack)).is_multiple_of(EXTREME_ONE_IN),
        }
    }

    /// How many hits of a kind there were within the hour. Hits may arrive out of order by as much.
    fn nth(&mut self, time: Timestamp, kind: impl Hash) -> u32 {
        // A secret of this process goes into the hash, so nobody can make hits that pass for others.
        let hash = self.state.hash_one(kind);
        if self.young.len() >= MAX_REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        let known = self.old.remove(&hash);
        let fresh = Window { start: time, n_seen: 0 };
        let window = self.young.entry(hash).or_insert(known.unwrap_or(fresh));
        if time.duration_since(window.start).abs() >= WINDOW {
            *window = fresh;
        }
        let nth = window.n_seen;
        window.n_seen = nth.saturating_add(1);
        nth
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attack::AttackKey,
        hit::{Action, AttackTypeCode, Finding, Point},
    };

    fn hit(attack_type: &str, minute: i64) -> Hit {
        let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        Hit {
            attack_type: AttackTypeCode::new(attack_type).unwrap(),
            time: start + SignedDuration::from_mins(minute),
            request_id: String::new(),
            application: -1,
            remote_addr: Some([192, 0, 2, 1].into()),
            method: b"GET".to_vec(),
            host: b"shop".to_vec(),
            path: b"/".to_vec(),
            mode: "block".to_owned(),
            action: Action::Blocked,
            response_status: 403,
            finding: Finding {
                point: Point::default(),
                payload: b"1'--".to_vec(),
                stamps: Vec::new(),
                reason: String::new(),
                span_start: 0,
                span_end: 0,
                decoders: Vec::new(),
            },
            other_findings: Vec::new(),
            limits: Vec::new(),
        }
    }

    /// How many of these hits are kept.
    fn check(stage: Stage, hits: impl IntoIterator<Item = Hit>) -> usize {
        let mut sampler = Sampler::default();
        let keeps = |hit: &Hit| sampler.keeps(hit, AttackKey::of(hit).digest(), stage);
        hits.into_iter().filter(keeps).count()
    }

    #[test]
    fn kept_of_a_hundred_identical_hits() {
        let kept = |attack_type| Stage::ALL.map(|stage| check(stage, (0..100).map(|_| hit(attack_type, 0))));
        assert_eq!(kept("sqli"), [100, 5, 1, 0]);
        assert_eq!(kept("brute"), [5, 5, 10, 0]);
        assert_eq!(kept("data_bomb"), [5, 5, 10, 0]);
        assert_eq!(kept("blocked_source"), [10, 10, 10, 0]);
        assert_eq!(kept("not_known_yet"), [100, 5, 1, 0]);
    }

    #[test]
    fn an_hour_later_counting_starts_again() {
        // One hit a minute for three hours; then backwards, as late batches may bring them.
        assert_eq!(check(Stage::Regular, (0..180).map(|minute| hit("sqli", minute))), 15);
        assert_eq!(
            check(Stage::Regular, (0..180).rev().map(|minute| hit("sqli", minute))),
            15
        );
    }

    #[test]
    fn what_makes_hits_identical() {
        let differences: [fn(&mut Hit); 7] = [
            |_| {},
            |hit| hit.method = b"POST".to_vec(),
            |hit| hit.path = b"/other".to_vec(),
            |hit| hit.response_status = 200,
            |hit| hit.remote_addr = None,
            |hit| hit.finding.point.0.push(("get".to_owned(), crate::hit::Key::None)),
            |hit| hit.finding.payload = b"2'--".to_vec(),
        ];
        let hits = || {
            differences.iter().flat_map(|change| {
                (0..20).map(move |_| {
                    let mut hit = hit("sqli", 0);
                    change(&mut hit);
                    hit
                })
            })
        };
        // A payload does not tell hits apart for the regular stage, and is all that does for the extreme one.
        assert_eq!(check(Stage::Regular, hits()), 6 * 5);
        assert_eq!(check(Stage::Extreme, hits()), 2);
    }

    #[test]
    fn memory_is_bounded_whatever_arrives() {
        let mut sampler = Sampler::default();
        let mut hit = hit("sqli", 0);
        for number in 0..3 * MAX_REMEMBERED as u32 {
            hit.response_status = number;
            sampler.keeps(&hit, KeyDigest([0; 16]), Stage::Regular);
        }
        assert!(sampler.young.len() <= MAX_REMEMBERED && sampler.old.len() <= MAX_REMEMBERED);
        // What was seen last is still known.
        for _ in 0..10 {
            sampler.keeps(&hit, KeyDigest([0; 16]), Stage::Regular);
        }
        assert!(!sampler.keeps(&hit, KeyDigest([0; 16]), Stage::Regular));
    }
}
