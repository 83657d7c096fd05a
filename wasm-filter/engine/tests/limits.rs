//! Every limit holds, shows in the verdict, and leaves what comes before it inspected.

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
