//! Detector of CRLF injection: header fields and response splitting.
//!
//! Line breaks are ordinary in text; a line break followed by a header field of a response, in a value that goes into
//! a header, is not. Honest texts that quote HTTP messages begin with one, so a value that begins like a message is
//! taken for a quotation. Sources: CWE-93, CWE-113, RFC 9110 section 5, RFC 9112 section 11.1.

use super::{
    Fuel, Place, Signs, Stamp, Value,
    lines::{self, Line},
};
use crate::prefilter::{Classes, byte};

stamps! {
    Crlf {
        HEADER_FIELD 6001 "injected-header-field" 100
            "A line break is followed by a header field, which becomes part of the response's or an inner request's head.";
        SPLIT_MESSAGE 6002 "split-message" 100
            "A line break is followed by the first line of another HTTP message.";
    }
}

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    classes.any_byte(byte::NEWLINE | byte::HIGH) && classes.any_byte(byte::COLON | byte::SLASH)
}

/// Looks for signs of CRLF injection in one value.
pub fn scan(value: &Value<'_>, fuel: &mut Fuel, signs: &mut Signs) {
    // The parts of a target are judged one by one; texts and files may quote messages.
    let is_judged = !matches!(value.place, Place::Uri | Place::File | Place::RawBody);
    if !is_judged || !fuel.spend(value.bytes.len() as u64) {
        return;
    }
    let is_content = value.place == Place::Body;
    for line in lines::after_breaks(value.bytes) {
        let before = value.bytes.get(..line.break_at).unwrap_or_default();
        let Some((stamp, len)) = judge(&line, is_content) else {
            continue;
        };
        // Invitations have lines with the location of a meeting, often a URL.
        let is_location = lines::field(line.rest).is_some_and(|(name, _)| name.eq_ignore_ascii_case(b"location"));
        let is_disguised = !matches!(value.bytes.get(line.break_at), Some(b'\r' | b'\n'));
        let is_invitation = is_location
            && !is_disguised
            && !is_script_url(lines::field(line.rest).map_or(&[], |(_, field)| field))
            && match value.place {
                Place::Body => !before.iter().any(|b| matches!(b, b'/' | b'=' | b'.')),
                _ => !is_token(before),
            };
        let is_found = if is_invitation {
            false
        } else if is_content {
            (is_token(before) || is_split_request(before)) && n_lines(value.bytes) <= MAX_CONTENT_LINES
        } else {
            !is_message(before) && n_lines(value.bytes) <= MAX_LINES
        };
        if is_found {
            signs.push(stamp, line.break_at..line.start + len);
        }
        // What the first one says of the value, further ones do not change.
        return;
    }
}

/// Lines from which on a parameter is a text.
const MAX_LINES: usize = 16;

/// Lines from which on a field of a body is a text.
const MAX_CONTENT_LINES: usize = 8;

