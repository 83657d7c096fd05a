//! Small random worlds: few keys and round times, so that hits meet.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use analytics::{
    aggregate,
    hit::{Action, AttackTypeCode, Finding, Hit, Key, Point, StoredHit},
    id::{HitId, JournalId, Position, Slot},
    store::{Store, WriteUnit},
};
use jiff::{SignedDuration, Timestamp};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use uuid::Uuid;

/// The journal of these tests.
pub(crate) const JOURNAL: JournalId = JournalId(Uuid::from_u128(7));

/// When the worlds begin.
pub(crate) fn start() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

/// Attack types in use.
pub(crate) const TYPES: [&str; 2] = ["sqli", "xss"];
/// Hosts in use; two are the same in different case.
pub(crate) const HOSTS: [&str; 3] = ["a", "A", "b"];

/// Payload of hits that are only counted unless they open an attack.
const SAMPLED: u8 = 3;

/// An address in use.
pub(crate) fn address(number: u8) -> IpAddr {
    if number.is_multiple_of(2) {
        IpAddr::from([10, 0, 0, number])
    } else {
        IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)])
    }
}

/// A hit somewhere in ten hours, most often on a multiple of half an hour, where pauses are exactly an hour.
pub(crate) fn hit() -> impl Strategy<Value = Hit> {
    let time = prop_oneof![
        3 => (0i64..20).prop_map(|half_hours| half_hours * 1_800_000_000),
        1 => 0i64..36_000_000_000,
    ];
    (
        time,
        0usize..2,
        0usize..3,
        0usize..2,
        any::<bool>(),
        prop::option::of(0u8..6),
        0u8..4,
    )
        .prop_map(|(micros, kind, host, point, blocked, source, payload)| Hit {
            attack_type: AttackTypeCode::new(TYPES[kind]).unwrap(),
            time: start() + SignedDuration::from_micros(micros),
            request_id: format!("r{micros}"),
            application: -1,
            remote_addr: source.map(address),
            method: b"GET".to_vec(),
            host: HOSTS[host].into(),
            path: b"/".to_vec(),
            mode: "block".to_owned(),
            action: if blocked { Action::Blocked } else { Action::Monitored },
            response_status: 403,
            finding: Finding {
                point: Point(vec![("get".to_owned(), Key::Index(point as u32))]),
                payload: vec![payload],
                stamps: vec![1],
                reason: "because".to_owned(),
                span_start: 0,
                span_end: 1,
                decoders: Vec::new(),
            },
            other_findings: Vec::new(),
            limits: Vec::new(),
        })
}

/// Hits cut into batches.
pub(crate) fn batches() -> impl Strategy<Value = Vec<Vec<Hit>>> {
    prop::collection::vec(prop::collection::vec(hit(), 0..12), 1..8)
}

/// Some hits, always the same.
pub(crate) fn sample_hits(n: usize) -> Vec<Hit> {
    let mut runner = TestRunner::deterministic();
    let mut hit = || hit().new_tree(&mut runner).unwrap().current();
    (0..n).map(|_| hit()).collect()
}

/// The units that carry these batches into a store, applied one by one.
pub(crate) async fn store_all(store: &impl Store, batches: &[Vec<Hit>]) -> Vec<Arc<WriteUnit>> {
    let mut units = Vec::new();
    let mut used: BTreeMap<Slot, HitId> = BTreeMap::new();
    for (at, hits) in batches.iter().enumerate() {
        let mut identified = Vec::new();
        for hit in hits {
            let slot = Slot::of(hit.time).unwrap();
            let id = used.get(&slot).map_or(slot.first_id(), |id| id.next().unwrap());
            used.insert(slot, id);
            identified.push((id, hit.clone()));
        }
        let basis = store.revision().await.unwrap();
        let wanted = aggregate::wanted(hits);
        let mut folded = aggregate::fold(store.spans(wanted).await.unwrap(), &identified);
        let keep: Vec<bool> = hits.iter().map(|hit| hit.finding.payload != [SAMPLED]).collect();
        let stored = folded.sample(identified, &keep);
        let unit = Arc::new(WriteUnit {
            basis,
            journal: JOURNAL,
            after: Position(at as u64),
            through: Position(at as u64 + 1),
            merges: folded.merges,
            deltas: folded.deltas,
            hits: stored
                .into_iter()
                .map(|(id, attack, hit)| StoredHit {
                    id,
                    attack,
                    node: "n".to_owned(),
                    hit,
                })
                .collect(),
        });
        store.apply(unit.clone()).await.unwrap();
        units.push(unit);
    }
    units
}
