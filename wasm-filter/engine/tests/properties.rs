//! Properties that hold for any bytes: no panic, limits hold, equal requests get equal verdicts, and the prefilter
//! changes nothing.

#![allow(clippy::indexing_slicing)]

use proptest::{collection::vec, prelude::*, sample::select};
use waf_engine::{Body, Engine, Inspection, Request, Scratch, Settings, Verdict, detect::Value, point::PointStack};
use waf_policy::Limits;

/// Pieces that parsers, decoders and detectors react to.
const PIECES: &[&str] = &[
    "'",
    "\"",
    "`",
    "\\",
    "/",
    "//",
    "..",
    "../",
    "..\\",
    ".",
    ",",
    ";",
    ":",
    "|",
    "||",
    "&",
    "&&",
    "$",
    "$(",
    "${",
    "(",
    ")",
    "()",
    "[",
    "]",
    "[]",
    "{",
    "}",
    "{{",
    "}}",
    "<",
    ">",
    "</",
    "{{7*7}}",
    "<%= ",
    "{% if ",
    "__class__",
    "#set($",
    "<!--",
    "<!--#exec cmd=",
    "<esi:include ",
    "-->",
    "--",
    "-- ",
    "#",
    "/*",
    "*/",
    "=",
    "==",
    "+",
    "%",
    "%27",
    "%2527",
    "%3C",
    "%u0027",
    "%00",
    "&lt;",
    "&#x3c;",
    "&#60;",
    "&quot",
    "\\x3c",
    "\\u003c",
    "\\u{3c}",
    "\0",
    "\n",
    "\r\n",
    "\r\nSet-Cookie: a=b",
    "\nLocation: ",
    "HTTP/1.1 200 ",
    "\nBcc: a@b.c",
    "\r\nRCPT TO:<a@b.c>",
    "\nA1 CAPABILITY\n",
    "\u{560d}\u{560a}",
    "\t",
    " ",
    "  ",
    "0x",
    "1",
    "1=1",
    "e1",
    "42",
    "null",
    "true",
    "a",
    "id",
    "select",
    "union",
    "all",
    "from",
    "users",
    "or",
    "and",
    "like",
    "sleep(5)",
    "drop table",
    "script",
    "onerror",
    "javascript:",
    "alert(1)",
    "img src=x",
    "svg",
    "style",
    "etc/passwd",
    "windows/win.ini",
    "file://",
    "http://",
    "php://",
    "cat ",
    "wget ",
    "bash -c",
    "system(",
    "eval(",
    "jndi:ldap://",
    "powershell",
    "rO0ABXNyAA",
    "PHNjcmlwdD4",
    "JyBvciAxPTE",
    "{\"a\":",
    "[1,",
    "name=",
    "&next=",
    "//a.example",
    "/\\a.example",
    "https:a.example",
    "https://a.com@b.net",
    "é",
    "ｓ",
    "\u{202e}",
    "--xyz\r\n",
    "http://127.1:22/",
    "*)(uid=*",
    ")(|(",
    "nmap",
    "{\"user\":{\"$ne\":",
    "user[$gt]=",
    "'; return true",
    "@169.254.169.254/",
    "gopher://",
    "<!DOCTYPE a [",
    "<!ENTITY b SYSTEM \"file:///c\">",
    "<?xml encoding=\"utf-7\"?>",
    "\0\0\0\0\x09",
    "\x0a\x09",
    "\x12\x03\x0a\x01",
    "/wEPBQVoZWxsbxgBBQNrZXkFBXZhbHVl",
    "query Q($a: b = ",
    "mutation { ",
    "{a(b:\"",
    "\"\"\"",
    "... on ",
    "eyJhbGciOiJub25lIn0.eyJhIjoiJyBvciAxPTEifQ.",
    "Content-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n",
];

const CONTENT_TYPES: &[&str] = &[
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=xyz",
    "text/plain",
    "application/grpc",
    "application/grpc-web-text",
    "application/x-protobuf",
    "image/png",
];

const HEADERS: &[&str] = &[
    "User-Agent",
    "Referer",
    "Cookie",
    "X-Custom",
    "Accept",
    "Authorization",
    "a'b",
];

/// Bytes that are partly made of pieces with a meaning.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
        1 => "[a-z]{1,8}".prop_map(String::into_bytes),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

#[derive(Clone, Debug)]
struct Wire {
    target: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    is_complete: bool,
}