/// Whether a header's URL runs a script, as no page that people move to.
fn is_script_url(field: &[u8]) -> bool {
    [&b"javascript:"[..], b"data:"].iter().any(|scheme| {
        field
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

/// Whether the text before an injected line ends the first line of a request that the application began.
fn is_split_request(before: &[u8]) -> bool {
    let line = lines::first(before, 512);
    let target = line
        .strip_suffix(b" HTTP/1.1")
        .or_else(|| line.strip_suffix(b" HTTP/1.0"));
    target.is_some_and(is_token)
}

fn n_lines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).take(MAX_LINES + 1).count() + 1
}

/// What a line begins with and how long that is.
#[inline(never)]
fn judge(line: &Line<'_>, is_content: bool) -> Option<(&'static Stamp, usize)> {
    if let Some(len) = message_start_len(line.rest) {
        return Some((&SPLIT_MESSAGE, len));
    }
    let (name, field) = lines::field(line.rest)?;
    // Fields that no text has but a quoted message.
    const TELLING: &[&[u8]] = &[
        b"set-cookie",
        b"set-cookie2",
        b"content-type",
        b"content-length",
        b"transfer-encoding",
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"content-security-policy",
        b"strict-transport-security",
        b"x-xss-protection",
        b"x-frame-options",
    ];
    const OTHER: &[&[u8]] = &[
        b"cache-control",
        b"clear-site-data",
        b"content-disposition",
        b"content-encoding",
        b"last-modified",
        b"proxy-authenticate",
        b"www-authenticate",
        b"x-accel-redirect",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-sendfile",
    ];
    let is_field = if lines::is_one_of(name, TELLING) {
        !field.is_empty()
    } else if name.eq_ignore_ascii_case(b"location") {
        let is_url = |prefix: &&[u8]| {
            field
                .get(..prefix.len())
                .is_some_and(|b| b.eq_ignore_ascii_case(prefix))
        };
        [&b"http:"[..], b"https:", b"//", b"/\\", b"javascript:", b"data:"]
            .iter()
            .any(is_url)
    } else if name.eq_ignore_ascii_case(b"refresh") {
        field.first().is_some_and(u8::is_ascii_digit) && memchr::memchr(b'=', field).is_some()
    } else {
        lines::is_one_of(name, OTHER) && !field.is_empty() || !is_content && is_extension(name)
    };
    is_field.then_some((&HEADER_FIELD, name.len() + 1))
}

/// `X-` and a name in several parts.
fn is_extension(name: &[u8]) -> bool {
    let tail = name.strip_prefix(b"X-").or_else(|| name.strip_prefix(b"x-"));
    tail.is_some_and(|tail| tail.len() > 2)
}

/// Length of `HTTP/1.1 200` or `GET /x HTTP/1.1` at the front.
#[inline(never)]
fn message_start_len(rest: &[u8]) -> Option<usize> {
    if let Some(version) = rest.strip_prefix(b"HTTP/") {
        let is_status = matches!(
            version,
            [b'1', b'.', b'0' | b'1', b' ', b'1'..=b'5', b'0'..=b'9', b'0'..=b'9', ..]
        );
        return is_status.then_some(12);
    }
    const METHODS: &[&[u8]] = &[
        b"GET ",
        b"POST ",
        b"PUT ",
        b"HEAD ",
        b"DELETE ",
        b"OPTIONS ",
        b"PATCH ",
        b"TRACE ",
    ];
    METHODS.iter().find(|method| rest.starts_with(method))?;
    let line = lines::first(rest, 512).trim_ascii_end();
    (line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")).then_some(line.len())
}

/// Whether the text before an injected line is one short word or nothing: what a field of a form is meant to hold.
fn is_token(before: &[u8]) -> bool {
    before.len() <= 64
        && !before.starts_with(b"--")
        && !before
            .iter()
            .any(|b| b.is_ascii_whitespace() || matches!(b, b'{' | b'<'))
        && memchr::memchr(b':', before).is_none_or(|at| before.get(at + 1) == Some(&b'/'))
}

/// Whether the text before a line begins like an HTTP message or is a text of its own.
fn is_message(before: &[u8]) -> bool {
    let start = before.trim_ascii_start();
    let is_prose = memchr::memchr(b'\n', start).is_some() && lines::n_words(start, 12) == 12;
    is_prose
        || start.starts_with(b"--")
        || message_start_len(start).is_some()
        || lines::field(start).is_some_and(|(_, field)| !field.starts_with(b"//"))
}

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::detect::{THRESHOLD, checked_weight};
    use proptest::prelude::*;

    fn weight(place: Place, value: &[u8]) -> u32 {
        checked_weight(AttackType::Crlf, &Value { bytes: value, place }, may_match, scan)
    }

    #[test]
    fn fields_are_found_and_lines_are_not() {
        for value in [
            "x\r\nSet-Cookie: a=b",
            "/a\nLocation: https://x",
            "x\u{560a}Content-Type:text/html",
            "\r\nHTTP/1.1 200 OK",
        ] {
            assert!(weight(Place::Query, value.as_bytes()) >= THRESHOLD, "{value}");
            assert!(weight(Place::Body, value.as_bytes()) >= THRESHOLD, "{value}");
        }
        for value in [
            "x\nNote: y",
            "a\nLocation: Berlin",
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=b",
            "Set-Cookie: a=b",
            "\n",
        ] {
            assert_eq!(weight(Place::Query, value.as_bytes()), 0, "{value}");
        }
        assert_eq!(weight(Place::Body, b"My log says\r\nSet-Cookie: a=b"), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            weight(Place::Query, &bytes);
        }

        #[test]
        fn prefilter_agrees(value in "(\\r|\\n|\u{560a}|\u{560d}|\u{10d}\u{10a}|Set-Cookie|Location|: |:|https?:|/|HTTP/1.1 200|GET / HTTP/1.0|X-Abc|[a-z]{1,3}| ){0,12}") {
            for place in [Place::Query, Place::Body, Place::Name] {
                weight(place, value.as_bytes());
            }
        }
    }
}
