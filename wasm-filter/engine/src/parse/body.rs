//! The body of a request, by what its head declares and by what it looks like.

use waf_policy::Parser;

use super::{gql, json, multipart};
use crate::{Part, Request, decode::charset::Charset, detect::Place, point::Element, walk::Walk};

/// Shortest run of text that is judged in a binary body, in bytes.
const MIN_TEXT_BYTES: usize = 16;

/// What a head declares of its body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Kind {
    /// Nothing, or nothing that helps.
    #[default]
    Unknown,
    Json,
    Xml,
    Form,
    Multipart(multipart::Boundary),
}

impl Kind {
    /// Reads the content type of a request.
    pub(crate) fn of(request: &Request<'_>) -> Kind {
        let content_type = request
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(b"content-type"))
            .map_or(&[][..], |(_, value)| value.trim_ascii());
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
        if contains(b"json") {
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

/// Judges every value of a body. What the head declares is tried first; a wrong declaration hides nothing.
pub(crate) fn inspect(bytes: &[u8], kind: &Kind, walk: &mut Walk<'_>) {
    if bytes.is_empty() {
        return;
    }
    walk.enter(Part::Body, bytes);
    walk.scratch.point.push(Element::Post);
    let reads_json = walk.reads(Parser::JsonDoc);
    let reads_form = walk.reads(Parser::FormUrlencoded);
    match kind {
        Kind::Multipart(boundary) if walk.reads(Parser::Multipart) && walk.multipart(bytes, boundary) => {}
        // A lenient reader of JSON would take `{shop}` for an object.
        _ if walk.reads(Parser::Gql) && gql::may_begin(bytes) && walk.is_gql(bytes) => raw(bytes, Place::RawBody, walk),
        _ if reads_json && json::is_container(bytes) => document(bytes, walk),
        Kind::Json if reads_json && bytes.trim_ascii_start().first() == Some(&b'"') => document(bytes, walk),
        Kind::Xml if walk.reads(Parser::Xml) => {
            // What says so itself is read below, wherever it stands; this is for what only the head calls XML.
            if Charset::of(bytes).is_none() && !walk.is_xml(bytes) {
                walk.xml(bytes, Place::Body, 0);
            }
            raw(bytes, Place::RawBody, walk);
        }
        Kind::Form if reads_form => {
            walk.pairs(bytes, Element::FormUrlencoded, Place::Body, 0);
            if bytes.trim_ascii_start().first() == Some(&b'<') {
                // Markup under a wrong type; splitting it at `&` and `=` may have hidden something.
                raw(bytes, Place::RawBody, walk);
            }
        }
        _ if reads_form && looks_like_form(bytes) => walk.pairs(bytes, Element::FormUrlencoded, Place::Body, 0),
        _ => raw(bytes, Place::RawBody, walk),
    }
    walk.scratch.point.pop();
}

fn document(bytes: &[u8], walk: &mut Walk<'_>) {
    let outcome = walk.json(bytes, Place::Body, 0);
    if !outcome.is_strict {
        // Another reader may see something else.
        raw(bytes, Place::RawBody, walk);
    }
}

/// Judges bytes that no parser reads: text as a whole, binary content by its runs of text.
pub(crate) fn raw(bytes: &[u8], place: Place, walk: &mut Walk<'_>) {
    if !is_binary(bytes) || is_wide_markup(bytes) {
        walk.value(bytes, place, 0);
        return;
    }
    let is_text = |b: &u8| matches!(b, 0x20..=0x7e | b'\t' | b'\r' | b'\n');
    for run in bytes.split(|b| !is_text(b)) {
        if run.len() >= MIN_TEXT_BYTES && walk.wants_more() {
            walk.value(run, Place::File, 0);
        }
    }
}

/// Whether bytes are no text in any encoding that keeps ASCII: control bytes beyond a stray one.
fn is_binary(bytes: &[u8]) -> bool {
    let is_control = |b: &&u8| matches!(b, 0x00..=0x08 | 0x0e..=0x1a | 0x1c..=0x1f);
    bytes.iter().take(4096).filter(is_control).count() * 64 > bytes.len().min(4096)
}

/// Whether bytes begin as markup in UTF-16 does (XML 1.0 appendix F), whose NUL bytes are no sign of binary content.
fn is_wide_markup(bytes: &[u8]) -> bool {
    let marks: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
    let unmarked = marks.iter().find_map(|mark| bytes.strip_prefix(*mark)).unwrap_or(bytes);
    unmarked.starts_with(b"<\0") || unmarked.starts_with(b"\0<")
}

/// Whether a body without a declared type reads like a form: a name without blanks, then `=`.
fn looks_like_form(bytes: &[u8]) -> bool {
    let end = bytes
        .iter()
        .take(256)
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']' | b'%' | b'+')));
    end.is_some_and(|end| end > 0 && bytes.get(end) == Some(&b'='))
}
