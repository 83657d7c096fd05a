//! Parsers that are switched off: what they would have read is judged as it stands.

#![allow(clippy::unwrap_used)]

use waf_engine::{Body, Engine, Inspection, Request, Scratch, Settings, detect::Value, point::PointStack};
use waf_policy::{Parser, ParserSet};

/// Every point of a request under a set of disabled parsers, with its value.
fn points(engine: &Engine, mut inspection: Inspection, request: (&str, &[(&str, &str)], &str)) -> Vec<String> {
    let (target, headers, body) = request;
    let headers: Vec<(&[u8], &[u8])> = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let request = Request {
        target: target.as_bytes(),
        headers: &headers,
        ..Default::default()
    };
    let body = Body {
        bytes: body.as_bytes(),
        is_complete: true,
    };
    let mut scratch = Scratch::default();
    let mut points = Vec::new();
    let mut see = |point: &PointStack, value: &Value<'_>| {
        points.push(format!("{point} {}", String::from_utf8_lossy(value.bytes)));
    };
    engine.trace_head(&request, &mut scratch, &mut inspection, Some(&mut see));
    engine.trace_body(body, &mut scratch, &mut inspection, Some(&mut see));
    points
}

/// Asserts that `parsed` is a point of the request, and that with the parser off there is `raw` instead.
fn check(parser: Parser, request: (&str, &[(&str, &str)], &str), parsed: &str, raw: &str) {
    let off = |disabled_parsers| {
        Engine::new(Settings {
            disabled_parsers,
            ..Settings::default()
        })
    };
    let disabled = ParserSet::EMPTY.with(parser);
    let has = |engine: &Engine, inspection: Inspection, expected: &str| {
        let all = points(engine, inspection, request);
        (all.iter().any(|point| point == expected), all)
    };
    let (is_there, all) = has(&off(ParserSet::EMPTY), Inspection::default(), parsed);
    assert!(is_there, "{parsed} is not among {all:#?}");
    let (is_there, all) = has(&off(disabled), Inspection::default(), parsed);
    assert!(!is_there, "{parsed} is among {all:#?} though {parser} is off");
    let (is_there, all) = has(&off(disabled), Inspection::default(), raw);
    assert!(is_there, "{raw} is not among {all:#?}");
    // A request's own set counts, not the engine's.
    let (is_there, _) = has(&off(disabled), Inspection::with_parsers(ParserSet::ALL), parsed);
    assert!(is_there, "{parser} is on for this request");
    let own = Inspection::with_parsers(ParserSet::ALL.without(parser));
    let (is_there, _) = has(&off(ParserSet::EMPTY), own, parsed);
    assert!(!is_there, "{parser} is off for this request");
}

#[test]
fn cookie() {
    check(
        Parser::Cookie,
        ("/", &[("Cookie", "a=b; c=d")], ""),
        r#"["header","COOKIE","cookie","a"] b"#,
        r#"["header","COOKIE"] a=b; c=d"#,
    );
}

#[test]
fn bodies() {
    check(
        Parser::JsonDoc,
        ("/", &[], r#"{"a":"b"}"#),
        r#"["post","json_doc","hash","a"] b"#,
        r#"["post"] {"a":"b"}"#,
    );
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    check(
        Parser::FormUrlencoded,
        ("/", &form, "a=b"),
        r#"["post","form_urlencoded","a"] b"#,
        r#"["post"] a=b"#,
    );
    let multipart = [("Content-Type", "multipart/form-data; boundary=x")];
    let body = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--";
    check(
        Parser::Multipart,
        ("/", &multipart, body),
        r#"["post","multipart","a"] b"#,
        &format!(r#"["post"] {body}"#),
    );
}

#[test]
fn messages() {
    let grpc = [("Content-Type", "application/grpc")];
    let protobuf = [("Content-Type", "application/x-protobuf")];
    let text = "a string of some length";
    let message = format!("\x0a\x17{text}");
    let frame = format!("\0\0\0\0\x19{message}");
    check(
        Parser::Grpc,
        ("/", &grpc, &frame),
        &format!(r#"["post","grpc",0,"protobuf","1"] {text}"#),
        &format!(r#"["post"] {text}"#),
    );
    check(
        Parser::Protobuf,
        ("/", &grpc, &frame),
        &format!(r#"["post","grpc",0,"protobuf","1"] {text}"#),
        &format!("[\"post\",\"grpc\",0] {message}"),
    );
    check(
        Parser::Protobuf,
        ("/", &protobuf, &message),
        &format!(r#"["post","protobuf","1"] {text}"#),
        &format!("[\"post\"] {message}"),
    );
}

#[test]
fn values() {
    check(
        Parser::JsonDoc,
        (r#"/?q={"a":"b"}"#, &[], ""),
        r#"["get","q","json_doc","hash","a"] b"#,
        r#"["get","q"] {"a":"b"}"#,
    );
    check(
        Parser::Percent,
        ("/?q=%2527", &[], ""),
        r#"["get","q","percent"] '"#,
        r#"["get","q"] %27"#,
    );
    check(
        Parser::Htmljs,
        ("/?q=%26lt;", &[], ""),
        r#"["get","q","htmljs"] <"#,
        r#"["get","q"] &lt;"#,
    );
    check(
        Parser::Base64,
        ("/?q=PHNjcmlwdD4", &[], ""),
        r#"["get","q","base64"] <script>"#,
        r#"["get","q"] PHNjcmlwdD4"#,
    );
    check(
        Parser::Base64,
        ("/", &[("Authorization", "Basic YWRtaW46c2VjcmV0")], ""),
        r#"["header","AUTHORIZATION","base64"] admin:secret"#,
        r#"["header","AUTHORIZATION"] Basic YWRtaW46c2VjcmV0"#,
    );
    check(
        Parser::Gql,
        ("/?query={a(b:\"c\")}", &[], ""),
        r#"["get","query","gql","gql_query","","hash","a","gql_arg","hash","b"] c"#,
        r#"["get","query"] {a(b:"c")}"#,
    );
    check(
        Parser::Viewstate,
        ("/", &[], r#"{"a":"/wEPBQVoZWxsb2Q="}"#),
        r#"["post","json_doc","hash","a","base64","viewstate","viewstate_pair",0] hello"#,
        "[\"post\",\"json_doc\",\"hash\",\"a\",\"base64\"] \u{fffd}\u{1}\u{f}\u{5}\u{5}hellod",
    );
    let token = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP";
    check(
        Parser::Jwt,
        ("/", &[("Authorization", token)], ""),
        r#"["header","AUTHORIZATION","jwt","jwt_header","base64"] {"alg":"HS256"}"#,
        &format!(r#"["header","AUTHORIZATION"] {token}"#),
    );
}
