//! Bodies that are compressed, or in a character set that hides ASCII: an attack is found behind each, and an honest
//! body stays clean.

use std::io::Write;

use flate2::{Compression, write};
use waf_engine::{Body, Engine, Inspection, Request, Scratch, Settings, Verdict};
use waf_policy::AttackType;

const ATTACK: &str = "1' union select login, password from users -- ";
const HONEST: &str = "O'Brien & Sons, please select the union address; it's fine -- thanks";

fn inspect(headers: &[(&str, &str)], body: &[u8]) -> Verdict {
    let headers: Vec<(&[u8], &[u8])> = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let request = Request {
        method: b"POST",
        target: b"/",
        headers: &headers,
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

/// Checks that an attack in such a body is found at a point, and that an honest body is clean.
fn check(headers: &[(&str, &str)], point: &str, encode: impl Fn(&str) -> Vec<u8>) {
    let verdict = inspect(headers, &encode(ATTACK));
    let points: Vec<String> = verdict
        .findings
        .iter()
        .filter(|finding| finding.attack_type == AttackType::Sqli)
        .map(|finding| finding.point.to_string())
        .collect();
    assert!(points.iter().any(|found| found == point), "{headers:?}: {points:?}");
    let verdict = inspect(headers, &encode(HONEST));
    assert!(verdict.is_clean() && !verdict.limits.any(), "{headers:?}: {verdict}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = write::GzEncoder::new(Vec::new(), Compression::default());
    assert!(encoder.write_all(bytes).is_ok());
    encoder.finish().unwrap_or_default()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::default());
    assert!(encoder.write_all(bytes).is_ok());
    encoder.finish().unwrap_or_default()
}

fn json(text: &str) -> Vec<u8> {
    serde_json::json!({ "q": text }).to_string().into_bytes()
}

fn form(text: &str) -> Vec<u8> {
    let encode = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    format!("q={}", text.bytes().map(encode).collect::<String>()).into_bytes()
}

/// A brotli stream of one stored block (RFC 7932 section 9.2).
fn brotli(bytes: &[u8]) -> Vec<u8> {
    let header = (bytes.len() as u32 - 1) << 4 | 1 << 20;
    let header = header.to_le_bytes();
    [header.get(..3).unwrap_or_default(), bytes, &[3]].concat()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// ASCII in IBM037.
fn ebcdic(text: &str) -> Vec<u8> {
    let code = |b: u8| match b {
        b'a'..=b'i' => b - b'a' + 0x81,
        b'j'..=b'r' => b - b'j' + 0x91,
        b's'..=b'z' => b - b's' + 0xa2,
        b'A'..=b'I' => b - b'A' + 0xc1,
        b'J'..=b'R' => b - b'J' + 0xd1,
        b'S'..=b'Z' => b - b'S' + 0xe2,
        b'0'..=b'9' => b - b'0' + 0xf0,
        b' ' => 0x40,
        b'\'' => 0x7d,
        b'"' => 0x7f,
        b'-' => 0x60,
        b',' => 0x6b,
        b';' => 0x5e,
        b'&' => 0x50,
        b'=' => 0x7e,
        b':' => 0x7a,
        b'{' => 0xc0,
        b'}' => 0xd0,
        _ => 0x6f,
    };
    text.bytes().map(code).collect()
}

fn utf7(text: &str) -> Vec<u8> {
    text.replace('\'', "+ACc-").replace('&', "+ACY-").into_bytes()
}

#[test]
fn content_encodings_are_undone() {
    let json_type = ("content-type", "application/json");
    let unpacked = r#"["post","gzip","json_doc","hash","q"]"#;
    check(&[json_type, ("content-encoding", "gzip")], unpacked, |text| {
        gzip(&json(text))
    });
    check(&[json_type, ("content-encoding", "X-GZIP")], unpacked, |text| {
        gzip(&json(text))
    });
    check(&[json_type, ("content-encoding", "deflate")], unpacked, |text| {
        zlib(&json(text))
    });
    check(&[json_type, ("content-encoding", "deflate")], unpacked, |text| {
        let mut encoder = write::DeflateEncoder::new(Vec::new(), Compression::default());
        assert!(encoder.write_all(&json(text)).is_ok());
        encoder.finish().unwrap_or_default()
    });
    check(
        &[json_type, ("content-encoding", "br")],
        r#"["post","brotli","json_doc","hash","q"]"#,
        |text| brotli(&json(text)),
    );
    check(
        &[json_type, ("content-encoding", "gzip, br")],
        r#"["post","brotli","gzip","json_doc","hash","q"]"#,
        |text| brotli(&gzip(&json(text))),
    );
    check(
        &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("Content-Encoding", "gzip"),
        ],
        r#"["post","gzip","form_urlencoded","q"]"#,
        |text| gzip(&form(text)),
    );
}

#[test]
fn a_wrong_declaration_hides_nothing() {
    let json_type = ("content-type", "application/json");
    // Not encoded although declared, and encoded although not declared.
    let plain = r#"["post","json_doc","hash","q"]"#;
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, gzip, gzip, gzip, gzip"] {
        check(&[json_type, ("content-encoding", coding)], plain, json);
    }
    check(&[json_type], r#"["post","gzip","json_doc","hash","q"]"#, |text| {
        gzip(&json(text))
    });
    // Cut within the stream: what comes before is judged.
    check(
        &[("content-type", "text/plain"), ("content-encoding", "gzip")],
        r#"["post","gzip"]"#,
        |text| {
            let mut packed = gzip(format!("{text} {:?}", (0..2000).collect::<Vec<u32>>()).as_bytes());
            packed.truncate(packed.len() - 100);
            packed
        },
    );
}

