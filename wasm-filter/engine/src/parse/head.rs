//! Target, query, headers and cookies of a request.

use waf_policy::Parser;

use crate::{
    Part, Request,
    detect::{Place, scanner},
    point::Element,
    walk::Walk,
};

/// Most header fields compared with a field to find repetitions. Envoy accepts 100 by default.
const MAX_COMPARED: usize = 128;

/// Which names may occur more than once: one bit per hash of a name.
#[derive(Default)]
struct Repetitions {
    once: u64,
    twice: u64,
}

impl Repetitions {
    /// PERF: comparing every name with every other took a tenth of a browser's GET.
    fn of(headers: &[(&[u8], &[u8])]) -> Repetitions {
        headers.iter().fold(Repetitions::default(), |seen, (name, _)| {
            let bit = Repetitions::bit(name);
            Repetitions {
                once: seen.once | bit,
                twice: seen.twice | seen.once & bit,
            }
        })
    }

    fn may_include(&self, name: &[u8]) -> bool {
        self.twice & Repetitions::bit(name) != 0
    }

    fn bit(name: &[u8]) -> u64 {
        let letter = |b: Option<&u8>| usize::from(b.map_or(0, |b| b | 0x20));
        let mixed = name.len() + 5 * letter(name.first()) + 11 * letter(name.last()) + 3 * letter(name.get(4));
        1 << (mixed % 64)
    }
}

/// Judges every value of a head.
pub(crate) fn inspect(request: &Request<'_>, walk: &mut Walk<'_>) {
    target(request.target, walk);
    let repetitions = Repetitions::of(request.headers);
    for position in 0..request.headers.len() {
        if !walk.wants_more() {
            break;
        }
        header(request, &repetitions, position, walk);
    }
}

#[inline(never)]
fn target(target: &[u8], walk: &mut Walk<'_>) {
    walk.enter(Part::Target, target);
    // A fragment never reaches a server from a browser; what follows `#` is judged with the query or path it is in.
    walk.scratch.point.push(Element::Uri);
    walk.value(target, Place::Uri, 0);
    walk.scratch.point.pop();
    let question = memchr::memchr(b'?', target).unwrap_or(target.len());
    path(target.get(..question).unwrap_or_default(), walk);
    if let Some(query) = target.get(question + 1..) {
        walk.pairs(query, Element::Get, Place::Query, 0);
    }
}

fn path(path: &[u8], walk: &mut Walk<'_>) {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let (folders, last) = match memchr::memrchr(b'/', path) {
        Some(at) => (path.get(..at), path.get(at + 1..).unwrap_or_default()),
        None => (None, path),
    };
    let segments = folders.into_iter().flat_map(|folders| folders.split(|b| *b == b'/'));
    for (index, segment) in segments.enumerate() {
        if !walk.wants_more() {
            return;
        }
        walk.scratch.point.push_index(Element::Path, index as u32);
        walk.value(segment, Place::Path, 0);
        walk.scratch.point.pop();
    }
    let is_ordinary = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    if !last.iter().all(is_ordinary) {
        // No file's name: dots do not divide it.
        walk.scratch.point.push(Element::ActionName);
        walk.value(last, Place::Path, 0);
        walk.scratch.point.pop();
        return;
    }
    let (name, extension) = match memchr::memchr(b'.', last) {
        Some(at) => (last.get(..at).unwrap_or_default(), last.get(at + 1..)),
        None => (last, None),
    };
    walk.scratch.point.push(Element::ActionName);
    walk.value(name, Place::Path, 0);
    walk.scratch.point.pop();
    if let Some(extension) = extension {
        walk.scratch.point.push(Element::ActionExt);
        walk.value(extension, Place::Path, 0);
        walk.scratch.point.pop();
    }
}

