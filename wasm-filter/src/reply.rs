//! The answer to a blocked request.

use crate::host::LocalReply;

/// Details of a blocked request in access logs.
pub const BLOCK_DETAILS: &str = "wallarm_block";

/// What kind of client is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// A person with a browser.
    #[default]
    Browser,
    /// A program that speaks JSON.
    Json,
    /// A gRPC client: Envoy makes the text its `grpc-message`.
    Grpc,
}

impl Audience {
    /// Decides by what the client sends and accepts.
    pub fn of(accept: &[u8], content_type: &[u8]) -> Audience {
        let mentions =
            |value: &[u8], what: &[u8]| value.windows(what.len()).any(|part| part.eq_ignore_ascii_case(what));
        if is_grpc(content_type) {
            Audience::Grpc
        } else if mentions(accept, b"text/html") {
            Audience::Browser
        } else if mentions(accept, b"json") || mentions(content_type, b"json") {
            Audience::Json
        } else {
            Audience::Browser
        }
    }
}

/// Whether a content type belongs to gRPC (`application/grpc`, `application/grpc+proto`, `application/grpc-web`).
pub fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    content_type
        .get(..GRPC.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
}

/// The reply: 403 with a short page that carries the request id, which is all that support needs to find the hit.
pub fn blocked(audience: Audience, request_id: &[u8]) -> LocalReply {
    let id = printable_id(request_id);
    let (content_type, body) = match audience {
        Audience::Browser => (
            "text/html; charset=utf-8",
            format!(
                "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Request blocked</title></head>\
                 <body><h1>Request blocked</h1><p>This request was refused for security reasons.</p>\
                 <p>Request id: {id}</p></body></html>\n"
            ),
        ),
        Audience::Json => (
            "application/json",
            format!("{{\"error\":\"request blocked\",\"request_id\":\"{id}\"}}\n"),
        ),
        Audience::Grpc => ("text/plain", format!("request blocked, id {id}")),
    };
    LocalReply {
        status: 403,
        details: BLOCK_DETAILS,
        content_type,
        body,
    }
}

/// The id when it is made of harmless characters only, else `-`: clients choose it and the page repeats it.
fn printable_id(request_id: &[u8]) -> &str {
    let is_harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    match std::str::from_utf8(request_id) {
        Ok(id) if !id.is_empty() && id.len() <= 128 && id.as_bytes().iter().all(is_harmless) => id,
        _ => "-",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audience_follows_accept_then_content_type() {
        for (accept, content_type, expected) in [
            ("", "", Audience::Browser),
            ("*/*", "", Audience::Browser),
            (
                "text/html,application/json;q=0.5",
                "application/json",
                Audience::Browser,
            ),
            ("application/problem+JSON", "", Audience::Json),
            ("*/*", "application/json; charset=utf-8", Audience::Json),
            ("*/*", "application/grpc+proto", Audience::Grpc),
            ("*/*", "Application/GRPC", Audience::Grpc),
        ] {
            assert_eq!(
                Audience::of(accept.as_bytes(), content_type.as_bytes()),
                expected,
                "{accept} {content_type}"
            );
        }
    }

    #[test]
    fn page_repeats_only_harmless_ids() {
        for audience in [Audience::Browser, Audience::Json, Audience::Grpc] {
            let reply = blocked(audience, b"f3a1-b_2.c:4");
            assert_eq!((reply.status, reply.details), (403, "wallarm_block"));
            assert!(reply.body.contains("f3a1-b_2.c:4"));
            for hostile in [&b"<script>"[..], b"\"}", b"\xff", b"", &[b'a'; 129]] {
                assert_eq!(blocked(audience, hostile).body, blocked(audience, b"-").body);
            }
        }
    }
}
