//! When something is full, locked, damaged or about to end.

use jiff::SignedDuration;
use rusqlite::Connection;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use waf_proto::v1;

use crate::{
    running::{Running, eventually},
    sample,
};

fn hits(n: usize) -> Vec<v1::Hit> {
    vec![sample::hit("sqli", "a", "/", SignedDuration::ZERO); n]
}

#[tokio::test]
async fn a_full_spool_refuses_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start_with(folder.path(), &["--max-spool", "1KiB"]);
    let mut reports = service.reports().await;
    let status = reports.report_hits(sample::batch("n", 1, hits(100))).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::ResourceExhausted, "the spool is full")
    );
    assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "1000");
    assert_eq!(service.metric("analytics_batches_total{result=\"overload\"}"), 1.0);
    // It was not taken, so the same number is still new.
    let stored = reports
        .report_hits(sample::batch("n", 1, hits(1)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(stored.stored, 1);
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_shows_in_health_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let health = HealthClient::new(service.channel().await);
    let wait_for = |wanted: ServingStatus| {
        let request = HealthCheckRequest {
            service: "waf.v1.ReportService".to_owned(),
        };
        let health = health.clone();
        async move {
            eventually("health follows the spool", || async {
                let answer = health.clone().check(request.clone()).await.ok()?.into_inner();
                (answer.status() == wanted).then_some(())
            })
            .await;
        }
    };
    wait_for(ServingStatus::Serving).await;
    let mut other = Connection::open(folder.path().join("spool.db")).unwrap();
    let lock = other
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    let mut reports = service.reports().await;
    let batch = sample::batch("n", 1, hits(3));
    let status = reports.report_hits(batch.clone()).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "the spool cannot be written")
    );
    wait_for(ServingStatus::NotServing).await;
    // Queries go on.
    service
        .queries()
        .await
        .list_hits(v1::ListHitsRequest::default())
        .await
        .unwrap();
    drop(lock);
    wait_for(ServingStatus::Serving).await;
    assert_eq!(reports.report_hits(batch).await.unwrap().into_inner().stored, 3);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let mut other = Connection::open(folder.path().join("store.db")).unwrap();
    let lock = other
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    let mut reports = service.reports().await;
    for sequence in 1..=3 {
        let stored = reports
            .report_hits(sample::batch("n", sequence, hits(10)))
            .await
            .unwrap();
        assert_eq!(stored.into_inner().stored, 10);
    }
    eventually("the failure is counted", || async {
        (service.metric("analytics_apply_failures_total") > 0.0).then_some(())
    })
    .await;
    assert_eq!(service.metric("analytics_hits_applied_total"), 0.0);
    assert!(service.metric("analytics_spool_bytes") > 0.0);
    drop(lock);
    eventually("the hits arrive", || async {
        (service.metric("analytics_hits_applied_total") == 30.0).then_some(())
    })
    .await;
    eventually("the spool is empty", || async {
        (service.metric("analytics_spool_bytes") == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_damaged_batch_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    Running::start(folder.path()).kill();
    let spool = Connection::open(folder.path().join("spool.db")).unwrap();
    spool
        .execute("INSERT INTO entry(body) VALUES (x'ffffffff')", [])
        .unwrap();
    drop(spool);
    let service = Running::start(folder.path());
    service
        .reports()
        .await
        .report_hits(sample::batch("n", 1, hits(2)))
        .await
        .unwrap();
    eventually("the other batch arrives", || async {
        (service.metric("analytics_hits_applied_total") == 2.0).then_some(())
    })
    .await;
    assert_eq!(service.metric("analytics_entries_unreadable_total"), 1.0);
}

#[tokio::test]
async fn an_orderly_end_tells_those_who_watch_and_does_not_wait_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start_with(folder.path(), &["--drain-timeout", "2s"]);
    let mut health = HealthClient::new(service.channel().await);
    let request = HealthCheckRequest {
        service: "waf.v1.QueryService".to_owned(),
    };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    while watch.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    service
        .reports()
        .await
        .report_hits(sample::batch("n", 1, hits(5)))
        .await
        .unwrap();
    service.ask_to_stop();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    let (status, log) = tokio::task::spawn_blocking(|| service.ended()).await.unwrap();
    assert!(status.success(), "{log:#?}");
    let spool = Connection::open(folder.path().join("spool.db")).unwrap();
    let left: i64 = spool
        .query_row("SELECT count(*) FROM entry", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}
