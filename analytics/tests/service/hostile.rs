//! Requests that nobody means well with.

use jiff::SignedDuration;
use tonic::{Code, Status};
use waf_proto::v1;

use crate::{
    running::{Running, eventually},
    sample,
};

fn check<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, message: &str) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), code, "{status}");
    assert!(
        status.message().starts_with(message),
        "{:?} is not about {message}",
        status.message()
    );
}

#[tokio::test]
async fn batches_that_break_the_contract_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let mut reports = service.reports().await.max_encoding_message_size(16 << 20);
    let hit = sample::hit("sqli", "a", "/", SignedDuration::ZERO);
    let invalid = Code::InvalidArgument;

    let mut batch = sample::batch("n", 1, vec![hit.clone()]);
    batch.producer = None;
    check(
        reports.report_hits(batch).await,
        invalid,
        "producer: must be set, found missing",
    );
    for node in [String::new(), "n".repeat(1000)] {
        let batch = sample::batch(&node, 1, vec![hit.clone()]);
        check(
            reports.report_hits(batch).await,
            invalid,
            "producer.node: must have 1 to 253 bytes",
        );
    }
    for sequence in [0, u64::MAX] {
        let batch = sample::batch("n", sequence, vec![hit.clone()]);
        check(
            reports.report_hits(batch).await,
            invalid,
            "sequence: must be between 1 and",
        );
    }
    let batch = sample::batch("n", 1, vec![hit.clone(); 1001]);
    check(
        reports.report_hits(batch).await,
        invalid,
        "hits: must hold at most 1000, found 1001 hits",
    );
    let mut many = hit.clone();
    many.findings = vec![v1::Finding::default(); 100_000];
    let batch = sample::batch("n", 1, vec![many]);
    let expected = "hits: hits, findings and points must together have at most 50000 parts";
    check(reports.report_hits(batch).await, invalid, expected);
    let mut large = hit.clone();
    large.path = vec![b'a'; 5 << 20];
    let batch = sample::batch("n", 1, vec![large]);
    let status = reports.report_hits(batch).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");

    assert_eq!(service.metric("analytics_batches_total{result=\"invalid\"}"), 6.0);
    assert_eq!(service.metric("analytics_hits_stored_total"), 0.0);
    // None of these numbers counts as sent.
    let stored = reports.report_hits(sample::batch("n", 1, vec![hit])).await.unwrap();
    assert_eq!(stored.into_inner().stored, 1);
}

