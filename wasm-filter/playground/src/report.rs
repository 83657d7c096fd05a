//! What the page shows, as JSON.

use serde::Serialize;
use waf_engine::{
    Body, Engine, GqlSummary, Inspection, Part, RawSpan, Request, Scratch, Settings,
    detect::Value,
    enforce,
    point::{Element, PointStack},
};
use waf_policy::Mode;

use crate::paste::Paste;

/// The whole report.
#[derive(Serialize)]
struct Report {
    /// What would happen to the request: `pass`, `monitored` or `blocked`.
    action: &'static str,
    findings: Vec<Finding>,
    /// Names of the limits that were reached.
    limits: Vec<&'static str>,
    /// What GraphQL documents there were; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    gql: Option<Gql>,
    /// Every value that was judged, in order.
    points: Vec<Point>,
}

#[derive(Serialize)]
struct Gql {
    documents: usize,
    depth: usize,
    aliases: usize,
    document_bytes: usize,
    value_bytes: usize,
    introspection: bool,
}

#[derive(Serialize)]
struct Point {
    point: String,
    place: String,
    decoders: Vec<&'static str>,
    value: String,
}

#[derive(Serialize)]
struct Finding {
    attack_type: &'static str,
    attack_name: &'static str,
    point: String,
    decoders: Vec<&'static str>,
    payload: String,
    /// Where the strongest sign stands in the value, in bytes.
    span: [usize; 2],
    raw: Raw,
    weight: u32,
    stamps: Vec<Stamp>,
}

/// Where in the pasted request the value comes from.
#[derive(Serialize)]
struct Raw {
    /// For people, for example `header Cookie`.
    part: String,
    /// Where in the part, in bytes.
    span: [usize; 2],
    /// The bytes as they were pasted.
    text: String,
}

#[derive(Serialize)]
struct Stamp {
    id: u32,
    name: &'static str,
    reason: &'static str,
    weight: u32,
}

/// Text that is no request.
#[derive(Serialize)]
struct Problem {
    error: String,
}

/// Longest value shown, in characters.
const MAX_SHOWN_CHARS: usize = 2000;

/// Inspects a pasted request and reports.
pub(crate) fn inspect(request_text: &str, mode: &str) -> String {
    let report = mode
        .parse()
        .map_err(|error: waf_policy::UnknownMode| error.to_string())
        .and_then(|mode| Ok((Paste::parse(request_text)?, mode)))
        .map(|(paste, mode)| report(&paste, mode));
    let json = match report {
        Ok(report) => serde_json::to_string(&report),
        Err(error) => serde_json::to_string(&Problem { error }),
    };
    // Strings and numbers always serialise.
    json.unwrap_or_default()
}

fn report(paste: &Paste<'_>, mode: Mode) -> Report {
    let headers: Vec<(&[u8], &[u8])> = paste
        .headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let request = Request {
        method: paste.method.as_bytes(),
        target: paste.target.as_bytes(),
        headers: &headers,
        ..Default::default()
    };
    let body = Body {
        bytes: paste.body.as_bytes(),
        is_complete: true,
    };
    let engine = Engine::new(Settings::default());
    let (mut scratch, mut inspection) = (Scratch::default(), Inspection::default());
    let mut points = Vec::new();
    let mut record = |point: &PointStack, value: &Value<'_>| {
        points.push(Point {
            point: point.to_string(),
            place: format!("{:?}", value.place),
            decoders: point.decoders().map(Element::as_str).collect(),
            value: shown(value.bytes),
        });
    };
    engine.trace_head(&request, &mut scratch, &mut inspection, Some(&mut record));
    engine.trace_body(body, &mut scratch, &mut inspection, Some(&mut record));
    let verdict = inspection.verdict();
    Report {
        action: enforce(mode, verdict).as_str(),
        findings: verdict
            .findings
            .iter()
            .map(|finding| explain(finding, &request, paste))
            .collect(),
        limits: verdict.limits.names().collect(),
        gql: gql(&verdict.gql),
        points,
    }
}

