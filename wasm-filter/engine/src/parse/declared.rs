//! What a head declares of its body: type, character set and content encodings.

use super::multipart;
use crate::{
    Request,
    decode::{charset::Charset, unpack::Format},
};

/// Content encodings that are followed. Nobody applies more to a request by accident.
const MAX_ENCODINGS: usize = 4;

/// What a head declares of its body; owned, without allocation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) kind: Kind,
    /// A character set that hides ASCII.
    pub(crate) charset: Option<Charset>,
    /// Whether the type names a character set at all.
    pub(crate) has_charset: bool,
    encodings: [Option<Format>; MAX_ENCODINGS],
}

/// The type of a body, as far as it tells how to read it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Kind {
    /// Nothing, or nothing that helps.
    #[default]
    Unknown,
    Json,
    Xml,
    Form,
    Multipart(multipart::Boundary),
    Grpc,
    /// gRPC-Web in base64.
    GrpcText,
    Protobuf,
}

impl Declared {
    /// Reads `Content-Type` and `Content-Encoding`.
    pub(crate) fn of(request: &Request<'_>) -> Declared {
        let content_type = fields(request, b"content-type").next().unwrap_or_default().trim_ascii();
        let charset = multipart::parameter(content_type, b"charset");
        let mut declared = Declared {
            kind: Kind::of(content_type),
            charset: charset.and_then(Charset::named),
            has_charset: charset.is_some(),
            encodings: [None; MAX_ENCODINGS],
        };
        let codings = fields(request, b"content-encoding").flat_map(|value| value.split(|b| *b == b','));
        let formats = codings.filter_map(|coding| format(coding.trim_ascii()));
        for (place, format) in declared.encodings.iter_mut().zip(formats) {
            *place = Some(format);
        }
        declared
    }

    /// Content encodings, the one that was applied last first.
    pub(crate) fn encodings(&self) -> impl Iterator<Item = Format> {
        self.encodings.into_iter().rev().flatten()
    }
}

impl Kind {
    fn of(content_type: &[u8]) -> Kind {
        let end = content_type
            .iter()
            .position(|b| matches!(b, b';' | b',' | b' ' | b'\t'));
        let essence = content_type
            .get(..end.unwrap_or(content_type.len()))
            .unwrap_or_default();
        let contains = |part: &[u8]| {
            essence
                .windows(part.len())
                .any(|window| window.eq_ignore_ascii_case(part))
        };
        if contains(b"application/grpc-web-text") {
            Kind::GrpcText
        } else if contains(b"application/grpc") {
            Kind::Grpc
        } else if contains(b"protobuf") {
            Kind::Protobuf
        } else if contains(b"json") {
            Kind::Json
        } else if contains(b"xml") {
            Kind::Xml
        } else if contains(b"x-www-form-urlencoded") {
            Kind::Form
        } else if contains(b"multipart/") {
            multipart::Boundary::of(content_type).map_or(Kind::Unknown, Kind::Multipart)
        } else {
            Kind::Unknown
        }
    }
}

/// The format of a content coding (RFC 9110 section 8.4.1). None for one that changes nothing or is not known.
fn format(coding: &[u8]) -> Option<Format> {
    const CODINGS: &[(&[u8], Format)] = &[
        (b"gzip", Format::Gzip),
        (b"x-gzip", Format::Gzip),
        (b"deflate", Format::Deflate),
        (b"br", Format::Brotli),
    ];
    let found = CODINGS.iter().find(|(name, _)| coding.eq_ignore_ascii_case(name));
    found.map(|(_, format)| *format)
}

/// Values of header fields of a name.
fn fields<'a>(request: &Request<'a>, name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    request
        .headers
        .iter()
        .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_come_in_the_order_of_undoing() {
        let headers: &[(&[u8], &[u8])] = &[
            (b"Content-Encoding", b"GZIP, identity ,br"),
            (b"content-encoding", b"deflate, x-gzip, gzip"),
            (b"content-type", b"text/xml; charset=\"UTF-16\""),
        ];
        let request = Request {
            headers,
            ..Default::default()
        };
        let declared = Declared::of(&request);
        let undone: Vec<_> = declared.encodings().collect();
        assert_eq!(undone, [Format::Gzip, Format::Deflate, Format::Brotli, Format::Gzip]);
        assert_eq!(declared.charset, Some(Charset::Utf16));
        assert!(matches!(declared.kind, Kind::Xml));
    }
}
