//! The body of a request, by what its head declares and by what it looks like.

use waf_policy::Parser;

use super::{
    declared::{Declared, Kind},
    gql, json, multipart, protobuf,
};
use crate::{
    Part,
    decode::{
        charset::Charset,
        percent::{self, Plus},
        unpack::Format,
    },
    detect::{Place, Value, invalid_xml},
    point::Element,
    walk::{Walk, element_of},
};

/// Shortest run of text that is judged in a binary body, in bytes.
const MIN_TEXT_BYTES: usize = 16;

/// Longest body that is judged like one field of a form, in bytes.
const MAX_FIELD_BYTES: usize = 1024;

/// Lines from which on a body is a document rather than like one field of a form.
const MAX_FIELD_LINES: usize = 8;

/// Judges every value of a body. What the head declares is tried first; a wrong declaration hides nothing.
pub(crate) fn inspect(bytes: &[u8], declared: &Declared, walk: &mut Walk<'_>) {
    if bytes.is_empty() {
        return;
    }
    walk.enter(Part::Body, bytes);
    walk.scratch.point.push(Element::Post);
    if walk.reads(Parser::Gzip) {
        encoded(bytes, declared, walk);
    } else {
        plain(bytes, declared, walk);
    }
    walk.scratch.point.pop();
}

/// Undoes the encodings of a body, declared or shown by its first bytes.
fn encoded(bytes: &[u8], declared: &Declared, walk: &mut Walk<'_>) {
    let outer = walk.scratch.point.depth();
    let mut content = walk.scratch.buffers.take();
    let mut unpacked = walk.scratch.buffers.take();
    let (mut is_encoded, mut is_whole) = (false, true);
    let shown = Some(Format::Gzip).filter(|format| Format::of(bytes) == Some(*format));
    let shown = shown.filter(|_| declared.encodings().next().is_none());
    for format in declared.encodings().chain(shown) {
        let input = if is_encoded { &content[..] } else { bytes };
        unpacked.clear();
        let outcome = walk.unpack(input, format, &mut unpacked);
        if unpacked.is_empty() {
            // It was not encoded so, whatever was declared.
            continue;
        }
        is_whole &= outcome.is_some_and(|outcome| outcome.is_whole);
        is_encoded = true;
        std::mem::swap(&mut content, &mut unpacked);
        walk.scratch.point.push(element_of(format));
    }
    if is_encoded {
        plain(&content, declared, walk);
    }
    walk.scratch.point.truncate(outer);
    walk.scratch.buffers.give(content);
    walk.scratch.buffers.give(unpacked);
    if !is_encoded || !is_whole {
        // An application that does not undo encodings sees the bytes as they are.
        plain(bytes, declared, walk);
    }
}

/// Judges a body without content encodings, in each character set that it may be in.
fn plain(bytes: &[u8], declared: &Declared, walk: &mut Walk<'_>) {
    // A frame begins with NUL bytes, as text in wide character sets may.
    let is_frame = matches!(declared.kind, Kind::Grpc) && bytes.first() == Some(&0);
    let shown = || Charset::of(bytes).filter(|_| !is_frame);
    if let Some(charset) = declared.charset.or_else(shown) {
        walk.transcoded(bytes, charset, |walk, text| content(text, &declared.kind, walk));
        if matches!(declared.kind, Kind::Form) && walk.reads(Parser::FormUrlencoded) {
            hidden_form(bytes, charset, walk);
        }
    }
    if let Some((stamp, span)) = invalid_xml::contradiction(bytes, declared.has_charset) {
        let value = Value {
            bytes,
            place: Place::RawBody,
        };
        walk.report(stamp, &value, span);
    }
    content(bytes, &declared.kind, walk);
}

/// Judges the values of a form of which only names and values, not `&` and `=`, are in a character set of their own, as
/// IIS reads it.
fn hidden_form(bytes: &[u8], charset: Charset, walk: &mut Walk<'_>) {
    let mut text = walk.scratch.buffers.take();
    for pair in bytes.split(|b| *b == b'&') {
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let (name, value) = pair.split_at_checked(equals).unwrap_or((pair, &[]));
        if !walk.wants_more() || !walk.budget.may_decode(pair.len()) {
            break;
        }
        walk.scratch.point.push_name(Element::FormUrlencoded, name);
        for (part, place) in [(name, Place::Name), (value.get(1..).unwrap_or_default(), Place::Body)] {
            text.clear();
            percent::decode(part, Plus::Space, &mut text);
            walk.transcoded(&text, charset, |walk, text| match place {
                Place::Name => walk.name(text, place, 0),
                _ => walk.value(text, place, 0),
            });
        }
        walk.scratch.point.pop();
    }
    walk.scratch.buffers.give(text);
}

