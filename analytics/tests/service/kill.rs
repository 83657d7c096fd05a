//! What was acknowledged survives crashes and orderly ends, once.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use analytics::store::{Filter, Store, sqlite::SqliteStore};
use jiff::SignedDuration;
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tonic::transport::Channel;
use uuid::Uuid;
use waf_proto::v1::{self, report_service_client::ReportServiceClient};

use crate::{
    running::{PATIENCE, Running},
    sample,
};

const N_PRODUCERS: usize = 4;
const N_KILLS: usize = 8;
/// Every hit must be found again.
pub(crate) const KEEP_ALL: [&str; 2] = ["--sampling", "off"];

/// Request ids of a producer's hits.
#[derive(Default)]
pub(crate) struct Sent {
    acknowledged: BTreeSet<String>,
    /// Sent and not acknowledged when the load ended.
    open: BTreeSet<String>,
}

/// A sidecar: sends batch after batch, each until it is acknowledged, to wherever the service is.
///
/// Ends when `load` becomes false: at once, or with `finish` only after the batch at hand is acknowledged.
async fn produce(
    number: usize,
    service: watch::Receiver<String>,
    mut load: watch::Receiver<bool>,
    finish: bool,
) -> Sent {
    let node = format!("pod-{number}");
    let mut sent = Sent::default();
    let mut sequence = 0;
    while *load.borrow() {
        sequence += 1;
        let hits: Vec<v1::Hit> = (0..1 + (sequence as usize * 7 + number) % 40)
            .map(|i| {
                let path = format!("/{}", i % 5);
                let mut hit = sample::hit("sqli", "shop", &path, SignedDuration::ZERO);
                hit.request_id = format!("{node}-{sequence}-{i}");
                hit
            })
            .collect();
        let ids: BTreeSet<String> = hits.iter().map(|hit| hit.request_id.clone()).collect();
        let batch = sample::batch(&node, sequence, hits);
        let deliver = deliver(&service, batch);
        let delivered = tokio::select! {
            () = deliver => true,
            _ = load.wait_for(|load| !*load), if !finish => false,
        };
        if delivered {
            sent.acknowledged.extend(ids);
        } else {
            sent.open.extend(ids);
        }
    }
    sent
}

/// Sends a batch until it is acknowledged.
async fn deliver(service: &watch::Receiver<String>, batch: v1::ReportHitsRequest) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let url = service.borrow().clone();
        let endpoint = Channel::from_shared(url).unwrap().timeout(Duration::from_secs(5));
        if let Ok(channel) = endpoint.connect().await {
            let mut client = ReportServiceClient::new(channel);
            if client.report_hits(batch.clone()).await.is_ok() {
                return;
            }
        }
        assert!(Instant::now() < deadline, "a batch is not taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Everything in the store of a service that has ended: how often each request id is there.
async fn stored_in(folder: &Path) -> BTreeMap<String, usize> {
    stored(&SqliteStore::open(&folder.join("store.db")).unwrap()).await
}

/// Everything in a store: how often each request id is there.
pub(crate) async fn stored(store: &impl Store) -> BTreeMap<String, usize> {
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    let mut n_hits = 0;
    let mut after = None;
    loop {
        let page = store.hits(Filter::default(), None, after, 1000).await.unwrap();
        for stored in page.entries {
            *ids.entry(stored.hit.request_id).or_default() += 1;
            n_hits += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let attacks = store.attacks(Filter::default(), None, 1000).await.unwrap().entries;
    assert_eq!(attacks.iter().map(|attack| attack.hits).sum::<u64>(), n_hits);
    assert_eq!(attacks.len(), 5, "one attack per path");
    ids
}

/// Acknowledged = stored, each once; what is stored beyond that was at least sent.
pub(crate) fn check(sent: Vec<Sent>, stored: &BTreeMap<String, usize>) {
    let doubled: Vec<_> = stored.iter().filter(|(_, n)| **n > 1).collect();
    assert!(doubled.is_empty(), "doubled: {doubled:?}");
    let mut all = BTreeSet::new();
    for Sent { acknowledged, open } in sent {
        let lost: Vec<_> = acknowledged.iter().filter(|id| !stored.contains_key(*id)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        all.extend(acknowledged);
        all.extend(open);
    }
    let strange: Vec<_> = stored.keys().filter(|id| !all.contains(*id)).collect();
    assert!(strange.is_empty(), "never sent: {strange:?}");
    assert!(all.len() > 500, "the load was too small to tell: {}", all.len());
}

pub(crate) fn start_load(
    service: &watch::Receiver<String>,
    load: &watch::Receiver<bool>,
    finish: bool,
) -> Vec<JoinHandle<Sent>> {
    let producer = |number| tokio::spawn(produce(number, service.clone(), load.clone(), finish));
    (0..N_PRODUCERS).map(producer).collect()
}

pub(crate) async fn end_load(producers: Vec<JoinHandle<Sent>>) -> Vec<Sent> {
    let mut sent = Vec::new();
    for producer in producers {
        sent.push(producer.await.unwrap());
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "shown when the test fails")]
async fn kills_lose_and_double_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Running::start_with(folder.path(), &KEEP_ALL);
    let (url, urls) = watch::channel(service.url());
    let (load, loads) = watch::channel(true);
    let producers = start_load(&urls, &loads, true);
    let mut pauses = Vec::new();
    for _ in 0..N_KILLS {
        let pause = Duration::from_millis(Uuid::new_v4().as_u128() as u64 % 400);
        pauses.push(pause);
        tokio::time::sleep(pause).await;
        service.kill();
        service = Running::start_with(folder.path(), &KEEP_ALL);
        url.send_replace(service.url());
    }
    println!("killed after {pauses:?}");
    load.send_replace(false);
    let sent = end_load(producers).await;
    service.ask_to_stop();
    let (status, log) = service.ended();
    assert!(status.success(), "{log:#?}");
    check(sent, &stored_in(folder.path()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_end_under_load_loses_nothing() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let service = Running::start_with(folder.path(), &KEEP_ALL);
    let (_url, urls) = watch::channel(service.url());
    let (load, loads) = watch::channel(true);
    let producers = start_load(&urls, &loads, false);
    let deadline = Instant::now() + PATIENCE;
    while service.metric("analytics_hits_stored_total") < 2000.0 {
        assert!(Instant::now() < deadline, "the load does not arrive");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    service.ask_to_stop();
    // Blocks this thread; the load runs on others.
    let (status, log) = service.ended();
    load.send_replace(false);
    let sent = end_load(producers).await;
    assert!(status.success(), "{log:#?}");
    assert!(log.last().unwrap().contains("Stopped."), "{log:#?}");
    check(sent, &stored_in(folder.path()).await);
    let spool = rusqlite::Connection::open(folder.path().join("spool.db")).unwrap();
    let left: i64 = spool
        .query_row("SELECT count(*) FROM entry", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0, "the spool is empty after an orderly end");
}
