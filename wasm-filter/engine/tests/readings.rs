//! Input that back ends read differently: an attack is found under every reading, and an honest twin stays clean.

use waf_engine::{Body, Engine, Inspection, Request, Scratch, Settings, Verdict};
use waf_policy::AttackType;

const ATTACK: &str = "1' union select login, password from users -- ";
const HONEST: &str = "O'Brien and Sons, please select the union address; it's fine -- thanks";

fn inspect(target: &str, content_type: &str, body: &[u8]) -> Verdict {
    let headers: &[(&[u8], &[u8])] = &[(b"content-type", content_type.as_bytes())];
    let request = Request {
        method: b"POST",
        target: target.as_bytes(),
        headers,
        ..Default::default()
    };
    let body = Body {
        bytes: body,
        is_complete: true,
    };
    let engine = Engine::new(Settings::default());
    let (mut scratch, mut inspection) = (Scratch::default(), Inspection::default());
    engine.inspect_head(&request, &mut scratch, &mut inspection);
    engine.inspect_body(body, &mut scratch, &mut inspection);
    inspection.verdict().clone()
}

/// Checks a body in which `@` stands for the value.
fn check(content_type: &str, body: &str) {
    let with = |text: &str| inspect("/", content_type, body.replace('@', text).as_bytes());
    let verdict = with(ATTACK);
    let mut kinds = verdict.findings.iter().map(|finding| finding.attack_type);
    assert!(
        kinds.any(|kind| kind == AttackType::Sqli),
        "{content_type}: {body}: {verdict}"
    );
    let verdict = with(HONEST);
    assert!(verdict.is_clean(), "{content_type}: {body}: {verdict}");
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn json_that_is_none_by_the_book() {
    for body in [
        // Repeated names: first and last.
        r#"{"a": "@", "a": 1}"#,
        r#"{"a": 1, "a": "@"}"#,
        r#"{"a": {"b": "@"}, "a": {"b": 1}}"#,
        // Comments, single quotes, bare names, missing and extra commas, numbers of JavaScript.
        "{/* x */ \"a\": /* y */ \"@\" // z\n}",
        "{\"a\": NaN, \"b\": +Infinity, \"c\": \"@\",}",
        "{a: \"@\"}",
        "{\"n\": 0x1F, \"a\": \"@\"}",
        "[1, 2,, \"@\" \"x\",]",
        // Several documents.
        "{\"a\": 1}\n{\"a\": \"@\"}\n",
        "[1][\"@\"]",
        "\u{1e}{\"a\": 1}\n\u{1e}{\"a\": \"@\"}\n",
        // Cut.
        "{\"a\": \"@",
        "{\"a\": [\"@\"",
        "\u{feff}{\"a\": \"@\"}",
    ] {
        check("application/json", body);
        check("text/plain", body);
    }
    check("application/json", "\"@\"");
    check("application/x-ndjson", "{\"a\": 1}\n{\"a\": \"@\"}");
}

#[test]
fn bodies_under_a_wrong_type() {
    let form = |text: &str| text.replace(' ', "+").replace(';', "%3B");
    for content_type in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/xml",
        "",
    ] {
        for (text, is_attack) in [(ATTACK, true), (HONEST, false)] {
            let verdict = inspect("/", content_type, format!("a=1&b={}", form(text)).as_bytes());
            assert_eq!(!verdict.is_clean(), is_attack, "{content_type}: {verdict}");
        }
    }
    for content_type in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "",
    ] {
        check(content_type, r#"{"a": "@"}"#);
        check(content_type, "<order><id>@</id></order>");
    }
}

