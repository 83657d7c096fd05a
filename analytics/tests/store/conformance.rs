//! What every store must do. A store is put to the suite by [`conforms!`] and its [`Site`].

use std::{net::IpAddr, sync::Arc, time::Duration};

use analytics::{
    hit::{AttackTypeCode, Hit},
    id::Position,
    store::{Applied, AttackCursor, Filter, Paged, Retention, Store, StoreError, WriteUnit},
};
use jiff::SignedDuration;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::{oracle::Oracle, world};

/// A place for one store, empty when made.
pub(crate) trait Site {
    /// The store.
    type Store: Store;

    /// An empty place.
    async fn new() -> Self;

    /// Opens the store, for the first time or again.
    async fn open(&self) -> Self::Store;
}

/// Runs the suite on the store of a [`Site`].
macro_rules! conforms {
    ($site:ty) => {
        #[test]
        fn answers_as_the_oracle_does() {
            crate::conformance::answers_as_the_oracle_does::<$site>();
        }

        #[tokio::test]
        async fn units_with_a_gap_are_refused() {
            crate::conformance::units_with_a_gap_are_refused::<$site>().await;
        }

        #[tokio::test]
        async fn units_decided_on_an_older_state_are_refused() {
            crate::conformance::units_decided_on_an_older_state_are_refused::<$site>().await;
        }

        #[tokio::test]
        async fn sources_are_bounded_and_the_smallest_stay() {
            crate::conformance::sources_are_bounded_and_the_smallest_stay::<$site>().await;
        }
    };
}
pub(crate) use conforms;

/// Random worlds to compare in.
const CASES: u32 = 48;

fn filter() -> impl Strategy<Value = Filter> {
    let time = || {
        let hours = 0i64..11;
        prop::option::of(hours.prop_map(|hours| world::start() + SignedDuration::from_hours(hours)))
    };
    let types = |max| prop::collection::vec(prop::sample::select(&world::TYPES[..]), 0..max);
    let hosts = prop::option::of(prop::sample::select(&["a", "b", "none"][..]));
    let network = (0u8..7, 0u32..5).prop_map(|(number, wider)| {
        let address = world::address(number);
        let bits = if address.is_ipv4() { 32 } else { 128 };
        format!("{address}/{}", bits - wider).parse().unwrap()
    });
    let blocked = prop::option::of(any::<bool>());
    let codes = |types: Vec<&str>| {
        types
            .into_iter()
            .map(|code| AttackTypeCode::new(code).unwrap())
            .collect()
    };
    let source = prop::option::of(network);
    (types(3), types(2), hosts, source, blocked, time(), time()).prop_map(
        move |(types, not_types, host, source, blocked, since, until)| Filter {
            attack_types: codes(types),
            not_attack_types: codes(not_types),
            host: host.map(|host| host.as_bytes().to_vec()),
            source,
            blocked,
            since,
            until,
        },
    )
}

async fn all_attacks(
    store: &impl Store,
    filter: &Filter,
    limit: usize,
) -> Vec<Paged<analytics::attack::Attack, AttackCursor>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = store.attacks(filter.clone(), after, limit).await.unwrap();
        after = page.next;
        pages.push(page);
        if after.is_none() {
            return pages;
        }
    }
}

/// Asks both stores the same and compares.
async fn compare(oracle: &Oracle, store: &impl Store, filters: &[Filter], limit: usize) -> Result<(), TestCaseError> {
    let everything = oracle
        .attacks(Filter::default(), None, usize::MAX)
        .await
        .unwrap()
        .entries;
    for filter in filters {
        let expected = all_attacks(oracle, filter, limit).await;
        prop_assert_eq!(all_attacks(store, filter, limit).await, expected, "{:?}", filter);
        let some = everything.first().map(|attack| attack.id);
        for attack in [None, some] {
            let mut after = None;
            loop {
                let expected = oracle.hits(filter.clone(), attack, after, limit).await.unwrap();
                let found = store.hits(filter.clone(), attack, after, limit).await.unwrap();
                prop_assert_eq!(&found, &expected, "{:?}", filter);
                after = expected.next;
                if after.is_none() {
                    break;
                }
            }
        }
    }
    for attack in &everything {
        prop_assert_eq!(store.attack(attack.id).await.unwrap(), Some(attack.clone()));
    }
    Ok(())
}