/// Judges a body whose bytes are text in a character set that keeps ASCII, or binary.
fn content(bytes: &[u8], kind: &Kind, walk: &mut Walk<'_>) {
    let reads_parts = walk.reads(Parser::Multipart);
    let reads_json = walk.reads(Parser::JsonDoc);
    let reads_form = walk.reads(Parser::FormUrlencoded);
    match kind {
        Kind::Multipart(boundary) if reads_parts && walk.multipart(bytes, boundary.as_bytes(), 0) => {}
        // The boundary is declared wrongly, twice, or not at all.
        _ if reads_parts && multipart::shown_boundary(bytes).is_some_and(|shown| walk.multipart(bytes, shown, 0)) => {}
        Kind::Grpc if walk.reads(Parser::Grpc) && walk.grpc(bytes, 0) => {}
        Kind::GrpcText if walk.reads(Parser::Grpc) && walk.grpc_text(bytes) => {}
        Kind::Protobuf if protobuf::is_declared_message(bytes) => walk.message(bytes, 0),
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
            if !looks_like_form(bytes) || has_bare_bytes(bytes) {
                // Something else under a wrong type; splitting it at `&` and `=` may have hidden something.
                raw(bytes, Place::RawBody, walk);
            }
        }
        _ if reads_form && looks_like_form(bytes) => {
            walk.pairs(bytes, Element::FormUrlencoded, Place::Body, 0);
            if has_bare_bytes(bytes) {
                raw(bytes, Place::RawBody, walk);
            }
        }
        _ => raw(bytes, Place::RawBody, walk),
    }
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
    raw_at(bytes, place, 0, walk);
}

/// As [`raw`], for bytes that parsers of some depth have yielded.
pub(crate) fn raw_at(bytes: &[u8], place: Place, depth: usize, walk: &mut Walk<'_>) {
    if !is_binary(bytes) || is_wide_markup(bytes) {
        let is_short = bytes.len() <= MAX_FIELD_BYTES
            && memchr::memchr_iter(b'\n', bytes).take(MAX_FIELD_LINES).count() < MAX_FIELD_LINES;
        let is_field = place == Place::RawBody && is_short && !is_wide_markup(bytes);
        walk.value(bytes, if is_field { Place::Body } else { place }, depth);
        return;
    }
    let is_text = |b: &u8| matches!(b, 0x20..=0x7e | b'\t' | b'\r' | b'\n');
    for run in bytes.split(|b| !is_text(b)) {
        if run.len() >= MIN_TEXT_BYTES && walk.wants_more() {
            walk.value(run, Place::File, depth);
        }
    }
}

/// Whether bytes are no text in any encoding that keeps ASCII: control bytes beyond a stray one.
fn is_binary(bytes: &[u8]) -> bool {
    let is_control = |b: &&u8| matches!(b, 0x00..=0x08 | 0x0e..=0x1a | 0x1c..=0x1f);
    let n_controls = bytes.iter().take(4096).filter(is_control).count();
    n_controls > 1 && n_controls * 64 > bytes.len().min(4096)
}

/// Whether bytes begin as markup in UTF-16 does (XML 1.0 appendix F), whose NUL bytes are no sign of binary content.
fn is_wide_markup(bytes: &[u8]) -> bool {
    let marks: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
    let unmarked = marks.iter().find_map(|mark| bytes.strip_prefix(*mark)).unwrap_or(bytes);
    unmarked.starts_with(b"<\0") || unmarked.starts_with(b"\0<")
}

/// Whether a body has bytes that clients encode in forms (WHATWG URL, percent-encode sets; `encodeURIComponent`).
fn has_bare_bytes(bytes: &[u8]) -> bool {
    let is_bare = |b: &u8| matches!(b, 0..=b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{'..);
    bytes.trim_ascii_end().iter().any(is_bare)
}

/// Whether a body without a declared type reads like a form: a name without blanks, then `=`.
fn looks_like_form(bytes: &[u8]) -> bool {
    let end = bytes
        .iter()
        .take(256)
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']' | b'%' | b'+')));
    end.is_some_and(|end| end > 0 && bytes.get(end) == Some(&b'='))
}
