//! What clients see over a real connection.

use std::process::Stdio;

use jiff::SignedDuration;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use waf_proto::v1;

use crate::{
    running::{Running, eventually, program, serve},
    sample,
};

#[tokio::test]
async fn a_reported_hit_is_found_as_an_attack() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let mut hit = sample::hit("ptrav", "Shop.example", "/static", SignedDuration::from_secs(5));
    hit.action = v1::Action::Blocked.into();
    let batch = sample::batch("shop-7d9c", 1, vec![hit.clone()]);
    let mut reports = service.reports().await;
    let first = reports.report_hits(batch.clone()).await.unwrap().into_inner();
    assert_eq!((first.stored, first.refused), (1, 0));
    let again = reports.report_hits(batch).await.unwrap().into_inner();
    assert_eq!((again.stored, again.refused), (0, 0));

    let queries = service.queries().await;
    let attack = eventually("the attack is listed", || async {
        let page = queries
            .clone()
            .list_attacks(v1::ListAttacksRequest::default())
            .await
            .unwrap();
        page.into_inner().attacks.pop()
    })
    .await;
    assert_eq!(attack.host, b"shop.example");
    assert_eq!((attack.hits, attack.blocked_hits, attack.sources), (1, 1, 1));
    assert_eq!(attack.status(), v1::AttackStatus::Blocked);
    let request = v1::GetAttackRequest { id: attack.id.clone() };
    let got = queries.clone().get_attack(request).await.unwrap().into_inner();
    assert_eq!(got.attack.as_ref(), Some(&attack));
    let request = v1::ListHitsRequest {
        attack_id: attack.id.clone(),
        ..Default::default()
    };
    let hits = queries.clone().list_hits(request).await.unwrap().into_inner().hits;
    assert_eq!(hits.len(), 1);
    // Everything comes back as it was sent; times are kept in microseconds.
    let time = hit.time.as_mut().unwrap();
    time.nanos -= time.nanos % 1000;
    assert_eq!(hits[0].hit.as_ref(), Some(&hit));
    assert_eq!((hits[0].node.as_str(), &hits[0].attack_id), ("shop-7d9c", &attack.id));

    assert_eq!(service.metric("analytics_hits_stored_total"), 1.0);
    assert_eq!(service.metric("analytics_hits_applied_total"), 1.0);
    assert_eq!(service.metric("analytics_batches_total{result=\"duplicate\"}"), 1.0);
    assert_eq!(service.page("/healthz"), "ok\n");
}

#[tokio::test]
async fn pages_cover_everything_once() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let hits = |n: i64| (0..n).map(|i| sample::hit("xss", "a", &format!("/{i}"), SignedDuration::from_secs(i)));
    let mut reports = service.reports().await;
    reports
        .report_hits(sample::batch("n", 1, hits(25).collect()))
        .await
        .unwrap();
    let queries = service.queries().await;
    eventually("all hits are stored", || async {
        (service.metric("analytics_hits_applied_total") == 25.0).then_some(())
    })
    .await;
    let mut paths = Vec::new();
    let mut request = v1::ListAttacksRequest {
        page_size: 10,
        ..Default::default()
    };
    let mut sizes = Vec::new();
    loop {
        let page = queries
            .clone()
            .list_attacks(request.clone())
            .await
            .unwrap()
            .into_inner();
        sizes.push(page.attacks.len());
        paths.extend(page.attacks.into_iter().map(|attack| attack.path));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(sizes, [10, 10, 5]);
    let expected: Vec<Vec<u8>> = hits(25).map(|hit| hit.path).collect();
    assert_eq!(paths, expected);
}

#[tokio::test]
async fn health_and_reflection_answer() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let mut health = HealthClient::new(service.channel().await);
    for name in ["", "waf.v1.ReportService", "waf.v1.QueryService"] {
        let request = HealthCheckRequest {
            service: name.to_owned(),
        };
        let status = eventually("the service is healthy", || async {
            let answer = health.clone().check(request.clone()).await.ok()?.into_inner();
            Some(answer.status).filter(|status| *status == ServingStatus::Serving as i32)
        });
        status.await;
    }
    let unknown = HealthCheckRequest {
        service: "nonsense".to_owned(),
    };
    assert_eq!(health.check(unknown).await.unwrap_err().code(), tonic::Code::NotFound);

    let mut reflection = ServerReflectionClient::new(service.channel().await);
    let ask = |message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    };
    let requests = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("waf.v1.ReportService".to_owned())),
    ];
    let stream = reflection.server_reflection_info(tokio_stream::iter(requests)).await;
    let mut stream = stream.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = stream.message().await.unwrap().unwrap().message_response
    else {
        panic!("services are not listed");
    };
    let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "waf.v1.QueryService",
            "waf.v1.ReportService"
        ]
    );
    let Some(MessageResponse::FileDescriptorResponse(files)) =
        stream.message().await.unwrap().unwrap().message_response
    else {
        panic!("the service is not described");
    };
    assert!(!files.file_descriptor_proto.is_empty());
}

#[tokio::test]
async fn retention_keeps_the_store_within_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start_with(folder.path(), &["--max-store", "1MiB"]);
    let mut reports = service.reports().await;
    for sequence in 1..=20 {
        let hits = (0..500).map(|i| {
            let mut hit = sample::hit("xss", "a", &format!("/{sequence}/{i}"), SignedDuration::ZERO);
            // Does not compress.
            hit.findings[0].payload = (0u32..100)
                .flat_map(|n| ((n + 1) * (i + 1)).wrapping_mul(2_654_435_761).to_le_bytes())
                .collect();
            hit
        });
        reports
            .report_hits(sample::batch("n", sequence, hits.collect()))
            .await
            .unwrap();
    }
    eventually("all hits were applied", || async {
        (service.metric("analytics_hits_applied_total") == 10_000.0).then_some(())
    })
    .await;
    eventually("the store is within its bound", || async {
        (service.metric("analytics_store_bytes") <= 1024.0 * 1024.0).then_some(())
    })
    .await;
    assert!(service.metric("analytics_hits_expired_total") > 5_000.0);
    assert!(service.metric("analytics_attacks_expired_total") > 5_000.0);
}

#[test]
fn errors_at_the_start_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let check = |command: &mut std::process::Command, expected: &[&str]| {
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        for part in expected {
            assert!(text.contains(part), "{part:?} is missing in {text}");
        }
        output.status.code()
    };
    let locked = check(&mut serve(folder.path()), &["in use by another process", "--data"]);
    assert_eq!(locked, Some(64));
    let other = tempfile::tempdir().unwrap();
    let taken = service.grpc.to_string();
    let mut command = program();
    command
        .args(["serve", "--metrics-listen", "127.0.0.1:0", "--listen", &taken, "--data"])
        .arg(other.path());
    let port = check(&mut command, &[&taken, "--listen", "Address already in use"]);
    assert_eq!(port, Some(64));
    std::fs::write(
        other.path().join("store.db"),
        "this is not a database, it is a text ".repeat(100),
    )
    .unwrap();
    let foreign = check(
        &mut serve(other.path()),
        &["store.db is not a file of this program", "--data"],
    );
    assert_eq!(foreign, Some(64));
    let unreachable = check(
        program().args(["attacks", "--server", "http://127.0.0.1:1"]),
        &["cannot reach postanalytics at http://127.0.0.1:1", "--server"],
    );
    assert_eq!(unreachable, Some(1));
}