#[tokio::test]
async fn odd_hits_are_cut_or_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let mut reports = service.reports().await;
    let plain = sample::hit("sqli", "a", "/", SignedDuration::ZERO);

    let mut huge = plain.clone();
    huge.host = vec![0xff; 100_000];
    huge.path = vec![0x1b; 100_000];
    huge.method = vec![b'G'; 1000];
    huge.request_id = "é".repeat(1000);
    huge.mode = "x".repeat(1000);
    huge.remote_addr = "not an address \u{1b}[2J".to_owned();
    huge.limits = vec!["y".repeat(1000); 100];
    huge.action = 77;
    huge.findings[0].payload = b"hunter2".repeat(10_000);
    huge.findings[0].reason = "z".repeat(10_000);
    huge.findings[0].point = sample::point(&[("hash", Some("\u{202e}"))].repeat(1000));
    let mut many = plain.clone();
    many.findings = vec![v1::Finding::default(); 10_000];
    let mut future = plain.clone();
    future.time = Some(prost_types::Timestamp {
        seconds: 3_000_000_000,
        nanos: 0,
    });
    let mut ancient = plain.clone();
    ancient.time = Some(prost_types::Timestamp {
        seconds: 1_600_000_000,
        nanos: 0,
    });
    let newer = sample::hit("prompt_injection", "a", "/", SignedDuration::ZERO);
    let kept = vec![huge, many, future, ancient, newer];

    let without = |change: fn(&mut v1::Hit)| {
        let mut hit = plain.clone();
        change(&mut hit);
        hit
    };
    let refused = vec![
        without(|hit| hit.attack_type = "SQL injection".to_owned()),
        without(|hit| hit.attack_type = "a".repeat(100_000)),
        without(|hit| hit.time = None),
        without(|hit| {
            hit.time = Some(prost_types::Timestamp {
                seconds: i64::MIN,
                nanos: i32::MIN,
            });
        }),
        without(|hit| hit.findings.clear()),
        v1::Hit::default(),
    ];
    let batch = sample::batch("n", 1, [kept, refused].concat());
    let answer = reports.report_hits(batch).await.unwrap().into_inner();
    assert_eq!((answer.stored, answer.refused), (5, 6));
    for (field, n) in [("attack_type", 3.0), ("time", 2.0), ("findings", 1.0)] {
        let name = format!("analytics_hits_refused_total{{field=\"{field}\"}}");
        assert_eq!(service.metric(&name), n, "{field}");
    }
    for (field, n) in [("time", 2.0), ("findings", 1.0), ("remote_addr", 1.0), ("path", 1.0)] {
        let name = format!("analytics_fields_cut_total{{field=\"{field}\"}}");
        assert_eq!(service.metric(&name), n, "{field}");
    }

    let queries = service.queries().await;
    let hits = eventually("the hits are stored", || async {
        let page = queries.clone().list_hits(v1::ListHitsRequest::default()).await.unwrap();
        Some(page.into_inner().hits).filter(|hits| hits.len() == 5)
    })
    .await;
    let find = |test: fn(&v1::Hit) -> bool| {
        let found = hits.iter().filter_map(|stored| stored.hit.clone()).find(test);
        found.expect("the hit is there")
    };
    let huge = find(|hit| hit.host[0] == 0xff);
    assert_eq!((huge.host.len(), huge.path.len(), huge.method.len()), (300, 4096, 64));
    assert_eq!(
        (huge.request_id.len(), huge.mode.len(), huge.limits.len()),
        (128, 48, 64)
    );
    assert_eq!((huge.remote_addr.as_str(), huge.action), ("", 77));
    assert_eq!(huge.findings[0].point.len(), 32);
    assert_eq!(find(|hit| hit.findings.len() > 1).findings.len(), 64);
    find(|hit| hit.attack_type == "prompt_injection");
    let now = jiff::Timestamp::now().as_second();
    assert!(
        hits.iter()
            .all(|stored| (now - stored.hit.as_ref().unwrap().time.unwrap().seconds).abs() < 60)
    );

    // Nothing of what was captured is logged, refusals included.
    service.ask_to_stop();
    let (_, log) = tokio::task::spawn_blocking(|| service.ended()).await.unwrap();
    assert!(log.iter().any(|line| line.contains("Hits were refused.")), "{log:#?}");
    for part in ["hunter2", "SQL injection", "not an address"] {
        assert!(log.iter().all(|line| !line.contains(part)), "{part} in {log:#?}");
    }
}

#[tokio::test]
async fn the_same_instant_many_times_over() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let mut reports = service.reports().await;
    let hit = sample::hit("sqli", "a", "/", SignedDuration::from_secs(60));
    // More than the ids of one microsecond.
    for sequence in 1..=6 {
        reports
            .report_hits(sample::batch("n", sequence, vec![hit.clone(); 1000]))
            .await
            .unwrap();
    }
    let mut queries = service.queries().await;
    eventually("all are stored", || async {
        (service.metric("analytics_hits_applied_total") == 6000.0).then_some(())
    })
    .await;
    let page = queries
        .list_attacks(v1::ListAttacksRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.attacks.len(), 1);
    assert_eq!((page.attacks[0].hits, page.attacks[0].sources), (6000, 1));
}

