//! Every limit holds, shows in the verdict, and leaves what comes before it inspected.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use waf_engine::{Body, Engine, Inspection, LimitFlags, Request, Scratch, Settings, detect::Value, point::PointStack};
use waf_policy::Limits;

/// Inspects a request; returns the limits reached and all values seen.
fn inspect(limits: Limits, target: &str, content_type: &str, body: Body<'_>) -> (LimitFlags, Vec<String>) {
    let engine = Engine::new(Settings {
        limits,
        ..Settings::default()
    });
    let (mut scratch, mut inspection) = (Scratch::default(), Inspection::default());
    let mut values = Vec::new();
    let mut see = |_: &PointStack, value: &Value<'_>| values.push(String::from_utf8_lossy(value.bytes).into_owned());
    let headers: &[(&[u8], &[u8])] = &[(b"content-type", content_type.as_bytes())];
    let request = Request {
        method: b"POST",
        target: target.as_bytes(),
        headers,
        ..Default::default()
    };
    engine.trace_head(&request, &mut scratch, &mut inspection, Some(&mut see));
    engine.trace_body(body, &mut scratch, &mut inspection, Some(&mut see));
    (inspection.verdict().limits, values)
}

fn whole(bytes: &str) -> Body<'_> {
    Body {
        bytes: bytes.as_bytes(),
        is_complete: true,
    }
}

fn names(flags: LimitFlags) -> Vec<&'static str> {
    flags.names().collect()
}

#[test]
fn points() {
    let limits = Limits {
        max_points: 10,
        ..Limits::default()
    };
    let query: Vec<String> = (0..20).map(|n| format!("p{n}=v{n}")).collect();
    let target = format!("/?{}", query.join("&"));
    let (flags, values) = inspect(limits, &target, "", whole(""));
    assert_eq!(names(flags), ["points"]);
    assert_eq!(values.len(), 10);
    assert_eq!(
        values.last().map(String::as_str),
        Some("v8"),
        "the target and nine parameters"
    );

    let json: Vec<String> = (0..20).map(|n| format!("\"v{n}\"")).collect();
    let (flags, values) = inspect(limits, "/", "application/json", whole(&format!("[{}]", json.join(","))));
    assert_eq!(names(flags), ["points"]);
    assert_eq!(values.len(), 10);

    let (flags, values) = inspect(limits, "/?a=1&b=2", "", whole(""));
    assert_eq!(names(flags), [""; 0]);
    assert_eq!(values.len(), 3);
}

#[test]
fn depth_of_decoders() {
    let limits = Limits {
        max_depth: 3,
        ..Limits::default()
    };
    // `'` encoded three times over in a query is two decoders deep; the fifth layer is one too many.
    let encoded = |layers: usize| format!("/?q=%{}27", "25".repeat(layers - 1));
    let (flags, values) = inspect(limits, &encoded(3), "", whole(""));
    assert_eq!(names(flags), [""; 0]);
    assert!(values.contains(&"'".to_owned()), "{values:?}");
    let (flags, values) = inspect(limits, &encoded(5), "", whole(""));
    assert_eq!(names(flags), ["depth"]);
    assert!(!values.contains(&"'".to_owned()), "{values:?}");
}

#[test]
fn depth_of_json() {
    let nested = |depth: usize| format!("{}\"x\"{}", "[".repeat(depth), "]".repeat(depth));
    let json = |depth| {
        inspect(
            Limits::default(),
            "/",
            "application/json",
            Body {
                bytes: nested(depth).as_bytes(),
                is_complete: true,
            },
        )
    };
    let (flags, values) = json(200);
    assert_eq!(names(flags), [""; 0]);
    assert_eq!(values.last().map(String::as_str), Some("x"));
    let (flags, values) = json(100_000);
    assert_eq!(names(flags), ["depth"]);
    assert!(values.iter().any(|value| value.contains("\"x\"")), "judged undivided");
}

#[test]
fn decoded_bytes() {
    let limits = Limits {
        max_decoded_bytes: 64,
        ..Limits::default()
    };
    let body = format!("[\"{}\",\"%3Cb%3E\",\"plain\"]", "%41".repeat(40));
    let (flags, values) = inspect(limits, "/", "application/json", whole(&body));
    assert_eq!(names(flags), ["decoded_bytes"]);
    assert!(values.contains(&"<b>".to_owned()), "smaller values still fit");
    assert!(values.contains(&"plain".to_owned()));
}

