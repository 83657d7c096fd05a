//! Findings point at the raw bytes that their value came from, wherever it was placed and however it was encoded.

#![allow(clippy::unwrap_used)]

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use waf_engine::{Body, Engine, Finding, Inspection, Part, Request, Scratch, Settings};

/// What every case carries, one way or another.
const ATTACK: &str = "../../../../etc/passwd";

/// A step between raw bytes and a value, as the application takes it.
#[derive(Clone, Copy)]
enum Step {
    Percent,
    Form,
    Json,
    Base64,
}

fn apply(step: Step, raw: &[u8]) -> Vec<u8> {
    match step {
        Step::Percent => unpercent(raw, false),
        Step::Form => unpercent(raw, true),
        Step::Json => {
            let quoted = format!("\"{}\"", std::str::from_utf8(raw).unwrap());
            serde_json::from_str::<String>(&quoted).unwrap().into_bytes()
        }
        Step::Base64 => {
            let trimmed: Vec<u8> = raw.iter().copied().filter(|b| *b != b'=').collect();
            BASE64_URL_SAFE_NO_PAD.decode(trimmed).unwrap()
        }
    }
}

fn unpercent(raw: &[u8], is_form: bool) -> Vec<u8> {
    let text = std::str::from_utf8(raw).unwrap();
    let text = if is_form {
        text.replace('+', " ")
    } else {
        text.to_owned()
    };
    let mut pieces = text.split('%');
    let mut out = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        let (digits, plain) = piece.split_at(2);
        out.push(u8::from_str_radix(digits, 16).unwrap());
        out.extend_from_slice(plain.as_bytes());
    }
    out
}

fn encode(text: &str) -> String {
    text.replace('%', "%25").replace('.', "%2e").replace('/', "%2F")
}

/// Inspects a request; returns its findings, each with the raw bytes it points at.
fn findings(target: &str, headers: &[(&str, &str)], body: &str) -> Vec<(Finding, Vec<u8>)> {
    let headers: Vec<(&[u8], &[u8])> = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let request = Request {
        target: target.as_bytes(),
        headers: &headers,
        ..Default::default()
    };
    let engine = Engine::new(Settings::default());
    let (mut scratch, mut inspection) = (Scratch::default(), Inspection::default());
    engine.inspect_head(&request, &mut scratch, &mut inspection);
    let whole = Body {
        bytes: body.as_bytes(),
        is_complete: true,
    };
    engine.inspect_body(whole, &mut scratch, &mut inspection);
    let with_raw = |finding: &Finding| {
        let raw = finding.raw.slice(&request, body.as_bytes()).to_vec();
        (finding.clone(), raw)
    };
    inspection.verdict().findings.iter().map(with_raw).collect()
}

/// Asserts that a request has a finding at `point`, whose raw bytes are `raw`, stand in `part`, and become the attack by
/// `steps`.
fn check(
    (target, headers, body): (&str, &[(&str, &str)], &str),
    point: &str,
    (part, raw): (Part, &str),
    steps: &[Step],
) {
    let all = findings(target, headers, body);
    let found = all.iter().find(|(finding, _)| finding.point.to_string() == point);
    let Some((finding, bytes)) = found else {
        let points: Vec<_> = all.iter().map(|(finding, _)| finding.point.to_string()).collect();
        unreachable_point(point, &points);
        return;
    };
    assert_eq!(finding.raw.part, part, "{point}");
    assert_eq!(String::from_utf8_lossy(bytes), raw, "{point}");
    let value = steps.iter().fold(bytes.clone(), |value, step| apply(*step, &value));
    assert_eq!(String::from_utf8_lossy(&value), ATTACK, "{point}");
    assert_eq!(
        value.get(finding.span.clone()).map(String::from_utf8_lossy).as_deref(),
        Some(ATTACK),
        "the sign stands in the decoded bytes of {point}"
    );
}

fn unreachable_point(point: &str, points: &[String]) {
    assert!(
        points.is_empty() && !points.is_empty(),
        "{point} is not among {points:?}"
    );
}

#[test]
fn targets() {
    let encoded = encode(ATTACK);
    check(
        (&format!("/a?x=1&file={encoded}&y=2"), &[], ""),
        r#"["get","file"]"#,
        (Part::Target, &encoded),
        &[Step::Form],
    );
    let twice = encode(&encoded);
    check(
        (&format!("/a?file={twice}"), &[], ""),
        r#"["get","file","percent"]"#,
        (Part::Target, &twice),
        &[Step::Form, Step::Percent],
    );
    check(
        (&format!("/a?x=1&{encoded}=1"), &[], ""),
        r#"["get","../../../../etc/passwd","name"]"#,
        (Part::Target, &encoded),
        &[Step::Form],
    );
}

#[test]
fn paths() {
    let encoded = encode(ATTACK);
    check(
        (&format!("/a/{encoded}/b.c?x=1"), &[], ""),
        r#"["path",1,"percent"]"#,
        (Part::Target, &encoded),
        &[Step::Percent],
    );
}

