//! Everything the filter asks of its host, as a trait.
//!
//! `envoy` is the real host and exists only in the Wasm module; `fake` serves native tests. Every call returns a
//! [`Status`] as a value: a status that this version does not know is an error like any other, never a panic, because
//! a panic traps the VM and with it every request of one Envoy worker.

#[cfg(target_arch = "wasm32")]
pub mod envoy;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;

use std::{fmt, time::Duration};

/// Why the host refused a call. Source: proxy-wasm ABI 0.2.1, `proxy_status_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status(pub u32);

impl Status {
    /// The header, property or buffer does not exist.
    pub const NOT_FOUND: Status = Status(1);
    /// An argument is out of range, or the call does not fit the phase.
    pub const BAD_ARGUMENT: Status = Status(2);
    /// The value could not be handed over.
    pub const SERIALIZATION_FAILURE: Status = Status(3);
    /// The host could not read an argument.
    pub const PARSE_FAILURE: Status = Status(4);
    /// The host failed by itself, or the call is not allowed to this module.
    pub const INTERNAL_FAILURE: Status = Status(10);
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            1 => "not found",
            2 => "bad argument",
            3 => "serialization failure",
            4 => "parse failure",
            6 => "invalid memory access",
            7 => "empty",
            10 => "internal failure",
            12 => "unimplemented",
            _ => return write!(f, "status {}", self.0),
        };
        f.write_str(name)
    }
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Life cycle.
    Info,
    /// Unexpected but handled.
    Warn,
    /// An operator must act.
    Error,
}

/// A metric that the host has defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricId(pub u32);

/// A gRPC call that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallToken(pub u32);

/// An answer that the proxy gives in the application's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u32,
    /// What access logs show as `%RESPONSE_CODE_DETAILS%`; no blanks.
    pub details: &'static str,
    /// Value of `content-type`.
    pub content_type: &'static str,
    /// The page.
    pub body: String,
}

/// The cluster that gRPC calls go to, as a serialised `envoy.config.core.v3.GrpcService`.
///
/// Never the bare name: Envoy 1.40 tries to read the argument as this message first, and some names do parse (the name
/// `postanalytics` aborts the process).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcTarget(String);

impl GrpcTarget {
    /// Longest cluster name, in bytes: lengths then fit one byte of the encoding, which keeps it ASCII before the name.
    pub const MAX_NAME_BYTES: usize = 125;

    /// Names a cluster. None when the name is empty or too long.
    pub fn cluster(name: &str) -> Option<GrpcTarget> {
        if name.is_empty() || name.len() > Self::MAX_NAME_BYTES {
            return None;
        }
        let len = u8::try_from(name.len()).ok()?;
        let mut message = String::with_capacity(name.len() + 4);
        // Field 1 of GrpcService (`envoy_grpc`), holding field 1 of EnvoyGrpc (`cluster_name`).
        message.push('\x0a');
        message.push(char::from(len + 2));
        message.push('\x0a');
        message.push(char::from(len));
        message.push_str(name);
        Some(GrpcTarget(message))
    }