#[test]
fn fuel() {
    let limits = Limits {
        max_fuel: 1000,
        ..Limits::default()
    };
    let (flags, values) = inspect(limits, "/?a=1", "text/plain", whole(&"text ".repeat(1000)));
    assert_eq!(names(flags), ["fuel"]);
    assert!(values.contains(&"1".to_owned()), "the head was inspected");
    let (flags, _) = inspect(limits, "/?a=1", "text/plain", whole("text"));
    assert_eq!(names(flags), [""; 0]);
}

#[test]
fn body() {
    let limits = Limits {
        max_body_bytes: 8,
        ..Limits::default()
    };
    let (flags, values) = inspect(limits, "/", "text/plain", whole("12345678"));
    assert_eq!(names(flags), [""; 0]);
    assert_eq!(values.last().map(String::as_str), Some("12345678"));
    let (flags, values) = inspect(limits, "/", "text/plain", whole("123456789"));
    assert_eq!(names(flags), ["body"]);
    assert_eq!(values.last().map(String::as_str), Some("12345678"));
    let cut = Body {
        bytes: b"[\"a\",\"b",
        is_complete: false,
    };
    let (flags, values) = inspect(limits, "/", "application/json", cut);
    assert_eq!(names(flags), ["body"]);
    assert_eq!(values.last().map(String::as_str), Some("b"), "a cut value counts");
}

#[test]
fn expansion_of_entities() {
    let document = |n_references: usize| {
        let references = "&a;".repeat(n_references);
        format!("<!DOCTYPE a [<!ENTITY a '{}'>]><a>{references}</a>", "x".repeat(100))
    };
    let (flags, _) = inspect(Limits::default(), "/", "application/xml", whole(&document(10)));
    assert_eq!(names(flags), [""; 0]);
    let limits = Limits {
        max_decoded_bytes: 500,
        ..Limits::default()
    };
    let (flags, values) = inspect(limits, "/", "application/xml", whole(&document(10)));
    assert!(names(flags).contains(&"expansion"), "{flags:?}");
    assert!(values.iter().any(|value| value.starts_with("xxx")), "{values:?}");
}

