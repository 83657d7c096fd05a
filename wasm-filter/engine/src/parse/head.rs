//! Target, query, headers and cookies of a request.

use crate::{Request, detect::Place, point::Element, walk::Walk};

/// Most header fields compared with a field to find repetitions. Envoy accepts 100 by default.
const MAX_COMPARED: usize = 128;

/// Judges every value of a head.
pub(crate) fn inspect(request: &Request<'_>, walk: &mut Walk<'_>) {
    target(request.target, walk);
    for (position, (name, value)) in request.headers.iter().enumerate() {
        if !walk.wants_more() {
            break;
        }
        header(request, position, name, value, walk);
    }
}

fn target(target: &[u8], walk: &mut Walk<'_>) {
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

fn header(request: &Request<'_>, position: usize, name: &[u8], value: &[u8], walk: &mut Walk<'_>) {
    let is_same = |(other, _): &&(&[u8], &[u8])| other.eq_ignore_ascii_case(name);
    let earlier = request
        .headers
        .iter()
        .take(position.min(MAX_COMPARED))
        .filter(is_same)
        .count();
    let later = request.headers.iter().skip(position + 1).take(MAX_COMPARED);
    let is_repeated = earlier > 0 || later.clone().any(|field| is_same(&field));
    let outer = walk.scratch.point.depth();
    walk.scratch.point.push_upper(Element::Header, name);
    if earlier == 0 {
        walk.name(name, Place::Name, 0);
    }
    if name.eq_ignore_ascii_case(b"cookie") {
        cookies(value, walk);
        walk.scratch.point.truncate(outer);
        return;
    }
    if is_repeated {
        walk.scratch.point.push_index(Element::Array, earlier as u32);
    }
    let place = place_of(name);
    if is_common(name) {
        walk.common_value(value, place);
    } else {
        walk.value(value, place, 0);
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
    let starts_with = |prefix: &&[u8]| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    COMMON.iter().any(starts_with)
}

fn place_of(name: &[u8]) -> Place {
    if name.eq_ignore_ascii_case(b"user-agent") {
        Place::UserAgent
    } else if name.eq_ignore_ascii_case(b"referer") || name.eq_ignore_ascii_case(b"origin") {
        Place::Referer
    } else {
        Place::Header
    }
}

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
