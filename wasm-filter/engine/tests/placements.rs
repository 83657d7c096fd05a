//! Every value of the corpus in every place and encoding: what is an attack in a query is one in a nested JSON member,
//! and so is its base64.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use waf_cases::{Case, Kind, PLACES, STRUCTURED_PLACES, percent_encode, place as put};
use waf_engine::{Body, Engine, Inspection, Request, Scratch, Settings, Verdict};
use waf_policy::AttackType;

type Encoding = (&'static str, fn(&str) -> String);

const ENCODINGS: &[Encoding] = &[
    ("plain", |value| value.to_owned()),
    ("percent", |value| percent_encode(value, b"")),
    ("base64", |value| BASE64_STANDARD.encode(value)),
    ("base64-unpadded", |value| BASE64_STANDARD_NO_PAD.encode(value)),
    ("base64-url", |value| BASE64_URL_SAFE_NO_PAD.encode(value)),
    ("json-escapes", |value| {
        value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
    }),
    ("entities", |value| {
        value.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect()
    }),
];

/// How freely people and programs write at a place, from a parameter to a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Freedom {
    /// Paths.
    Path,
    /// Queries.
    Parameter,
    /// Cookies and other headers.
    Header,
    /// Fields of bodies.
    Content,
    /// Uploaded files.
    File,
}

fn freedom(place: &str) -> Freedom {
    match place {
        "file" => Freedom::File,
        "body" | "form-random-name" | "json" | "json-deep" | "json-string" | "json-undeclared" | "multipart"
        | "raw" | "raw-undeclared" | "raw-as-json" | "raw-as-form" | "graphql" | "graphql-in-json" | "grpc"
        | "protobuf" | "view-state" => Freedom::Content,
        "header" | "user-agent" | "referer" | "cookie" => Freedom::Header,
        "path-segment" | "path-last" => Freedom::Path,
        _ => Freedom::Parameter,
    }
}

/// Where a case must hold: an attack at its place and where less is usual, a look-alike at its place and where more is.
/// Without a place it must hold everywhere, but attacks not in files, which are stored rather than run.
fn is_due(case: &Case, place: &str, encoding: &str, value: &str) -> bool {
    // Ordinary for what they are, and known by their name.
    const SINGULAR: &[&str] = &["user-agent", "referer"];
    let own = case.place.as_deref();
    let is_singular = own.is_some_and(|own| SINGULAR.contains(&own));
    let is_due = match (case.kind, own) {
        // Tears values at slashes; the other paths do not.
        _ if place == "path" => false,
        _ if is_singular => own == Some(place),
        (Kind::Attack, None) => freedom(place) != Freedom::File,
        (Kind::Attack, Some(own)) => freedom(place) <= freedom(own),
        (Kind::Lookalike, None) => true,
        (Kind::Lookalike, Some(own)) => freedom(place) >= freedom(own),
    };
    let starts = |scheme: &&str| {
        value
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let is_url = ["http:", "https:", "ftp:", "file:", "data:"].iter().any(starts);
    let means_other = match place {
        // A wrong type makes a reader see other values, which may be anything.
        "raw-as-json" | "raw-as-form" => case.kind == Kind::Lookalike,
        // Is a URL, whatever it leads to.
        "referer" => is_url,
        // Nobody decodes files before they are stored.
        "file" => encoding != "plain",
        _ => false,
    };
    // So short a text is base64 of anything.
    let is_word = encoding.starts_with("base64") && value.len() < 6;
    let is_excepted = case.except.iter().any(|exception| {
        let includes = |list: &[String], item: &str| list.is_empty() || list.iter().any(|listed| listed == item);
        includes(&exception.places, place) && includes(&exception.encodings, encoding)
    });
    is_due && !means_other && !is_word && !is_excepted
}

/// A request that carries a value. None when none can.
fn carry(place: &str, value: &str) -> Option<waf_cases::Request> {
    let mut request = put(value, place).unwrap();
    for (_, value) in &mut request.headers {
        // What Envoy refuses in a field value never arrives (RFC 9110 section 5.5).
        if value.bytes().any(|b| b < b' ' && b != b'\t' || b == 0x7f) {
            return None;
        }
        *value = value.trim_matches([' ', '\t']).to_owned();
    }
    let ends_part = matches!(place, "multipart" | "file") && value.contains("--b");
    (!ends_part).then_some(request)
}

fn inspect(engine: &Engine, scratch: &mut Scratch, request: &waf_cases::Request) -> Verdict {
    let headers: Vec<(&[u8], &[u8])> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let head = Request {
        method: request.method.as_bytes(),
        scheme: b"https",
        authority: b"example.com",
        target: request.target.as_bytes(),
        headers: &headers,
    };
    let mut inspection = Inspection::default();
    engine.inspect_head(&head, scratch, &mut inspection);
    let body = Body {
        bytes: &request.body,
        is_complete: true,
    };
    engine.inspect_body(body, scratch, &mut inspection);
    inspection.verdict().clone()
}

/// Whether a verdict says of a case what it must.
fn holds(case: &Case, verdict: &Verdict) -> bool {
    let attack_type = case.r#type.as_ref().map(|code| code.parse::<AttackType>().unwrap());
    let is_found = attack_type.is_some_and(|attack_type| {
        let mut findings = verdict.findings.iter();
        findings.any(|finding| finding.attack_type == attack_type)
    });
    match case.kind {
        Kind::Attack => is_found,
        Kind::Lookalike => !is_found && (attack_type.is_some() || verdict.is_clean()),
    }
}

#[test]
fn values_mean_the_same_everywhere() {
    let engine = Engine::new(Settings::default());
    let mut scratch = Scratch::default();
    let mut failures = String::new();
    for case in waf_cases::load().unwrap() {
        let Some(value) = &case.value else { continue };
        for (encoding, encode) in ENCODINGS {
            let encoded = encode(value);
            let places = PLACES.iter().chain(STRUCTURED_PLACES);
            for place in places.filter(|place| is_due(&case, place, encoding, value)) {
                let Some(request) = carry(place, &encoded) else {
                    continue;
                };
                let verdict = inspect(&engine, &mut scratch, &request);
                if !holds(&case, &verdict) {
                    let _ = writeln!(failures, "{case} {place} {encoding} {value:?}: {verdict}");
                }
            }
        }
    }
    if let Some(file) = std::env::var_os("PLACEMENTS") {
        std::fs::write(file, &failures).unwrap();
    }
    let shown: String = failures.chars().take(20_000).collect();
    assert!(failures.is_empty(), "{} failures:\n{shown}", failures.lines().count());
}