#[test]
fn depth_of_xml() {
    let nested = |depth: usize| format!("{}x{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let (flags, values) = inspect(Limits::default(), "/", "application/xml", whole(&nested(200)));
    assert_eq!(names(flags), [""; 0]);
    assert!(values.contains(&"x".to_owned()));
    let (flags, values) = inspect(Limits::default(), "/", "application/xml", whole(&nested(20_000)));
    assert_eq!(names(flags), ["depth"]);
    assert!(values.contains(&"x".to_owned()));
}

/// Found by fuzzing: a header value that was known to be clean hid that its decoders were not allowed to run.
#[test]
fn known_values_reach_limits_as_unknown_ones_do() {
    let engine = Engine::new(Settings {
        limits: Limits {
            max_decoded_bytes: 300,
            ..Limits::default()
        },
        ..Settings::default()
    });
    let inspect = |scratch: &mut Scratch, target: &str| {
        let request = Request {
            method: b"GET",
            target: target.as_bytes(),
            headers: &[(b"user-agent", b"namenamename%41namename")],
            ..Default::default()
        };
        let mut inspection = Inspection::default();
        engine.inspect_head(&request, scratch, &mut inspection);
        (inspection.verdict().clone(), inspection.n_fuel())
    };
    let mut scratch = Scratch::default();
    assert!(!inspect(&mut scratch, "/").0.limits.any(), "known from now on");
    let mut n_reached = 0;
    for n_bytes in 200..320 {
        let target = format!("/?q={}", "a".repeat(n_bytes));
        let (verdict, n_fuel) = inspect(&mut scratch, &target);
        assert_eq!((verdict.clone(), n_fuel), inspect(&mut Scratch::default(), &target));
        n_reached += usize::from(verdict.limits.decoded_bytes);
    }
    assert!((1..120).contains(&n_reached), "{n_reached} of 120 reach the limit");
}

/// Fuel that a body costs, inspected without any limit in reach.
fn fuel_of(content_type: &str, body: &[u8]) -> u64 {
    let limits = Limits {
        max_body_bytes: 1 << 24,
        max_points: 1 << 20,
        max_decoded_bytes: 1 << 26,
        max_fuel: u64::MAX,
        ..Limits::default()
    };
    let engine = Engine::new(Settings {
        limits,
        ..Settings::default()
    });
    let mut inspection = Inspection::default();
    let headers: &[(&[u8], &[u8])] = &[(b"content-type", content_type.as_bytes())];
    let request = Request {
        headers,
        ..Default::default()
    };
    let body = Body {
        bytes: body,
        is_complete: true,
    };
    engine.inspect_head(&request, &mut Scratch::default(), &mut inspection);
    engine.inspect_body(body, &mut Scratch::default(), &mut inspection);
    inspection.n_fuel()
}

/// A field of bytes with a message around the one before, `depth` times.
fn nested_message(depth: usize, innermost: &[u8]) -> Vec<u8> {
    (0..depth).fold(innermost.to_vec(), |inner, _| {
        let mut length = inner.len();
        let mut message = vec![0x0a];
        while length >= 0x80 {
            message.push(length as u8 & 0x7f | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend(inner);
        message
    })
}

#[test]
fn depth_of_messages() {
    let body = |depth| nested_message(depth, b"some text");
    let inspect_bytes = |bytes: &[u8]| {
        let body = Body {
            bytes,
            is_complete: true,
        };
        inspect(Limits::default(), "/", "application/x-protobuf", body)
    };
    let (flags, values) = inspect_bytes(&body(6));
    assert_eq!(names(flags), [""; 0]);
    assert!(values.contains(&"some text".to_owned()), "{values:?}");
    let (flags, _) = inspect_bytes(&body(2000));
    assert_eq!(names(flags), ["depth"]);
}

#[test]
fn depth_of_graphql() {
    let document = |depth: usize| format!("{}(b: \"some text\"){}", "{a".repeat(depth), "}".repeat(depth));
    let (flags, values) = inspect(Limits::default(), "/", "application/graphql", whole(&document(60)));
    assert_eq!(names(flags), [""; 0]);
    assert!(values.contains(&"some text".to_owned()), "{values:?}");
    let (flags, values) = inspect(Limits::default(), "/", "application/graphql", whole(&document(70)));
    assert_eq!(names(flags), ["depth"]);
    assert!(
        values.iter().any(|value| value.contains("some text")),
        "judged undivided"
    );
}

#[test]
fn cost_is_linear() {
    type Make = fn(usize) -> Vec<u8>;
    let cases: &[(&str, &str, Make)] = &[
        ("messages in one another", "application/x-protobuf", |n| {
            nested_message(n, b"some text")
        }),
        ("fields", "application/x-protobuf", |n| b"\x0a\x01a".repeat(n)),
        ("frames", "application/grpc", |n| b"\0\0\0\0\x03\x0a\x01a".repeat(n)),
        ("strings of GraphQL", "application/graphql", |n| {
            [b"{a(b:[", &b"\"c\\n\" ".repeat(n)[..], b"])}"].concat()
        }),
        ("comments of GraphQL", "application/graphql", |n| {
            [&b"#\n".repeat(n)[..], b"{a}"].concat()
        }),
        ("open block strings", "application/graphql", |n| {
            [b"{a(b:\"\"\"", &b"\\\"\"\"".repeat(n)[..]].concat()
        }),
        ("fields of GraphQL that end early", "application/graphql", |n| {
            [b"{", &b"a{b} ".repeat(n)[..]].concat()
        }),
        ("repeated parts", "multipart/form-data; boundary=b", |n| {
            b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n".repeat(n)
        }),
        ("dots and tokens", "application/json", |n| {
            [b"\"eyJh", &b".eyJh".repeat(n)[..], b"\""].concat()
        }),
        ("items of view state", "text/plain", |n| {
            let state = [&b"\xff\x01\x16\xff\xff\x7f"[..], &b"\x05\x01a".repeat(n)].concat();
            BASE64_STANDARD.encode(state).into_bytes()
        }),
    ];
    for (name, content_type, make) in cases {
        let (small, large) = (make(1000), make(8000));
        let growth = large.len() as f64 / small.len() as f64;
        let (cost, more) = (fuel_of(content_type, &small), fuel_of(content_type, &large));
        assert!(
            more as f64 <= cost as f64 * growth * 1.1,
            "{name}: {cost} for {} bytes, {more} for {}",
            small.len(),
            large.len()
        );
    }
}
