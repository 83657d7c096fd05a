//! Hits and batches for tests.

use analytics::wire;
use jiff::{SignedDuration, Timestamp};
use waf_proto::v1;

/// A hit as the filter reports it, some time ago.
pub(crate) fn hit(attack_type: &str, host: &str, path: &str, age: SignedDuration) -> v1::Hit {
    v1::Hit {
        attack_type: attack_type.to_owned(),
        time: Some(wire::time_to(Timestamp::now() - age)),
        request_id: "4a0c1a9e-6d2f-4c1b-9f55-2f3b6c1d7e80".to_owned(),
        application: -1,
        remote_addr: "203.0.113.7".to_owned(),
        method: b"GET".to_vec(),
        host: host.as_bytes().to_vec(),
        path: path.as_bytes().to_vec(),
        mode: "monitoring".to_owned(),
        action: v1::Action::Monitored.into(),
        response_status: 200,
        findings: vec![v1::Finding {
            point: point(&[("get", Some("id"))]),
            payload: b"1' OR '1'='1".to_vec(),
            stamps: vec![7],
            reason: "a string literal is closed and a tautology follows".to_owned(),
            span_start: 1,
            span_end: 12,
            decoders: vec!["percent".to_owned()],
        }],
        limits: Vec::new(),
    }
}

/// A point from element names and keys.
pub(crate) fn point(elements: &[(&str, Option<&str>)]) -> Vec<v1::PointElement> {
    let element = |(element, name): &(&str, Option<&str>)| v1::PointElement {
        element: (*element).to_owned(),
        key: name.map(|name| v1::point_element::Key::Name(name.as_bytes().to_vec())),
    };
    elements.iter().map(element).collect()
}

/// A batch of a producer.
pub(crate) fn batch(node: &str, sequence: u64, hits: Vec<v1::Hit>) -> v1::ReportHitsRequest {
    v1::ReportHitsRequest {
        producer: Some(v1::Producer {
            node: node.to_owned(),
            boot: 1,
        }),
        sequence,
        hits,
        dropped_total: 0,
    }
}
