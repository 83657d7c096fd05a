//! Grouping does not depend on the order of hits or on how they are cut into batches.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use analytics::{
    aggregate::{self, MAX_PAUSE},
    attack::{Attack, AttackKey, Sources, Status},
    hit::{Action, Hit},
    store::{Filter, Store},
};
use jiff::{SignedDuration, Timestamp};
use proptest::{prelude::*, strategy::ValueTree};

use crate::{oracle::Oracle, world};

/// What an attack says about its hits, without its id.
type Summary = (AttackKey, Timestamp, Timestamp, u64, u64, u32, Vec<u8>);

fn summary(attack: &Attack) -> Summary {
    let attack = attack.clone();
    (
        attack.key,
        attack.first,
        attack.last,
        attack.hits,
        attack.blocked_hits,
        attack.n_sources,
        attack.payload,
    )
}

/// The definition, on all hits at once: sort by time, cut where the pause is longer than an hour.
fn definition(hits: &[Hit]) -> Vec<Summary> {
    let mut by_key: BTreeMap<AttackKey, Vec<&Hit>> = BTreeMap::new();
    for hit in hits {
        by_key.entry(AttackKey::of(hit)).or_default().push(hit);
    }
    let mut summaries = Vec::new();
    for (key, mut hits) in by_key {
        hits.sort_by_key(|hit| hit.time);
        for run in hits.chunk_by(|a, b| b.time.duration_since(a.time) <= MAX_PAUSE) {
            let sources: BTreeSet<IpAddr> = run.iter().filter_map(|hit| hit.remote_addr).collect();
            let latest = run
                .iter()
                .map(|hit| (hit.time, hit.finding.payload.clone()))
                .max()
                .unwrap();
            summaries.push((
                key.clone(),
                run[0].time,
                latest.0,
                run.len() as u64,
                run.iter().filter(|hit| hit.action == Action::Blocked).count() as u64,
                sources.len() as u32,
                latest.1,
            ));
        }
    }
    summaries.sort();
    summaries
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #[test]
    fn any_order_and_any_batches_give_the_same_attacks(batches in world::batches()) {
        block_on(async {
            let store = Oracle::default();
            world::store_all(&store, &batches).await;
            let attacks = store.attacks(Filter::default(), None, usize::MAX).await.unwrap().entries;
            let mut summaries: Vec<Summary> = attacks.iter().map(summary).collect();
            summaries.sort();
            prop_assert_eq!(summaries, definition(&batches.concat()));
            // Stored and counted together are what was seen.
            for attack in &attacks {
                let kept = store.hits(Filter::default(), Some(attack.id), None, usize::MAX).await.unwrap().entries;
                prop_assert_eq!(kept.len() as u64 + attack.counted_hits, attack.hits);
                prop_assert!(!kept.is_empty());
            }
            // Each hit lies in the attack that it is said to belong to.
            for stored in store.hits(Filter::default(), None, None, usize::MAX).await.unwrap().entries {
                let attack = store.attack(stored.attack).await.unwrap();
                let attack = attack.expect("the attack of a hit exists");
                prop_assert_eq!(&attack.key, &AttackKey::of(&stored.hit));
                prop_assert!(attack.first <= stored.hit.time && stored.hit.time <= attack.last);
            }
            Ok(())
        })?;
    }

    #[test]
    fn sources_keep_the_smallest_whatever_the_order(numbers in prop::collection::vec(0u32..3000, 0..3000)) {
        let address = |number: &u32| IpAddr::from(number.to_be_bytes());
        let mut forward = Sources::default();
        numbers.iter().for_each(|number| forward.insert(address(number)));
        let (left, right) = numbers.split_at(numbers.len() / 2);
        let mut halves = [Sources::default(), Sources::default()];
        left.iter().for_each(|number| halves[1].insert(address(number)));
        right.iter().rev().for_each(|number| halves[0].insert(address(number)));
        let [mut merged, other] = halves;
        merged.merge(&other);
        prop_assert_eq!(&merged, &forward);
        let distinct: BTreeSet<IpAddr> = numbers.iter().map(address).collect();
        let smallest: Vec<IpAddr> = distinct.into_iter().take(Sources::MAX).collect();
        prop_assert_eq!(forward.iter().copied().collect::<Vec<_>>(), smallest);
    }
}

/// Hits of one key at these minutes, in this order, one batch each; the first, last and number of hits per attack.
fn check(minutes: &[i64], expected: &[(i64, i64, u64)]) -> Vec<Attack> {
    let template = Hit {
        time: world::start(),
        ..sample()
    };
    let batches: Vec<Vec<Hit>> = minutes
        .iter()
        .map(|minute| {
            let time = world::start() + SignedDuration::from_mins(*minute);
            vec![Hit {
                time,
                ..template.clone()
            }]
        })
        .collect();
    block_on(async {
        let store = Oracle::default();
        world::store_all(&store, &batches).await;
        let mut attacks = store
            .attacks(Filter::default(), None, usize::MAX)
            .await
            .unwrap()
            .entries;
        attacks.reverse();
        let minute = |time: Timestamp| time.duration_since(world::start()).as_mins();
        let found: Vec<_> = attacks
            .iter()
            .map(|attack| (minute(attack.first), minute(attack.last), attack.hits))
            .collect();
        assert_eq!(found, expected, "{minutes:?}");
        attacks
    })
}

fn sample() -> Hit {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    world::hit().new_tree(&mut runner).unwrap().current()
}

#[test]
fn an_hour_apart_is_one_attack_and_more_is_two() {
    check(&[0, 60, 120], &[(0, 120, 3)]);
    check(&[0, 61], &[(0, 0, 1), (61, 61, 1)]);
}

#[test]
fn a_late_hit_joins_two_attacks() {
    check(&[0, 100, 50], &[(0, 100, 3)]);
    check(&[300, 0, 100, 200, 50, 150, 250], &[(0, 300, 7)]);
}

#[test]
fn an_attack_has_the_id_of_the_hit_that_opened_it() {
    let attacks = check(&[100, 0, 50], &[(0, 100, 3)]);
    // Of two stored attacks the earlier stays.
    assert_eq!(attacks[0].id.0.time(), world::start());
}

#[test]
fn grouping_asks_for_what_it_needs() {
    let hit = sample();
    let wanted = aggregate::wanted([&hit]);
    assert_eq!(wanted.len(), 1);
    assert_eq!(
        (wanted[0].from, wanted[0].until),
        (hit.time - MAX_PAUSE, hit.time + MAX_PAUSE)
    );
}

#[test]
fn status_follows_the_blocked_hits() {
    let mut attack = check(&[0, 1], &[(0, 1, 2)]).remove(0);
    for (blocked, status) in [
        (0, Status::Monitored),
        (1, Status::PartiallyBlocked),
        (2, Status::Blocked),
    ] {
        attack.blocked_hits = blocked;
        assert_eq!(attack.status(), status);
    }
}