fn wire() -> impl Strategy<Value = Wire> {
    let headers = vec((select(HEADERS), text()), 0..4);
    (text(), headers, select(CONTENT_TYPES), text(), any::<bool>()).prop_map(
        |(target, headers, content_type, body, is_complete)| {
            let named = headers
                .into_iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value));
            let content_type = (b"content-type".to_vec(), content_type.as_bytes().to_vec());
            Wire {
                target: [&b"/a?"[..], &target].concat(),
                headers: named.chain([content_type]).collect(),
                body,
                is_complete,
            }
        },
    )
}

/// Inspects a request; returns the verdict and how many points were seen.
fn inspect(engine: &Engine, scratch: &mut Scratch, wire: &Wire) -> (Verdict, usize) {
    let headers: Vec<(&[u8], &[u8])> = wire
        .headers
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    let request = Request {
        method: b"POST",
        target: &wire.target,
        headers: &headers,
        ..Default::default()
    };
    let body = Body {
        bytes: &wire.body,
        is_complete: wire.is_complete,
    };
    let mut inspection = Inspection::default();
    let mut n_points = 0;
    let mut count = |_: &PointStack, _: &Value<'_>| n_points += 1;
    engine.trace_head(&request, scratch, &mut inspection, Some(&mut count));
    engine.trace_body(body, scratch, &mut inspection, Some(&mut count));
    (inspection.verdict().clone(), n_points)
}

fn inspect_untraced(engine: &Engine, scratch: &mut Scratch, wire: &Wire) -> Verdict {
    let headers: Vec<(&[u8], &[u8])> = wire
        .headers
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    let request = Request {
        method: b"POST",
        target: &wire.target,
        headers: &headers,
        ..Default::default()
    };
    let body = Body {
        bytes: &wire.body,
        is_complete: wire.is_complete,
    };
    let mut inspection = Inspection::default();
    engine.inspect_head(&request, scratch, &mut inspection);
    engine.inspect_body(body, scratch, &mut inspection);
    inspection.verdict().clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..Default::default() })]

    #[test]
    fn equal_requests_get_equal_verdicts(first in wire(), second in wire(), enable_libdetection in any::<bool>()) {
        let settings = Settings { enable_libdetection, ..Settings::default() };
        let engine = Engine::new(settings.clone());
        let unfiltered = Engine::new(settings).without_prefilter();
        let mut scratch = Scratch::default();
        let (fresh, _) = inspect(&engine, &mut Scratch::default(), &second);
        // Whatever was inspected before, and with or without memory of it.
        inspect_untraced(&engine, &mut scratch, &first);
        prop_assert_eq!(&fresh, &inspect_untraced(&engine, &mut scratch, &second));
        prop_assert_eq!(&fresh, &inspect_untraced(&engine, &mut scratch, &second));
        prop_assert_eq!(&fresh, &inspect_untraced(&unfiltered, &mut scratch, &second), "the prefilter hid something");
    }

    #[test]
    fn limits_hold(wire in wire(), max_points in 0usize..20, max_depth in 0usize..4, max_fuel in 0u64..5000, max_decoded_bytes in 0usize..100, max_body_bytes in 0usize..50) {
        let limits = Limits { max_body_bytes, max_points, max_depth, max_decoded_bytes, max_fuel };
        let (verdict, n_points) = inspect(&Engine::new(Settings { limits, ..Settings::default() }), &mut Scratch::default(), &wire);
        prop_assert!(n_points <= max_points);
        prop_assert!(verdict.findings.len() <= Verdict::MAX_FINDINGS);
        for finding in &verdict.findings {
            prop_assert!(finding.payload.len() <= waf_engine::Finding::MAX_PAYLOAD_BYTES);
            prop_assert!(finding.decoders.len() <= max_depth);
            prop_assert!(finding.weight >= waf_engine::detect::THRESHOLD);
        }
    }

    #[test]
    fn any_bytes_are_survived(target in vec(any::<u8>(), 0..200), value in vec(any::<u8>(), 0..200), body in vec(any::<u8>(), 0..600), content_type in select(CONTENT_TYPES)) {
        let headers = HEADERS.iter().map(|name| (name.as_bytes().to_vec(), value.clone()));
        let content_type = (b"content-type".to_vec(), content_type.as_bytes().to_vec());
        let wire = Wire { target, headers: headers.chain([content_type]).collect(), body, is_complete: true };
        inspect(&Engine::new(Settings::default()), &mut Scratch::default(), &wire);
    }
}