#[test]
fn headers() {
    let fields = [("Host", "a"), ("X-File", ATTACK)];
    check(
        ("/", &fields, ""),
        r#"["header","X-FILE"]"#,
        (Part::Header(1), ATTACK),
        &[],
    );
    let cookie = format!("a=1; file={}; b=2", encode(ATTACK));
    check(
        ("/", &[("Cookie", &cookie)], ""),
        r#"["header","COOKIE","cookie","file","percent"]"#,
        (Part::Header(0), &encode(ATTACK)),
        &[Step::Percent],
    );
    let base64 = BASE64_STANDARD.encode(ATTACK);
    check(
        ("/", &[("Cookie", &format!("a={base64}"))], ""),
        r#"["header","COOKIE","cookie","a","base64"]"#,
        (Part::Header(0), &base64),
        &[Step::Base64],
    );
    check(
        ("/", &[("Authorization", &format!("Basic {base64}"))], ""),
        r#"["header","AUTHORIZATION","base64"]"#,
        (Part::Header(0), &base64),
        &[Step::Base64],
    );
    let referer = format!("https://a.example/?file={}", encode(ATTACK));
    check(
        ("/", &[("Referer", &referer)], ""),
        r#"["header","REFERER","get","file"]"#,
        (Part::Header(0), &encode(ATTACK)),
        &[Step::Form],
    );
}

#[test]
fn header_names() {
    check(
        ("/", &[("A", "b"), (ATTACK, "c")], ""),
        r#"["header","../../../../ETC/PASSWD","name"]"#,
        (Part::HeaderName(1), ATTACK),
        &[],
    );
}

#[test]
fn forms_and_parts() {
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let encoded = encode(ATTACK);
    check(
        ("/", &form, &format!("a=1&&file={encoded}")),
        r#"["post","form_urlencoded","file"]"#,
        (Part::Body, &encoded),
        &[Step::Form],
    );
    let multipart = [("Content-Type", "multipart/form-data; boundary=xyz")];
    let body = format!(
        "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{ATTACK}\r\n--xyz\r\n\
         Content-Disposition: form-data; name=\"f\"; filename=\"{ATTACK}\"\r\n\r\nb\r\n--xyz--"
    );
    check(
        ("/", &multipart, &body),
        r#"["post","multipart","a"]"#,
        (Part::Body, ATTACK),
        &[],
    );
    check(
        ("/", &multipart, &body),
        r#"["post","multipart","f","file","name"]"#,
        (Part::Body, ATTACK),
        &[],
    );
}

#[test]
fn json() {
    let escaped = ATTACK.replace('.', "\\u002e").replace('/', "\\/");
    check(
        ("/", &[], &format!(r#"{{"a":[1,{{"file":"{escaped}"}}]}}"#)),
        r#"["post","json_doc","hash","a","array",1,"hash","file"]"#,
        (Part::Body, &escaped),
        &[Step::Json],
    );
    check(
        ("/", &[], &format!(r#"{{"{escaped}":1}}"#)),
        r#"["post","json_doc","hash","../../../../etc/passwd","name"]"#,
        (Part::Body, &escaped),
        &[Step::Json],
    );
    // JSON in base64 in a string: the smallest raw slice is the string of the outer document.
    let inner = BASE64_STANDARD.encode(format!(r#"{{"b":"{ATTACK}"}}"#));
    let all = findings("/", &[], &format!(r#"{{"a":"{inner}"}}"#));
    let raw: Vec<_> = all.iter().map(|(_, raw)| String::from_utf8_lossy(raw)).collect();
    assert!(!raw.is_empty() && raw.iter().all(|raw| *raw == inner), "{raw:?}");
    // JSON in a query that needs no decoding: the string itself.
    check(
        (&format!(r#"/?q={{"file":"{ATTACK}"}}"#), &[], ""),
        r#"["get","q","json_doc","hash","file"]"#,
        (Part::Target, ATTACK),
        &[],
    );
}

#[test]
fn graphql() {
    let escaped = ATTACK.replace('.', "\\u002e");
    check(
        ("/", &[], &format!("query {{ a(b: \"{escaped}\") }}")),
        r#"["post","gql","gql_query","","hash","a","gql_arg","hash","b"]"#,
        (Part::Body, &escaped),
        &[Step::Json],
    );
}

#[test]
fn messages() {
    let message = format!("\x08\x01\x12\x16{ATTACK}");
    check(
        ("/", &[("Content-Type", "application/x-protobuf")], &message),
        r#"["post","protobuf","2"]"#,
        (Part::Body, ATTACK),
        &[],
    );
}

#[test]
fn values_made_of_several_come_from_the_whole() {
    let all = findings("/a?x=1&id=1%20union/*&id=*/select%20login%20from%20users--%20", &[], "");
    let joined = all
        .iter()
        .find(|(finding, _)| finding.point.to_string() == r#"["get","id","pollution"]"#);
    let raw = joined.map(|(_, raw)| String::from_utf8_lossy(raw));
    assert_eq!(
        raw.as_deref(),
        Some("x=1&id=1%20union/*&id=*/select%20login%20from%20users--%20")
    );
}

#[test]
fn whole_bodies() {
    check(
        ("/", &[("Content-Type", "text/plain")], ATTACK),
        r#"["post"]"#,
        (Part::Body, ATTACK),
        &[],
    );
    let all = findings("/", &[], ATTACK);
    assert!(
        all.iter().all(|(finding, _)| finding.raw.to_string() == "body 0..22"),
        "{all:?}"
    );
}
