//! The service on a shared store: real PostgreSQL, replicas, crashes of both.

use std::{path::Path, time::Duration};

use analytics::store::{Filter, Store, postgres::PostgresStore};
use jiff::SignedDuration;
use tokio::{sync::watch, time::Instant};
use waf_proto::v1;

use crate::{
    cluster::Cluster,
    kill::{check, end_load, start_load, stored},
    running::{PATIENCE, Running, eventually, serve},
    sample,
};

fn start(cluster: &Cluster, data: &Path) -> Running {
    let (url, ca) = (cluster.url("public"), cluster.ca());
    let ca = ca.to_str().unwrap();
    Running::start_with(data, &["--sampling", "off", "--database", &url, "--database-ca", ca])
}

#[tokio::test(flavor = "multi_thread")]
async fn crashes_of_service_and_database_lose_and_double_nothing() {
    let cluster = Cluster::start();
    let folder = tempfile::tempdir().unwrap();
    let mut service = start(&cluster, folder.path());
    let (url, urls) = watch::channel(service.url());
    let (load, loads) = watch::channel(true);
    let producers = start_load(&urls, &loads, true);
    for round in 0..6 {
        let n_before = service.metric("analytics_hits_stored_total");
        let deadline = Instant::now() + PATIENCE;
        while service.metric("analytics_hits_stored_total") < n_before + 300.0 {
            assert!(Instant::now() < deadline, "the load does not arrive");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if round % 2 == 0 {
            cluster.crash();
            // Hits are taken while the database is away.
            let n = service.metric("analytics_hits_stored_total");
            while service.metric("analytics_hits_stored_total") < n + 300.0 {
                assert!(
                    Instant::now() < deadline,
                    "hits are not taken while the database is away"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            cluster.run();
        } else {
            service.kill();
            service = start(&cluster, folder.path());
            url.send_replace(service.url());
        }
    }
    load.send_replace(false);
    let sent = end_load(producers).await;
    service.ask_to_stop();
    let (status, log) = service.ended();
    assert!(status.success(), "{log:#?}");
    let store = PostgresStore::open(&cluster.server("public")).await.unwrap();
    check(sent, &stored(&store).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_attacks() {
    let cluster = Cluster::start();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let replicas = [start(&cluster, folders[0].path()), start(&cluster, folders[1].path())];
    const N_BATCHES: u64 = 20;
    const BATCH_HITS: usize = 50;
    let mut senders = Vec::new();
    for (number, replica) in replicas.iter().enumerate() {
        let mut reports = replica.reports().await;
        senders.push(tokio::spawn(async move {
            for sequence in 1..=N_BATCHES {
                let hit = |_| sample::hit("sqli", "shop", "/", SignedDuration::ZERO);
                let batch = sample::batch(&format!("pod-{number}"), sequence, (0..BATCH_HITS).map(hit).collect());
                reports.report_hits(batch).await.unwrap();
            }
        }));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let n_hits = 2 * N_BATCHES * BATCH_HITS as u64;
    // Both answer for what either has taken, and it is one attack.
    for replica in &replicas {
        let queries = replica.queries().await;
        let all = || async {
            let request = v1::ListAttacksRequest::default();
            let attacks = queries
                .clone()
                .list_attacks(request)
                .await
                .unwrap()
                .into_inner()
                .attacks;
            assert!(attacks.len() <= 1, "{attacks:#?}");
            (attacks.first()?.hits == n_hits).then_some(())
        };
        eventually("every hit is in the attack", all).await;
    }
    let store = PostgresStore::open(&cluster.server("public")).await.unwrap();
    let mut n_stored = 0;
    let mut after = None;
    loop {
        let page = store.hits(Filter::default(), None, after, 1000).await.unwrap();
        n_stored += page.entries.len() as u64;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(n_stored, n_hits);
}

#[test]
fn a_database_that_cannot_be_used_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing listens on the port of discard.
    for (url, expected) in [
        (
            "postgres://waf:hunter2@127.0.0.1:9/shop?sslmode=disable",
            "cannot connect to the database at 127.0.0.1:9/shop",
        ),
        (
            "mysql://waf:hunter2@127.0.0.1/shop",
            "--database: must be an address such as postgres://",
        ),
    ] {
        let output = serve(folder.path()).env("ANALYTICS_DATABASE", url).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(expected), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
