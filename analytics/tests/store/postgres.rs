//! The shared store, on a real server.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use analytics::store::{Filter, Store, postgres::PostgresStore};

use crate::{
    cluster::Cluster,
    conformance::{Site, conforms},
    world,
};

/// One server for all tests; it ends with the process.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

struct Schema(String);

impl Site for Schema {
    type Store = PostgresStore;

    async fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("s{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        cluster().create(&name);
        Schema(name)
    }

    async fn open(&self) -> PostgresStore {
        PostgresStore::open(&cluster().server(&self.0)).await.unwrap()
    }
}

conforms!(Schema);

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Schema(name) = Schema::new().await;
    drop(PostgresStore::open(&cluster().server(&name)).await.unwrap());
    cluster().sql(&format!("UPDATE {name}.schema_version SET version = 99"));
    let error = PostgresStore::open(&cluster().server(&name)).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("newer version (schema 99, this version knows 2)"),
        "{text}"
    );
}

#[tokio::test]
async fn several_may_prepare_the_tables_at_once() {
    let Schema(name) = Schema::new().await;
    let server = cluster().server(&name);
    let open = || PostgresStore::open(&server);
    let (a, b, c) = tokio::join!(open(), open(), open());
    for store in [a, b, c] {
        assert_eq!(store.unwrap().revision().await.unwrap().0, 0);
    }
}

#[tokio::test]
async fn certificates_that_are_not_trusted_are_refused() {
    let Schema(name) = Schema::new().await;
    let server = cluster().server(&name).with_ca(None);
    let error = PostgresStore::open(&server).await.unwrap_err();
    let text = format!("{:#}", anyhow::Error::from(error));
    assert!(text.contains("localhost:"), "{text}");
    assert!(!text.contains("not-asked"), "{text}");
}

#[tokio::test]
async fn the_oldest_hits_go_when_there_are_too_many_bytes() {
    let site = Schema::new().await;
    let store = site.open().await;
    let hits = world::sample_hits(20);
    let units = world::store_all(&store, &[hits]).await;
    let n_hits = units[0].hits.len() as u64;
    let retention = |max_bytes| analytics::store::Retention {
        max_bytes,
        max_age: std::time::Duration::from_secs(1 << 40),
    };
    let now = world::start() + jiff::SignedDuration::from_hours(10);
    let kept = store.retain(retention(u64::MAX), now).await.unwrap();
    assert!(kept.bytes > n_hits * 180 && kept.hits == 0, "{kept:?}");
    let gone = store.retain(retention(kept.bytes - 1), now).await.unwrap();
    assert_eq!((gone.hits, gone.bytes), (n_hits, 0));
    assert!(gone.attacks > 0);
    assert!(
        store
            .attacks(Filter::default(), None, 10)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
}