    /// The serialised message; its bytes are valid UTF-8 by construction.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Header fields in the form the host hands over: all of them in one piece of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMap(pub Vec<u8>);

impl HeaderMap {
    /// Serialises fields as the host does: the number of pairs, all lengths, then names and values, each closed by a
    /// zero byte. Numbers are 32-bit little-endian.
    pub fn from_pairs(pairs: &[(&[u8], &[u8])]) -> HeaderMap {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut out = u32::try_from(pairs.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        for (name, value) in pairs {
            out.extend(len(name));
            out.extend(len(value));
        }
        for (name, value) in pairs {
            out.extend_from_slice(name);
            out.push(0);
            out.extend_from_slice(value);
            out.push(0);
        }
        HeaderMap(out)
    }

    /// The fields in order. A map that contradicts itself ends where it does.
    pub fn pairs(&self) -> Vec<(&[u8], &[u8])> {
        fn number(bytes: &mut &[u8]) -> Option<usize> {
            let (head, rest) = bytes.split_first_chunk::<4>()?;
            *bytes = rest;
            usize::try_from(u32::from_le_bytes(*head)).ok()
        }
        fn text<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
            let (head, rest) = bytes.split_at_checked(len)?;
            *bytes = rest.get(1..)?;
            Some(head)
        }
        let mut lengths = self.0.as_slice();
        let Some(n_pairs) = number(&mut lengths) else {
            return Vec::new();
        };
        let Some((mut lengths, mut texts)) = n_pairs
            .checked_mul(8)
            .and_then(|n_bytes| lengths.split_at_checked(n_bytes))
        else {
            return Vec::new();
        };
        let mut pairs = Vec::with_capacity(n_pairs);
        while let (Some(name_len), Some(value_len)) = (number(&mut lengths), number(&mut lengths)) {
            let (Some(name), Some(value)) = (text(&mut texts, name_len), text(&mut texts, value_len)) else {
                break;
            };
            pairs.push((name, value));
        }
        pairs
    }
}

/// The host that runs the module.
pub trait Host {
    /// Writes a line to the proxy's log. A failure is ignored: there is nowhere left to report it.
    fn log(&self, level: LogLevel, message: &str);

    /// Wall clock, since 1970-01-01 UTC.
    fn now(&self) -> Result<Duration, Status>;

    /// An unpredictable number.
    fn random(&self) -> u64;

    /// The plugin configuration, as the host was given it.
    fn plugin_configuration(&self) -> Result<Vec<u8>, Status>;

    /// Asks for `on_tick` in this interval.
    fn set_tick_period(&self, period: Duration) -> Result<(), Status>;

    /// Every request header field, pseudo-header fields included.
    fn request_headers(&self) -> Result<HeaderMap, Status>;

    /// At most `max_bytes` of the request body that the host holds, from its start. Empty when it holds none.
    fn request_body(&self, max_bytes: usize) -> Result<Vec<u8>, Status>;

    /// Status of the response whose headers are passing by.
    fn response_status(&self) -> Result<u32, Status>;

    /// Answers the request. The host calls back into the response phases after the current callback has returned.
    fn send_local_reply(&self, reply: &LocalReply) -> Result<(), Status>;

    /// A property of request, connection or node.
    fn property(&self, path: &[&str]) -> Result<Vec<u8>, Status>;

    /// Sets a property, which access logs show as filter state `wasm.NAME`.
    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), Status>;

    /// Defines a counter. The host keeps one value per name for the whole process.
    fn define_counter(&self, name: &str) -> Result<MetricId, Status>;

    /// Adds to a counter. `by` must be positive.
    fn increment(&self, metric: MetricId, by: u64) -> Result<(), Status>;

    /// Starts a unary gRPC call. Only for root contexts: the host drops answers to streams that have ended.
    fn grpc_call(
        &self,
        target: &GrpcTarget,
        service: &str,
        method: &str,
        message: &[u8],
        timeout: Duration,
    ) -> Result<CallToken, Status>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn target_is_a_grpc_service_message() {
        let target = GrpcTarget::cluster("wallarm_postanalytics").unwrap();
        assert_eq!(target.as_str().as_bytes(), b"\x0a\x17\x0a\x15wallarm_postanalytics");
        assert!(GrpcTarget::cluster(&"x".repeat(125)).is_some());
        assert!(GrpcTarget::cluster(&"x".repeat(126)).is_none());
        assert!(GrpcTarget::cluster("").is_none());
    }

    proptest! {
        #[test]
        fn header_maps_round_trip(fields: Vec<(Vec<u8>, Vec<u8>)>) {
            let pairs: Vec<(&[u8], &[u8])> = fields.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
            let map = HeaderMap::from_pairs(&pairs);
            prop_assert_eq!(map.pairs(), pairs);
        }

        #[test]
        fn broken_header_maps_end_early(bytes: Vec<u8>, n_pairs in 0u8..4) {
            let mut map = vec![n_pairs, 0, 0, 0];
            map.extend(bytes);
            prop_assert!(HeaderMap(map.clone()).pairs().len() <= usize::from(n_pairs));
            map.truncate(3);
            prop_assert!(HeaderMap(map).pairs().is_empty());
        }
    }
}
