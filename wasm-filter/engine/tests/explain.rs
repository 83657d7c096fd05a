//! How findings explain themselves: point, decoders, excerpt, span and reason.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use waf_engine::{Body, Engine, Inspection, Request, Scratch, Settings};

fn check(target: &str, headers: &[(&str, &str)], body: &str, expected: Expect) {
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
    let engine = Engine::new(Settings::default());
    let (mut scratch, mut inspection) = (Scratch::default(), Inspection::default());
    engine.inspect_head(&request, &mut scratch, &mut inspection);
    engine.inspect_body(body, &mut scratch, &mut inspection);
    let mut text = String::new();
    for hit in inspection.verdict().hits() {
        let _ = writeln!(text, "{}", hit.attack_type);
        for finding in hit.findings {
            let names: Vec<_> = finding.decoders.iter().map(|element| element.as_str()).collect();
            let stamps: Vec<_> = finding.stamps.iter().map(|stamp| (stamp.id, stamp.weight)).collect();
            let payload = String::from_utf8_lossy(&finding.payload);
            let _ = writeln!(text, "  {} {names:?}", finding.point);
            let _ = writeln!(
                text,
                "    {payload:?} at {:?}, weight {}, {stamps:?}",
                finding.span, finding.weight
            );
            let _ = writeln!(text, "    {}", finding.reason());
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn clean() {
    check("/?q=hello", &[("User-Agent", "curl/8.7.1")], "", expect![[r#""#]]);
}

#[test]
fn decoders_are_named_in_order() {
    check(
        "/?file=%252e%252e%252f%252e%252e%252fetc%252fpasswd",
        &[],
        "",
        expect![[r#"
            ptrav
              ["get","file"] []
                "%2e%2e%2f%2e%2e%2fetc%2fpasswd" at 0..30, weight 260, [(5002, 100), (5003, 100), (5005, 60)]
                The path climbs out of its folder and names a file that the system or the application keeps to itself.
              ["get","file","percent"] ["percent"]
                "../../etc/passwd" at 0..16, weight 200, [(5002, 100), (5003, 100)]
                The path climbs out of its folder and names a file that the system or the application keeps to itself.
        "#]],
    );
    check(
        "/",
        &[("Cookie", "state=eyJmaWxlIjoiLi4vLi4vLi4vLi4vZXRjL3Bhc3N3ZCJ9")],
        "",
        expect![[r#"
            ptrav
              ["header","COOKIE","cookie","state","base64","json_doc","hash","file"] ["base64"]
                "../../../../etc/passwd" at 0..22, weight 200, [(5002, 100), (5003, 100)]
                The path climbs out of its folder and names a file that the system or the application keeps to itself.
        "#]],
    );
}

#[test]
fn long_values_are_excerpted() {
    let value = format!("{}/../../../../etc/passwd{}", "a".repeat(100), "/b".repeat(200));
    check(
        "/",
        &[],
        &format!("path={value}"),
        expect![[r#"
        ptrav
          ["post","form_urlencoded","path"] []
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/../../../../etc/passwd/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/" at 0..523, weight 200, [(5002, 100), (5003, 100)]
            The path climbs out of its folder and names a file that the system or the application keeps to itself.
    "#]],
    );
}
