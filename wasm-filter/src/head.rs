//! Reads a request head once: the engine's view of it, and what decides how the body is treated.

use waf_engine::Request;

use crate::reply::{Audience, is_grpc};

/// How the body of a request has to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// May be held until it is judged.
    Plain,
    /// Must flow: both sides may be waiting for each other's parts (gRPC, event streams, CONNECT).
    Stream,
    /// Must flow, and after a `101` it is no HTTP any more.
    Upgrade,
}

/// A request head, borrowed from the host's header map.
#[derive(Clone, Debug, Default)]
pub struct Head<'a> {
    /// Method.
    pub method: &'a [u8],
    /// Scheme.
    pub scheme: &'a [u8],
    /// Authority.
    pub authority: &'a [u8],
    /// Path and query.
    pub target: &'a [u8],
    /// Fields without pseudo-header fields.
    pub fields: Vec<(&'a [u8], &'a [u8])>,
    /// First `x-request-id`.
    pub request_id: &'a [u8],
    /// First `content-length`, when it is a number.
    pub content_length: Option<u64>,
    content_type: &'a [u8],
    accept: &'a [u8],
    is_upgrade: bool,
}

impl<'a> Head<'a> {
    /// Sorts the fields of a header map. Envoy hands over names in lower case.
    pub fn new(pairs: &[(&'a [u8], &'a [u8])]) -> Head<'a> {
        let mut head = Head {
            fields: Vec::with_capacity(pairs.len()),
            ..Head::default()
        };
        let mut connection_names_upgrade = false;
        let mut has_upgrade = false;
        for (name, value) in pairs.iter().copied() {
            let first = |known: &'a [u8]| if known.is_empty() { value } else { known };
            match name {
                b":method" => head.method = value,
                b":scheme" => head.scheme = value,
                b":authority" => head.authority = value,
                b":path" => head.target = value,
                b"x-request-id" => head.request_id = first(head.request_id),
                b"content-type" => head.content_type = first(head.content_type),
                b"accept" => head.accept = first(head.accept),
                b"content-length" => head.content_length = parse_number(value),
                b"upgrade" => has_upgrade = true,
                b"connection" => connection_names_upgrade |= names_upgrade(value),
                _ => {}
            }
            if !name.starts_with(b":") {
                head.fields.push((name, value));
            }
        }
        // The same test as Envoy's, so that nobody can look like an upgrade to us and like a request to Envoy.
        head.is_upgrade = has_upgrade && connection_names_upgrade;
        head
    }

    /// The engine's view.
    pub fn as_request(&self) -> Request<'_> {
        Request {
            method: self.method,
            scheme: self.scheme,
            authority: self.authority,
            target: self.target,
            headers: &self.fields,
        }
    }

    /// How to treat the body.
    pub fn body_kind(&self) -> BodyKind {
        let media_type = self.content_type.split(|byte| *byte == b';').next().unwrap_or_default();
        let media_type = media_type.trim_ascii();
        if self.is_upgrade {
            BodyKind::Upgrade
        } else if self.method == b"CONNECT"
            || is_grpc(media_type)
            || media_type.eq_ignore_ascii_case(b"text/event-stream")
            || media_type.eq_ignore_ascii_case(b"multipart/x-mixed-replace")
        {
            BodyKind::Stream
        } else {
            BodyKind::Plain
        }
    }

    /// Who would be told that the request is blocked.
    pub fn audience(&self) -> Audience {
        Audience::of(self.accept, self.content_type)
    }
}

fn names_upgrade(connection: &[u8]) -> bool {
    let mut tokens = connection.split(|byte| *byte == b',');
    tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

fn parse_number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(fields: &[(&str, &str)]) -> BodyKind {
        let pairs: Vec<(&[u8], &[u8])> = fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        Head::new(&pairs).body_kind()
    }

    #[test]
    fn streams_are_recognised_and_nothing_else() {
        assert_eq!(kind(&[]), BodyKind::Plain);
        assert_eq!(kind(&[("content-type", "application/json")]), BodyKind::Plain);
        assert_eq!(kind(&[(":method", "CONNECT")]), BodyKind::Stream);
        assert_eq!(kind(&[("content-type", "application/grpc+proto")]), BodyKind::Stream);
        assert_eq!(kind(&[("content-type", "Text/Event-Stream; a=b")]), BodyKind::Stream);
        assert_eq!(
            kind(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]),
            BodyKind::Upgrade
        );
        assert_eq!(kind(&[("upgrade", "websocket")]), BodyKind::Plain);
        assert_eq!(kind(&[("connection", "upgrade")]), BodyKind::Plain);
    }

    #[test]
    fn repeated_fields_stay_repeated() {
        let pairs: [(&[u8], &[u8]); 5] = [
            (b":authority", b"a"),
            (b"host", b"b"),
            (b"x-request-id", b"1"),
            (b"x-request-id", b"2"),
            (b"content-length", b"12x"),
        ];
        let head = Head::new(&pairs);
        assert_eq!(head.fields, pairs[1..]);
        assert_eq!(
            (head.authority, head.request_id, head.content_length),
            (&b"a"[..], &b"1"[..], None)
        );
    }
}