pub(crate) fn answers_as_the_oracle_does<S: Site>() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let filters = prop::collection::vec(filter(), 1..6);
    let input = (world::batches(), filters, 1usize..20, 0u64..12);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&input, |(batches, filters, limit, max_age_hours)| {
        let max_age = Duration::from_secs(max_age_hours * 3600);
        runtime.block_on(live::<S>(&batches, &filters, limit, max_age))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// The life of a store: it is filled, opened again, asked, and forgets.
async fn live<S: Site>(
    batches: &[Vec<Hit>],
    filters: &[Filter],
    limit: usize,
    max_age: Duration,
) -> Result<(), TestCaseError> {
    let site = S::new().await;
    let oracle = Oracle::default();
    let units = world::store_all(&oracle, batches).await;
    let store = site.open().await;
    let made = world::store_all(&store, batches).await;
    // Grouping had the same answers from both, so it came to the same units.
    for (left, right) in units.iter().zip(&made) {
        prop_assert_eq!(&left.hits, &right.hits);
        prop_assert_eq!(&left.deltas, &right.deltas);
        prop_assert_eq!(&left.merges, &right.merges);
    }
    // Once more changes nothing, in the same process or in the next one.
    drop(store);
    let store = site.open().await;
    for unit in &units {
        prop_assert_eq!(store.apply(unit.clone()).await.unwrap(), Applied::Already);
    }
    prop_assert_eq!(
        store.applied(world::JOURNAL).await.unwrap(),
        oracle.applied(world::JOURNAL).await.unwrap()
    );
    let stored = units.iter().flat_map(|unit| &unit.hits);
    let slots: Vec<_> = stored.map(|stored| stored.id.slot()).collect();
    prop_assert_eq!(
        store.taken(slots.clone()).await.unwrap(),
        oracle.taken(slots).await.unwrap()
    );
    compare(&oracle, &store, filters, limit).await?;

    let retention = Retention {
        max_bytes: u64::MAX,
        max_age,
    };
    let now = world::start() + SignedDuration::from_hours(10);
    oracle.retain(retention, now).await.unwrap();
    while store.retain(retention, now).await.unwrap().more {}
    compare(&oracle, &store, filters, limit).await
}

pub(crate) async fn units_with_a_gap_are_refused<S: Site>() {
    let site = S::new().await;
    let store = site.open().await;
    let oracle = Oracle::default();
    let units = world::store_all(&oracle, &vec![Vec::new(); 3]).await;
    let error = store.apply(units[1].clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Gap { .. }), "{error}");
    for unit in units {
        assert_eq!(store.apply(unit).await.unwrap(), Applied::Now);
    }
}

pub(crate) async fn units_decided_on_an_older_state_are_refused<S: Site>() {
    let site = S::new().await;
    let store = site.open().await;
    let units = world::store_all(&Oracle::default(), &vec![Vec::new(); 2]).await;
    let mut late = WriteUnit::clone(&units[1]);
    late.basis = units[0].basis;
    assert_eq!(store.apply(units[0].clone()).await.unwrap(), Applied::Now);
    let error = store.apply(Arc::new(late)).await.unwrap_err();
    assert!(matches!(error, StoreError::Outdated), "{error}");
    assert_eq!(store.apply(units[1].clone()).await.unwrap(), Applied::Now);
}

/// A unit that adds hits from these addresses to one attack.
async fn add_sources(store: &impl Store, numbers: std::ops::Range<u32>, at: u64) {
    let template = world::hit()
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current();
    let hits = numbers.map(|number| Hit {
        remote_addr: Some(IpAddr::from(number.to_be_bytes())),
        time: world::start() + SignedDuration::from_micros(i64::from(number)),
        ..template.clone()
    });
    let oracle = Oracle::default();
    let units = world::store_all(&oracle, &[hits.collect()]).await;
    let mut unit = WriteUnit::clone(&units[0]);
    unit.basis = store.revision().await.unwrap();
    unit.after = Position(at);
    unit.through = Position(at + 1);
    let known = store.attacks(Filter::default(), None, 1).await.unwrap().entries;
    if let Some(attack) = known.first() {
        unit.deltas[0].id = attack.id;
        unit.hits.iter_mut().for_each(|stored| stored.attack = attack.id);
    }
    assert_eq!(store.apply(Arc::new(unit)).await.unwrap(), Applied::Now);
}

pub(crate) async fn sources_are_bounded_and_the_smallest_stay<S: Site>() {
    let site = S::new().await;
    let store = site.open().await;
    add_sources(&store, 600..1500, 0).await;
    let attack = store
        .attacks(Filter::default(), None, 1)
        .await
        .unwrap()
        .entries
        .remove(0);
    assert_eq!(attack.n_sources, 900);
    add_sources(&store, 100..400, 1).await;
    let attack = store.attack(attack.id).await.unwrap().unwrap();
    assert_eq!((attack.hits, attack.n_sources), (1200, 1000));
    for (number, kept) in [
        (100u32, true),
        (399, true),
        (600, true),
        (1299, true),
        (1300, false),
        (1499, false),
    ] {
        let filter = Filter {
            source: Some(IpAddr::from(number.to_be_bytes()).into()),
            ..Filter::default()
        };
        let found = store.attacks(filter.clone(), None, 1).await.unwrap().entries;
        assert_eq!(!found.is_empty(), kept, "{number}");
        // Hits are found by any source.
        assert_eq!(
            store.hits(filter, None, None, 1).await.unwrap().entries.len(),
            1,
            "{number}"
        );
    }
}