#[inline(never)]
fn header(request: &Request<'_>, repetitions: &Repetitions, position: usize, walk: &mut Walk<'_>) {
    let Some(&(name, value)) = request.headers.get(position) else {
        return;
    };
    let is_same = |(other, _): &&(&[u8], &[u8])| other.eq_ignore_ascii_case(name);
    let (mut earlier, mut is_repeated) = (0, false);
    if repetitions.may_include(name) {
        let before = request.headers.iter().take(position.min(MAX_COMPARED));
        let mut after = request.headers.iter().skip(position + 1).take(MAX_COMPARED);
        earlier = before.filter(is_same).count();
        is_repeated = earlier > 0 || after.any(|field| is_same(&field));
    }
    let outer = walk.scratch.point.depth();
    walk.scratch.point.push_upper(Element::Header, name);
    walk.enter(Part::HeaderName(position as u32), name);
    if earlier == 0 && scanner::is_tool_header(name) {
        walk.scratch.point.push(Element::Name);
        walk.value(name, Place::Name, 0);
        walk.scratch.point.pop();
    } else if earlier == 0 {
        walk.name(name, Place::Name, 0);
    }
    walk.enter(Part::Header(position as u32), value);
    if name.eq_ignore_ascii_case(b"cookie") && walk.reads(Parser::Cookie) {
        cookies(value, walk);
        walk.scratch.point.truncate(outer);
        return;
    }
    if is_repeated {
        walk.scratch.point.push_index(Element::Array, earlier as u32);
    }
    let place = place_of(name, value);
    if place == Place::Referer && is_ordinary_url(value) {
        // What such a URL can carry stands in its query, which is judged below, pair by pair.
        walk.inert(value, place);
    } else if is_common(name) {
        walk.common_value(value, place);
    } else {
        walk.value(value, place, 0);
    }
    if name.eq_ignore_ascii_case(b"authorization") {
        credentials(value, walk);
    }
    walk.scratch.point.truncate(outer);
    if place == Place::Referer
        && let Some(question) = memchr::memchr(b'?', value)
    {
        walk.scratch.point.push_upper(Element::Header, name);
        walk.pairs(
            value.get(question + 1..).unwrap_or_default(),
            Element::Get,
            Place::Query,
            1,
        );
        walk.scratch.point.truncate(outer);
    }
}

/// Judges the name and password of basic credentials (RFC 7617 section 2). Tokens are read wherever they stand.
fn credentials(value: &[u8], walk: &mut Walk<'_>) {
    let blank = memchr::memchr(b' ', value).unwrap_or(value.len());
    if value.get(..blank).unwrap_or_default().eq_ignore_ascii_case(b"basic") {
        walk.base64(value.get(blank..).unwrap_or_default().trim_ascii(), Place::Header, 0);
    }
}

/// Beginnings of the names of fields that clients and proxies send with the same value again and again, and whose
/// values are no secrets.
const COMMON: &[&[u8]] = &[
    b"accept",
    b"cache-control",
    b"connection",
    b"content-",
    b"dnt",
    b"host",
    b"origin",
    b"pragma",
    b"priority",
    b"sec-",
    b"te",
    b"upgrade",
    b"user-agent",
    b"via",
    b"x-forwarded-proto",
    b"x-requested-with",
];

fn is_common(name: &[u8]) -> bool {
    let first = name.first().map(u8::to_ascii_lowercase);
    let starts_with = |prefix: &&[u8]| {
        // PERF: the first letter rules most of them out.
        prefix.first().copied() == first
            && name
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    COMMON.iter().any(starts_with)
}

/// Whether a value is an HTTP URL with nothing before its query but host, port and a path of ordinary characters.
fn is_ordinary_url(value: &[u8]) -> bool {
    let rest = value
        .strip_prefix(b"https://")
        .or_else(|| value.strip_prefix(b"http://"));
    let Some(rest) = rest else { return false };
    let question = memchr::memchr(b'?', rest).unwrap_or(rest.len());
    let path = rest.get(..question).unwrap_or_default();
    let is_ordinary = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b':' | b'~');
    path.iter().all(is_ordinary) && memchr::memmem::find(path, b"..").is_none()
}

fn place_of(name: &[u8], value: &[u8]) -> Place {
    let is_reference = name.eq_ignore_ascii_case(b"referer") || name.eq_ignore_ascii_case(b"origin");
    if name.eq_ignore_ascii_case(b"user-agent") {
        Place::UserAgent
    } else if is_reference && begins_with_scheme(value) {
        Place::Referer
    } else {
        Place::Header
    }
}

/// Whether a value begins as an absolute URL does. Browsers send no other reference (RFC 9110 section 10.1.3).
fn begins_with_scheme(value: &[u8]) -> bool {
    let end = value
        .iter()
        .take(32)
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')));
    end.is_some_and(|end| value.get(end..).is_some_and(|rest| rest.starts_with(b"://")))
}

#[inline(never)]
fn cookies(value: &[u8], walk: &mut Walk<'_>) {
    for cookie in value.split(|b| *b == b';') {
        let cookie = cookie.trim_ascii();
        if cookie.is_empty() {
            continue;
        }
        if !walk.wants_more() {
            return;
        }
        let (name, value) = match memchr::memchr(b'=', cookie) {
            Some(at) => (
                cookie.get(..at).unwrap_or_default(),
                cookie.get(at + 1..).unwrap_or_default(),
            ),
            None => (&[][..], cookie),
        };
        walk.scratch.point.push_name(Element::Cookie, name);
        walk.name(name, Place::Name, 0);
        walk.value(value, Place::Cookie, 0);
        walk.scratch.point.pop();
    }
}
