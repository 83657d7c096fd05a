//! Domain types of what sidecars report.
//!
//! Bytes taken from requests stay bytes. Every length is bounded by [`limits`]; `ingest` enforces that, so that
//! whatever comes after may trust it.

use std::{fmt, net::IpAddr};

use jiff::Timestamp;

use crate::id::{AttackId, HitId};

/// Bounds on the parts of a hit. Longer parts are cut, and every cut is counted.
pub mod limits {
    /// Attack type code, in bytes.
    pub const ATTACK_TYPE: usize = 64;
    /// Request id, in bytes.
    pub const REQUEST_ID: usize = 128;
    /// Method, in bytes.
    pub const METHOD: usize = 64;
    /// Host, in bytes: the longest DNS name with a port and some reserve.
    pub const HOST: usize = 300;
    /// Path, in bytes.
    pub const PATH: usize = 4096;
    /// Names of modes, limits, decoders and point elements, in bytes.
    pub const NAME: usize = 48;
    /// Findings per hit.
    pub const FINDINGS: usize = 64;
    /// Elements per point.
    pub const POINT_ELEMENTS: usize = 32;
    /// Key of a point element, in bytes.
    pub const POINT_KEY: usize = 256;
    /// Payload, in bytes.
    pub const PAYLOAD: usize = 512;
    /// Reason, in bytes.
    pub const REASON: usize = 256;
    /// Stamps, decoders or limits per list.
    pub const LIST: usize = 64;
    /// Name of a node, in bytes: the longest name of a Kubernetes object.
    pub const NODE: usize = 253;
    /// Hits per batch.
    pub const BATCH_HITS: usize = 1000;
    /// A batch on the wire, in bytes: many times what the filter sends at once.
    pub const BATCH_BYTES: usize = 1024 * 1024;
}

/// Code of an attack type, for example `sqli`.
///
/// Text rather than the catalogue's enum: a newer filter may report types that this program does not know yet, and they
/// are stored and shown all the same. At most [`limits::ATTACK_TYPE`] bytes of `a-z`, `0-9`, `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttackTypeCode(String);

/// A text that cannot be the code of an attack type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an attack type is 1 to {} characters of a-z, 0-9 and _", limits::ATTACK_TYPE)]
pub struct InvalidAttackType;

/// What happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Passed on and recorded.
    Monitored,
    /// Refused.
    Blocked,
    /// Something that a newer filter knows, by its number on the wire. Not counted as blocked.
    Other(i32),
}

/// What distinguishes siblings under the same element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The element has no siblings.
    None,
    /// A name from the request, bytes as decoded.
    Name(Vec<u8>),
    /// A position, from 0.
    Index(u32),
}

/// Where in the request a value stands: elements with their keys, outermost first.
///
/// Elements are text for the same reason as [`AttackTypeCode`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point(pub Vec<(String, Key)>);

/// One value that carries signs of the hit's attack type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where the value stands.
    pub point: Point,
    /// The strongest sign with some context, as decoded.
    pub payload: Vec<u8>,
    /// Numbers of the signs found, strongest first.
    pub stamps: Vec<u32>,
    /// Why the strongest sign is one, in one sentence.
    pub reason: String,
    /// Start of the strongest sign in the decoded value, in bytes.
    pub span_start: u32,
    /// End of it (exclusive), in bytes.
    pub span_end: u32,
    /// Decoders between raw bytes and value, outermost first.
    pub decoders: Vec<String>,
}

/// One attack type found in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Attack type.
    pub attack_type: AttackTypeCode,
    /// When the request arrived, by the node's clock, in whole microseconds.
    pub time: Timestamp,
    /// The request's x-request-id; empty when it has none.
    pub request_id: String,
    /// Application id; -1 is the default application.
    pub application: i32,
    /// Source address; absent when the filter could not tell.
    pub remote_addr: Option<IpAddr>,
    /// Request method.
    pub method: Vec<u8>,
    /// Host as sent.
    pub host: Vec<u8>,
    /// Path without query, as sent.
    pub path: Vec<u8>,
    /// Filtration mode that was in force.
    pub mode: String,
    /// What happened to the request.
    pub action: Action,
    /// Status of the response; 0 when there was none.
    pub response_status: u32,
    /// The strongest finding: it decides which attack the hit belongs to.
    pub finding: Finding,
    /// The other findings, strongest first.
    pub other_findings: Vec<Finding>,
    /// Limits that inspection ran into, by name.
    pub limits: Vec<String>,
}

/// A hit in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHit {
    /// Identifier.
    pub id: HitId,
    /// The attack it belongs to.
    pub attack: AttackId,
    /// Node that reported it.
    pub node: String,
    /// The hit.
    pub hit: Hit,
}

/// Who sent a batch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Producer {
    /// Name of the node, usually the pod.
    pub node: String,
    /// Random number chosen when the producer started.
    pub boot: u64,
}

/// A batch of hits, checked and cut to the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Who sent it.
    pub producer: Producer,
    /// Its number: from 1, up to `i64::MAX`.
    pub sequence: u64,
    /// The hits.
    pub hits: Vec<Hit>,
    /// Hits that the producer had to drop since its start.
    pub dropped_total: u64,
}

// === impl AttackTypeCode ===

impl AttackTypeCode {
    /// Checks a code.
    pub fn new(text: &str) -> Result<Self, InvalidAttackType> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if text.is_empty() || text.len() > limits::ATTACK_TYPE || !text.bytes().all(allowed) {
            return Err(InvalidAttackType);
        }
        Ok(AttackTypeCode(text.to_owned()))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttackTypeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Point ===

impl fmt::Display for Point {
    /// Wallarm notation, which is a JSON array: `["get","id"]`. Bytes that are not UTF-8 are replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<serde_json::Value> = Vec::new();
        for (element, key) in &self.0 {
            parts.push(element.as_str().into());
            match key {
                Key::None => {}
                Key::Name(name) => parts.push(String::from_utf8_lossy(name).into()),
                Key::Index(index) => parts.push((*index).into()),
            }
        }
        serde_json::Value::Array(parts).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_read_like_the_documentation() {
        let point = Point(vec![
            ("post".into(), Key::None),
            ("json_doc".into(), Key::None),
            ("hash".into(), Key::Name(b"p\"1\xff".to_vec())),
            ("array".into(), Key::Index(0)),
        ]);
        assert_eq!(point.to_string(), r#"["post","json_doc","hash","p\"1�","array",0]"#);
    }

    #[test]
    fn attack_types_are_bounded_text() {
        assert!(AttackTypeCode::new("mass_assignment").is_ok());
        assert!(AttackTypeCode::new("not_known_yet_2").is_ok());
        for text in ["", "SQLi", "a b", "a\u{1b}", &"a".repeat(65)] {
            assert_eq!(AttackTypeCode::new(text), Err(InvalidAttackType));
        }
    }
}
