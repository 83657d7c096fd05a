use prost::Message;
use waf_engine::{LimitFlags, RawSpan, detect::Stamp, point::PointPath};
use waf_policy::AttackType;

use super::*;
use crate::report::MAX_BATCH_BYTES;

static SQLI: Stamp = Stamp {
    id: 2001,
    attack_type: AttackType::Sqli,
    name: "test",
    reason: "A test.",
    weight: 100,
};
static XSS: Stamp = Stamp {
    id: 1001,
    attack_type: AttackType::Xss,
    name: "test",
    reason: "Another test.",
    weight: 100,
};

fn finding(stamp: &'static Stamp, name: &[u8], weight: u32) -> Finding {
    Finding {
        attack_type: stamp.attack_type,
        point: PointPath(vec![(Element::Get, Key::Name(name.to_vec()))]),
        decoders: vec![Element::Percent],
        stamps: vec![stamp],
        payload: vec![b'x'; Finding::MAX_PAYLOAD_BYTES],
        span: 3..7,
        raw: RawSpan::default(),
        weight,
    }
}

fn outcome(action: Action) -> Outcome<'static> {
    Outcome {
        application: Application::DEFAULT,
        mode: Mode::Block,
        action,
        remote_addr: "203.0.113.9",
        response_status: 403,
    }
}

#[test]
fn addresses_lose_their_port() {
    for (address, expected) in [
        ("203.0.113.9:0", "203.0.113.9"),
        ("[::1]:33190", "::1"),
        ("[2001:db8::7]:0", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("203.0.113.9", "203.0.113.9"),
        ("/run/x.sock", "/run/x.sock"),
        ("[", ""),
        ("", ""),
    ] {
        assert_eq!(without_port(address), expected, "{address}");
    }
}

#[test]
fn log_field_names_action_types_strongest_point_limits() {
    let mut verdict = Verdict {
        findings: vec![finding(&XSS, b"a", 100), finding(&SQLI, b"id", 150)],
        ..Verdict::default()
    };
    assert_eq!(
        log_field(&verdict, Action::Block, false).unwrap(),
        r#"blocked xss,sqli ["get","id"] stamps=2001"#
    );
    verdict.limits = LimitFlags {
        body: true,
        fuel: true,
        ..LimitFlags::default()
    };
    assert_eq!(
        log_field(&verdict, Action::Monitor, true).unwrap(),
        r#"monitored xss,sqli ["get","id"] stamps=2001 limits=body,fuel late"#
    );
    verdict.findings.clear();
    assert_eq!(
        log_field(&verdict, Action::Pass, false).unwrap(),
        "pass limits=body,fuel"
    );
    assert_eq!(log_field(&Verdict::default(), Action::Pass, false), None);
}

#[test]
fn log_field_is_bounded_printable_text() {
    let verdict = Verdict {
        findings: vec![finding(&SQLI, "\r\n\0\u{7f}\"é".repeat(400).as_bytes(), 100)],
        ..Verdict::default()
    };
    let field = log_field(&verdict, Action::Block, false).unwrap();
    assert!(field.len() <= MAX_LOG_FIELD_BYTES);
    assert!(!field.chars().any(char::is_control), "{field:?}");
}

#[test]
fn every_type_becomes_one_hit() {
    let verdict = Verdict {
        findings: vec![
            finding(&SQLI, b"id", 100),
            finding(&XSS, b"q", 100),
            finding(&SQLI, b"n", 120),
        ],
        ..Verdict::default()
    };
    let exchange = Exchange::capture(Duration::new(5, 7), b"GET", b"Shop", b"/a%20b?id=1", b"r-1");
    let hits = hits(&verdict, &exchange, &outcome(Action::Block));
    let summary: Vec<_> = hits
        .iter()
        .map(|hit| (hit.attack_type.as_str(), hit.findings.len()))
        .collect();
    assert_eq!(summary, [("xss", 1), ("sqli", 2)]);
    let hit = &hits[1];
    assert_eq!(
        (hit.host.as_slice(), hit.path.as_slice()),
        (&b"Shop"[..], &b"/a%20b"[..])
    );
    assert_eq!(hit.time, Some(prost_types::Timestamp { seconds: 5, nanos: 7 }));
    assert_eq!(
        (hit.action(), hit.response_status, hit.application),
        (v1::Action::Blocked, 403, -1)
    );
    assert_eq!(hit.findings[0].stamps, [2001]);
    assert_eq!((hit.findings[0].span_start, hit.findings[0].span_end), (3, 7));
    assert_eq!(hit.findings[0].decoders, ["percent"]);
}

#[test]
fn largest_hit_fits_a_batch() {
    let long = vec![0xff; 64 * 1024];
    let verdict = Verdict {
        findings: (0..Verdict::MAX_FINDINGS)
            .map(|_| finding(&SQLI, &[b'n'; 256], 100))
            .collect(),
        ..Verdict::default()
    };
    let exchange = Exchange::capture(Duration::ZERO, &long, &long, &long, &long);
    let hits = hits(&verdict, &exchange, &outcome(Action::Monitor));
    assert!(hits[0].encoded_len() < MAX_BATCH_BYTES, "{}", hits[0].encoded_len());
}
