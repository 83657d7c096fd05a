//! What is told about a judged request: hits for postanalytics and one field for access logs.

use std::{fmt::Write as _, time::Duration};

use waf_engine::{
    Action, Finding, Hit, Verdict,
    point::{Element, Key},
};
use waf_policy::{Application, Mode};
use waf_proto::v1;

/// Longest path reported, in bytes.
pub const MAX_PATH_BYTES: usize = 4096;
/// Longest host reported, in bytes: the longest DNS name with port and some room. Source: RFC 1035 section 2.3.4.
pub const MAX_HOST_BYTES: usize = 300;
/// Longest method reported, in bytes. The longest registered one has 17 (IANA HTTP Method Registry).
pub const MAX_METHOD_BYTES: usize = 64;
/// Longest request id reported, in bytes.
pub const MAX_REQUEST_ID_BYTES: usize = 128;
/// Longest log field, in bytes.
pub const MAX_LOG_FIELD_BYTES: usize = 512;

/// What a hit says about its request beyond the verdict; copied while the request head is at hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// When the request arrived, since 1970-01-01 UTC.
    pub time: Duration,
    /// Method.
    pub method: Vec<u8>,
    /// Host as sent.
    pub host: Vec<u8>,
    /// Path without query, as sent.
    pub path: Vec<u8>,
    /// `x-request-id`.
    pub request_id: Vec<u8>,
}

impl Exchange {
    /// Copies what hits need, each part up to its limit.
    pub fn capture(time: Duration, method: &[u8], host: &[u8], target: &[u8], request_id: &[u8]) -> Exchange {
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        Exchange {
            time,
            method: cut(method, MAX_METHOD_BYTES),
            host: cut(host, MAX_HOST_BYTES),
            path: cut(path, MAX_PATH_BYTES),
            request_id: cut(request_id, MAX_REQUEST_ID_BYTES),
        }
    }

    /// Bytes copied.
    pub fn n_bytes(&self) -> usize {
        self.method.len() + self.host.len() + self.path.len() + self.request_id.len()
    }
}

fn cut(bytes: &[u8], max_bytes: usize) -> Vec<u8> {
    bytes.iter().take(max_bytes).copied().collect()
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// Application of the request.
    pub application: Application,
    /// Mode in force.
    pub mode: Mode,
    /// What happened to it.
    pub action: Action,
    /// Source address without port, in text form; empty when unknown.
    pub remote_addr: &'a str,
    /// Status of the response; 0 when there was none.
    pub response_status: u32,
}

/// The hits of one request, one per attack type, ready to be sent. None for a clean request.
pub fn hits(verdict: &Verdict, exchange: &Exchange, outcome: &Outcome<'_>) -> Vec<v1::Hit> {
    let to_hit = |hit: Hit<'_>| v1::Hit {
        attack_type: hit.attack_type.as_str().to_owned(),
        time: Some(prost_types::Timestamp {
            seconds: i64::try_from(exchange.time.as_secs()).unwrap_or(i64::MAX),
            nanos: exchange.time.subsec_nanos().cast_signed(),
        }),
        request_id: String::from_utf8_lossy(&exchange.request_id).into_owned(),
        application: outcome.application.get(),
        remote_addr: outcome.remote_addr.to_owned(),
        method: exchange.method.clone(),
        host: exchange.host.clone(),
        path: exchange.path.clone(),
        mode: outcome.mode.as_str().to_owned(),
        action: match outcome.action {
            Action::Pass => v1::Action::Unspecified,
            Action::Monitor => v1::Action::Monitored,
            Action::Block => v1::Action::Blocked,
        }
        .into(),
        response_status: outcome.response_status,
        findings: hit.findings.iter().map(|finding| to_finding(finding)).collect(),
        limits: verdict.limits.names().map(str::to_owned).collect(),
    };
    verdict.hits().into_iter().map(to_hit).collect()
}

fn to_finding(finding: &Finding) -> v1::Finding {
    let to_element = |(element, key): &(Element, Key)| v1::PointElement {
        element: element.as_str().to_owned(),
        key: match key {
            Key::None => None,
            Key::Name(name) => Some(v1::point_element::Key::Name(name.clone())),
            Key::Index(index) => Some(v1::point_element::Key::Index(*index)),
        },
    };
    let to_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    v1::Finding {
        point: finding.point.0.iter().map(to_element).collect(),
        payload: cut(&finding.payload, Finding::MAX_PAYLOAD_BYTES),
        stamps: finding.stamps.iter().map(|stamp| stamp.id).collect(),
        reason: finding.reason().to_owned(),
        span_start: to_u32(finding.span.start),
        span_end: to_u32(finding.span.end),
        decoders: finding
            .decoders
            .iter()
            .map(|decoder| decoder.as_str().to_owned())
            .collect(),
    }
}

/// The field that access logs show: action, attack types, point and stamps of the strongest finding, limits.
///
/// For example `blocked sqli,xss ["get","id"] stamps=2001,2003 limits=body late`. None when there is nothing to tell.
pub fn log_field(verdict: &Verdict, action: Action, is_late: bool) -> Option<String> {
    if verdict.is_clean() && !verdict.limits.any() {
        return None;
    }
    let mut field = action.as_str().to_owned();
    let join = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(",");
    let hits = verdict.hits();
    // Writing to a String cannot fail.
    if !hits.is_empty() {
        let _ = write!(
            field,
            " {}",
            join(&mut hits.iter().map(|hit| hit.attack_type.to_string()))
        );
    }
    if let Some(finding) = verdict.findings.iter().max_by_key(|finding| finding.weight) {
        let stamps = join(&mut finding.stamps.iter().map(|stamp| stamp.id.to_string()));
        let _ = write!(field, " {} stamps={stamps}", finding.point);
    }
    if verdict.limits.any() {
        let _ = write!(
            field,
            " limits={}",
            join(&mut verdict.limits.names().map(str::to_owned))
        );
    }
    if is_late {
        field.push_str(" late");
    }
    while field.len() > MAX_LOG_FIELD_BYTES {
        field.pop();
    }
    Some(field)
}

/// The address without its port: `[::1]:33190` → `::1`, `203.0.113.9:0` → `203.0.113.9`. Other texts are returned whole.
///
/// Envoy's property `source.address` carries the port.
pub fn without_port(address: &str) -> &str {
    if let Some(rest) = address.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match address.rsplit_once(':') {
        // More than one colon without brackets is a bare IPv6 address.
        Some((host, _)) if !host.contains(':') => host,
        _ => address,
    }
}

#[cfg(test)]
mod tests;