#[test]
fn bombs_are_reported() {
    let bomb = gzip(&vec![b' '; 8 << 20]);
    for headers in [&[("content-encoding", "gzip")][..], &[]] {
        let verdict = inspect(headers, &bomb);
        assert!(verdict.attack_mask() == AttackType::DataBomb.mask(), "{verdict}");
        assert!(verdict.limits.expansion);
    }
    let large = gzip(
        &(0..100_000u32)
            .flat_map(|n| n.to_string().into_bytes())
            .collect::<Vec<u8>>(),
    );
    assert!(inspect(&[("content-encoding", "gzip")], &large).is_clean());
}

#[test]
fn declared_character_sets_are_honoured() {
    for (charset, encode) in [
        ("utf-16", utf16 as fn(&str) -> Vec<u8>),
        ("UTF-16LE", utf16),
        ("ibm037", ebcdic),
        ("\"IBM037\"", ebcdic),
        ("utf-7", utf7),
    ] {
        check(
            &[("content-type", &format!("text/plain; charset={charset}"))],
            r#"["post","charset"]"#,
            encode,
        );
        check(
            &[("content-type", &format!("application/json;charset={charset}"))],
            r#"["post","charset","json_doc","hash","q"]"#,
            |text| encode(&format!("{{\"q\": \"{text}\"}}")),
        );
    }
    // Names and values in EBCDIC, what separates them in ASCII.
    check(
        &[("content-type", "application/x-www-form-urlencoded; charset=ibm037")],
        r#"["post","form_urlencoded","%98","charset"]"#,
        |text| {
            let value: String = ebcdic(text).iter().map(|b| format!("%{b:02X}")).collect();
            format!("%98={value}&%99=%F1").into_bytes()
        },
    );
    // Declared in vain.
    check(
        &[("content-type", "text/plain; charset=utf-16")],
        r#"["post"]"#,
        |text| text.as_bytes().to_vec(),
    );
}

#[test]
fn shown_character_sets_are_honoured() {
    check(
        &[("content-type", "application/json")],
        r#"["post","charset","json_doc","hash","q"]"#,
        |text| utf16(&format!("{{\"q\": \"{text}\"}}")),
    );
    check(&[("content-type", "text/plain")], r#"["post","charset"]"#, |text| {
        [b"\xff\xfe", &utf16(text)[..]].concat()
    });
    check(
        &[("content-type", "application/xml")],
        r#"["post","charset","xml","xml_tag","q"]"#,
        |text| utf16(&format!("<q>{}</q>", text.replace('&', "&amp;"))),
    );
}

#[test]
fn contradicting_declarations_of_xml_are_attacks() {
    let document = "<?xml version=\"1.0\" encoding=\"utf-8\"?><q>1</q>";
    let headers = [("content-type", "application/xml")];
    let verdict = inspect(&headers, &utf16(document));
    assert!(verdict.attack_mask() == AttackType::InvalidXml.mask(), "{verdict}");
    assert!(inspect(&headers, document.as_bytes()).is_clean());
    assert!(inspect(&headers, &utf16(&document.replace("utf-8", "utf-16"))).is_clean());
}