#[test]
fn separators_of_queries() {
    let percent = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02X}")).collect() };
    for target in [
        "/?a=1;b=@",
        "/?a=1&c;b=@",
        "/?a.b=@",
        "/?a[b][]=@",
        "/?a=1&amp;b=@",
        "/?a=1&a=@",
        "/?@",
        "/?=@",
    ] {
        let verdict = inspect(&target.replace('@', &percent(ATTACK)), "", b"");
        assert!(!verdict.is_clean(), "{target}");
        let verdict = inspect(&target.replace('@', &percent(HONEST)), "", b"");
        assert!(verdict.is_clean(), "{target}: {verdict}");
    }
    // Split by a semicolon, what stands behind it is found where it stands.
    let verdict = inspect(&format!("/?a=1;b={}", percent(ATTACK)), "", b"");
    let points: Vec<_> = verdict
        .findings
        .iter()
        .map(|finding| finding.point.to_string())
        .collect();
    assert!(points.iter().any(|point| point == r#"["get","b"]"#), "{points:?}");
}

#[test]
fn multipart_boundaries() {
    let declared = "multipart/form-data; boundary=xyz";
    let part = |boundary: &str| format!("--{boundary}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n@\r\n");
    let whole = |boundary: &str| format!("{}--{boundary}--\r\n", part(boundary));
    for content_type in [
        declared,
        "multipart/form-data; boundary=\"xyz\"",
        "multipart/form-data;BOUNDARY=xyz",
        "multipart/form-data, boundary=xyz",
        "multipart/form-data; boundary = xyz",
        // Declared twice, wrongly, or not at all.
        "multipart/form-data; boundary=abc; boundary=xyz",
        "multipart/form-data; boundary=xyz; boundary=abc",
        "multipart/form-data; boundary=abc",
        "multipart/form-data",
        "application/json",
        "text/plain",
    ] {
        check(content_type, &whole("xyz"));
        check(content_type, &whole("xyz").replace("\r\n", "\n"));
        check(content_type, &part("xyz"));
    }
    let long = "x".repeat(150);
    check(&format!("multipart/form-data; boundary={long}"), &whole(&long));
    // Outside of what the closing delimiter closes.
    check(declared, &format!("--xyz\r\n\r\n1\r\n--xyz--\r\n{}", whole("xyz")));
    check(declared, &format!("--xyz\r\n\r\n1\r\n--xyz--\r\n{}", whole("abc")));
    check(declared, &format!("{}--xyz\r\n\r\n1\r\n--xyz--\r\n", whole("abc")));
    // A delimiter within a line is none for strict readers.
    let within = format!(
        "--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\nx{}",
        whole("xyz")
    );
    // The strict reading has a value with header fields in it, which may be a finding of its own.
    let finds_sqli = |text: &str| {
        let verdict = inspect("/", declared, within.replace('@', text).as_bytes());
        verdict.attack_mask() & AttackType::Sqli.mask() != 0
    };
    assert!(finds_sqli(ATTACK) && !finds_sqli(HONEST));
}

#[test]
fn multipart_heads() {
    let declared = "multipart/form-data; boundary=xyz";
    let body = |head: &str, content: &str| format!("--xyz\r\n{head}\r\n\r\n{content}\r\n--xyz--\r\n");
    for head in [
        "Content-Disposition: form-data; name=a",
        "content-disposition:form-data;name=\"a\"",
        "Content-Disposition: form-data;\r\n name=\"a\"",
        "Content-Disposition : form-data; name=\"a\"",
        "Content-Disposition: form-data; name=a; filename*=utf-8''x.txt",
        "Content-Disposition: form-data; name=a; filename=x\r\nContent-Disposition: form-data; name=a",
        "Content-Type: text/plain",
        "X: y",
    ] {
        check(declared, &body(head, "@"));
    }
    // In a name, in the second of two names, in a header field.
    check(declared, &body("Content-Disposition: form-data; name=\"@\"", "1"));
    check(
        declared,
        &body("Content-Disposition: form-data; name=a; name=\"@\"", "1"),
    );
    check(
        declared,
        &body("Content-Disposition: form-data; name=a\r\nX-Id: @", "1"),
    );
    let traversal = "Content-Disposition: form-data; name=a; filename*=UTF-8''%2e%2e%2f%2e%2e%2fetc%2fpasswd";
    assert!(!inspect("/", declared, body(traversal, "1").as_bytes()).is_clean());
    let picture = "Content-Disposition: form-data; name=a; filename*=UTF-8''na%C3%AFve%20picture.png";
    assert!(inspect("/", declared, body(picture, "1").as_bytes()).is_clean());
}

#[test]
fn multipart_contents() {
    let declared = "multipart/form-data; boundary=xyz";
    let disposition = "Content-Disposition: form-data; name=a";
    let body =
        |field: &str, content: &str| format!("--xyz\r\n{disposition}\r\n{field}\r\n\r\n{content}\r\n--xyz--\r\n");
    for (text, is_attack) in [(ATTACK, true), (HONEST, false)] {
        let quoted: String = text.chars().map(|c| format!("={:02X}", u32::from(c))).collect();
        let utf7 = text.replace('\'', "+ACc-").replace("union", "un+AGkAbw-n");
        for body in [
            body("Content-Transfer-Encoding: base64", &base64(text)),
            body("Content-Transfer-Encoding: quoted-printable", &quoted),
            body("Content-Type: text/plain; charset=utf-7", &utf7),
            body(
                "Content-Type: multipart/mixed; boundary=q",
                &format!("--q\r\nContent-Disposition: file\r\n\r\n{text}\r\n--q--"),
            ),
            body("Content-Type: application/json", &format!("{{\"a\": \"{text}\"}}")),
        ] {
            let verdict = inspect("/", declared, body.as_bytes());
            assert_eq!(!verdict.is_clean(), is_attack, "{body}: {verdict}");
        }
    }
}

#[test]
fn nested_multiparts_are_bounded() {
    let mut body = ATTACK.to_owned();
    for _ in 0..100 {
        body = format!("--q\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n{body}\r\n--q--");
    }
    inspect("/", "multipart/form-data; boundary=q", body.as_bytes());
    let mut body = ATTACK.to_owned();
    for depth in 0..100 {
        let inner = depth.max(1) - 1;
        body =
            format!("--b{depth}x\r\nContent-Type: multipart/mixed; boundary=b{inner}x\r\n\r\n{body}\r\n--b{depth}x--");
    }
    let verdict = inspect("/", "multipart/form-data; boundary=b99x", body.as_bytes());
    assert!(verdict.limits.depth);
    assert!(!verdict.is_clean(), "judged undivided");
}