#[tokio::test]
async fn largest_hits_still_make_pages_that_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let mut reports = service.reports().await;
    let mut hit = sample::hit("sqli", "a", "/", SignedDuration::from_secs(60));
    hit.findings[0].point = sample::point(&[("hash", Some("k".repeat(256).as_str()))].repeat(32));
    hit.findings[0].payload = vec![b'p'; 512];
    hit.findings = vec![hit.findings[0].clone(); 64];
    for sequence in 1..=50 {
        reports
            .report_hits(sample::batch("n", sequence, vec![hit.clone()]))
            .await
            .unwrap();
    }
    let mut queries = service.queries().await;
    eventually("all are stored", || async {
        (service.metric("analytics_hits_applied_total") == 50.0).then_some(())
    })
    .await;
    let mut n_hits = 0;
    let mut n_pages = 0;
    let mut request = v1::ListHitsRequest {
        page_size: 1000,
        ..Default::default()
    };
    loop {
        let page = queries.list_hits(request.clone()).await.unwrap().into_inner();
        n_hits += page.hits.len();
        n_pages += 1;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(n_hits, 50);
    assert!(n_pages > 5, "{n_pages}");
}

#[tokio::test]
async fn queries_that_cannot_be_answered_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let mut queries = service.queries().await;
    let invalid = Code::InvalidArgument;
    let with = |filter: v1::Filter| v1::ListAttacksRequest {
        filter: Some(filter),
        ..Default::default()
    };
    let request = with(v1::Filter {
        attack_types: vec!["SQLi\u{1b}[2J".to_owned()],
        ..Default::default()
    });
    let expected = "filter.attack_types: must be codes such as sqli: 1 to 64 characters of a-z, 0-9 and _, \
                    found SQLi\\u{1b}[2J";
    check(queries.list_attacks(request).await, invalid, expected);
    let request = with(v1::Filter {
        attack_types: vec!["a".to_owned(); 1000],
        ..Default::default()
    });
    check(
        queries.list_attacks(request).await,
        invalid,
        "filter.attack_types: must hold at most 64, found 1000",
    );
    let request = with(v1::Filter {
        remote_addr: "10.0.0.0/40".to_owned(),
        ..Default::default()
    });
    let expected = "filter.remote_addr: must be an address or a network such as 203.0.113.0/24";
    check(queries.list_attacks(request).await, invalid, expected);
    let request = with(v1::Filter {
        text: "type:sqli \u{1b}[2J:x".to_owned(),
        ..Default::default()
    });
    let expected = "filter.text: must be one of type:, host:, ip:, since:, until: and blocked, found \\u{1b}[2J:x";
    check(queries.list_attacks(request).await, invalid, expected);
    let request = with(v1::Filter {
        since: Some(prost_types::Timestamp {
            seconds: i64::MAX,
            nanos: -1,
        }),
        ..Default::default()
    });
    check(
        queries.list_attacks(request).await,
        invalid,
        "filter.since: must be a time between 2020 and 2091",
    );
    let request = with(v1::Filter {
        host: "h".repeat(10_000),
        ..Default::default()
    });
    check(
        queries.list_attacks(request).await,
        invalid,
        "filter.host: must have at most 300 bytes",
    );
    let request = v1::ListHitsRequest {
        page_size: 1001,
        ..Default::default()
    };
    check(
        queries.list_hits(request).await,
        invalid,
        "page_size: must be 1 to 1000, or 0 for the default of 50, found 1001",
    );
    let request = v1::ListHitsRequest {
        page_token: "AAAA".to_owned(),
        ..Default::default()
    };
    check(
        queries.list_hits(request).await,
        invalid,
        "page_token: must be empty or the next_page_token",
    );
    let request = v1::ListHitsRequest {
        attack_id: "1' OR 1=1".to_owned(),
        ..Default::default()
    };
    check(
        queries.list_hits(request).await,
        invalid,
        "attack_id: must be 16 hexadecimal digits, found 1' OR 1=1",
    );
    let request = v1::GetAttackRequest {
        id: "00000000000000ff".to_owned(),
    };
    check(
        queries.get_attack(request).await,
        Code::NotFound,
        "there is no attack 00000000000000ff",
    );
}