fn explain(finding: &waf_engine::Finding, request: &Request<'_>, paste: &Paste<'_>) -> Finding {
    Finding {
        attack_type: finding.attack_type.as_str(),
        attack_name: finding.attack_type.name(),
        point: finding.point.to_string(),
        decoders: finding.decoders.iter().map(|element| element.as_str()).collect(),
        payload: shown(&finding.payload),
        span: [finding.span.start, finding.span.end],
        raw: raw(&finding.raw, request, paste),
        weight: finding.weight,
        stamps: finding
            .stamps
            .iter()
            .map(|stamp| Stamp {
                id: stamp.id,
                name: stamp.name,
                reason: stamp.reason,
                weight: stamp.weight,
            })
            .collect(),
    }
}

fn gql(summary: &GqlSummary) -> Option<Gql> {
    (summary.n_documents > 0).then_some(Gql {
        documents: summary.n_documents,
        depth: summary.max_depth,
        aliases: summary.max_aliases,
        document_bytes: summary.max_document_bytes,
        value_bytes: summary.max_value_bytes,
        introspection: summary.is_introspection,
    })
}

fn raw(span: &RawSpan, request: &Request<'_>, paste: &Paste<'_>) -> Raw {
    let name = |position: u32| paste.headers.get(position as usize).map_or("", |(name, _)| *name);
    let part = match span.part {
        Part::Target => "target".to_owned(),
        Part::HeaderName(position) => format!("name of header {}", name(position)),
        Part::Header(position) => format!("header {}", name(position)),
        Part::Body => "body".to_owned(),
    };
    Raw {
        part,
        span: [span.bytes.start, span.bytes.end],
        text: shown(span.slice(request, paste.body.as_bytes())),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(MAX_SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::inspect;

    fn report(request: &str, mode: &str) -> Value {
        serde_json::from_str(&inspect(request, mode)).unwrap()
    }

    #[test]
    fn an_attack_is_explained() {
        let report = report("GET /?file=..%2F..%2F..%2Fetc%2Fpasswd HTTP/1.1\nHost: a", "block");
        assert_eq!(report["action"], "blocked");
        let findings = report["findings"].as_array().unwrap();
        let finding = findings
            .iter()
            .find(|finding| finding["point"] == r#"["get","file"]"#)
            .unwrap();
        assert_eq!(finding["attack_type"], "ptrav");
        assert_eq!(finding["payload"], "../../../etc/passwd");
        assert_eq!(finding["raw"]["part"], "target");
        assert_eq!(finding["raw"]["text"], "..%2F..%2F..%2Fetc%2Fpasswd");
        assert!(finding["weight"].as_u64() >= Some(100));
        assert!(!finding["stamps"][0]["reason"].as_str().unwrap().is_empty());
    }

    #[test]
    fn a_clean_request_shows_its_points() {
        let report = report("POST /a/b HTTP/1.1\n\n{\"x\":\"a&amp;b\"}", "block");
        assert_eq!(report["action"], "pass");
        assert_eq!(report["findings"], Value::Array(vec![]));
        let points: Vec<_> = report["points"].as_array().unwrap().iter().collect();
        let last = points.last().unwrap();
        assert_eq!(last["point"], r#"["post","json_doc","hash","x","htmljs"]"#);
        assert_eq!(last["value"], "a&b");
        assert_eq!(last["decoders"], serde_json::json!(["htmljs"]));
    }

    #[test]
    fn graphql_documents_are_summed_up() {
        let graphql = report("POST /graphql HTTP/1.1\n\n{ a: b { c(d: \"four\") } }", "block");
        assert_eq!(graphql["gql"]["documents"], 1);
        assert_eq!(graphql["gql"]["depth"], 2);
        assert_eq!(graphql["gql"]["aliases"], 1);
        assert_eq!(graphql["gql"]["value_bytes"], 4);
        assert_eq!(graphql["gql"]["introspection"], false);
        assert!(report("GET / HTTP/1.1", "block").get("gql").is_none());
    }

    #[test]
    fn the_mode_decides_the_action() {
        let attack = "GET /?file=../../../etc/passwd HTTP/1.1";
        assert_eq!(report(attack, "off")["action"], "pass");
        assert_eq!(report(attack, "monitoring")["action"], "monitored");
        assert!(
            report(attack, "blocking")["error"]
                .as_str()
                .unwrap()
                .contains("is not one of")
        );
        assert!(report("", "block")["error"].as_str().unwrap().contains("first line"));
    }
}
