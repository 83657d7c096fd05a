//! Detector of server-side includes and edge-side includes.
//!
//! A directive is a comment or element of a fixed form that only a server or a cache reads; browsers ignore it, so
//! nobody puts one into a form but people who maintain pages. Texts of several lines are taken for pages or for
//! questions about them. Sources: Apache HTTP Server manual, `mod_include`; nginx manual, `ngx_http_ssi_module`; ESI
//! Language Specification 1.0.

use std::ops::Range;

use super::{Fuel, Place, Signs, Value};
use crate::prefilter::{Classes, byte};

stamps! {
    Ssi {
        DIRECTIVE 25001 "ssi-directive" 100
            "The value holds a server-side include directive, which a server that parses the page would carry out.";
        ESI_ELEMENT 25002 "esi-element" 100
            "The value holds an edge-side include element, which a cache in front of the server would carry out.";
    }
}

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    classes.all_bytes(byte::LESS | byte::BANG | byte::HASH) || classes.all_bytes(byte::LESS | byte::COLON)
}

/// Looks for signs of server-side includes in one value.
pub fn scan(value: &Value<'_>, fuel: &mut Fuel, signs: &mut Signs) {
    // The parts of a target are judged one by one; an uploaded page may well have directives.
    if matches!(value.place, Place::Uri | Place::File) || !fuel.spend(value.bytes.len() as u64) {
        return;
    }
    let is_content = matches!(value.place, Place::Body | Place::RawBody);
    if is_content && memchr::memchr_iter(b'\n', value.bytes).take(3).count() == 3 {
        return;
    }
    for at in memchr::memchr_iter(b'<', value.bytes) {
        let rest = value.bytes.get(at + 1..).unwrap_or_default();
        let found = directive_len(rest)
            .map(|len| (&DIRECTIVE, len))
            .or_else(|| esi_len(rest).map(|len| (&ESI_ELEMENT, len)));
        if let Some((stamp, len)) = found {
            let span: Range<usize> = at..at + 1 + len;
            signs.push(stamp, span);
            return;
        }
    }
}

/// Directives and the attributes of which each needs one; nginx and Apache agree on them. Those without may stand
/// alone.
const DIRECTIVES: &[(&[u8], &[&[u8]])] = &[
    (b"exec", &[b"cmd", b"cgi"]),
    (b"include", &[b"virtual", b"file", b"wait", b"set", b"stub"]),
    (b"echo", &[b"var", b"encoding", b"decoding", b"default"]),
    (b"config", &[b"errmsg", b"timefmt", b"sizefmt", b"echomsg"]),
    (b"set", &[b"var", b"encoding", b"decoding"]),
    (b"fsize", &[b"virtual", b"file"]),
    (b"flastmod", &[b"virtual", b"file"]),
    (b"if", &[b"expr"]),
    (b"elif", &[b"expr"]),
    (b"block", &[b"name"]),
    (b"printenv", &[]),
];

/// Length of `!--#exec cmd=` and its like at the front.
fn directive_len(rest: &[u8]) -> Option<usize> {
    let body = skip_space(rest.strip_prefix(b"!--")?).strip_prefix(b"#")?;
    let body = skip_space(body);
    let (name, tail) = split_name(body);
    let (_, attributes) = DIRECTIVES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
    let end = if attributes.is_empty() {
        let tail = skip_space(tail);
        tail.is_empty().then_some(tail).or_else(|| tail.strip_prefix(b"-->"))?
    } else {
        let (attribute, tail) = split_name(skip_space(tail));
        let is_known = attributes.iter().any(|known| attribute.eq_ignore_ascii_case(known));
        skip_space(tail).strip_prefix(b"=").filter(|_| is_known)?
    };
    Some(rest.len() - end.len())
}

/// Length of `esi:include` and its like at the front.
fn esi_len(rest: &[u8]) -> Option<usize> {
    const ELEMENTS: &[&[u8]] = &[
        b"include",
        b"inline",
        b"vars",
        b"assign",
        b"debug",
        b"eval",
        b"function",
        b"foreach",
        b"choose",
        b"when",
        b"try",
        b"attempt",
        b"remove",
        b"comment",
    ];
    let prefix = rest.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case(b"esi:"))?;
    let (name, tail) = split_name(rest.get(prefix.len()..)?);
    let is_known = ELEMENTS.iter().any(|known| name.eq_ignore_ascii_case(known));
    let ends = tail
        .first()
        .is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'>'));
    (is_known && ends).then(|| rest.len() - tail.len())
}

/// White space that servers skip; bounded, so that many openers before much white space stay cheap.
fn skip_space(bytes: &[u8]) -> &[u8] {
    let n = bytes.iter().take(32).take_while(|b| b.is_ascii_whitespace()).count();
    bytes.get(n..).unwrap_or_default()
}

/// The name at the front, at most 16 letters of it, and the rest.
fn split_name(bytes: &[u8]) -> (&[u8], &[u8]) {
    let n = bytes.iter().take(16).take_while(|b| b.is_ascii_alphabetic()).count();
    bytes.split_at_checked(n).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::detect::{THRESHOLD, checked_weight};
    use proptest::prelude::*;

    fn weight(place: Place, value: &[u8]) -> u32 {
        checked_weight(AttackType::Ssi, &Value { bytes: value, place }, may_match, scan)
    }

    #[test]
    fn directives_are_found_and_comments_are_not() {
        for value in [
            "<!--#exec cmd=\"x\"-->",
            "a <!--# echo var = b",
            "<!--#printenv-->",
            "<ESI:Include src=x/>",
        ] {
            assert!(weight(Place::Query, value.as_bytes()) >= THRESHOLD, "{value}");
        }
        for value in [
            "<!-- x -->",
            "<!--#exec-->",
            "<!--#include it-->",
            "<!--#printenv x",
            "<esi:includes>",
            "<esi:",
        ] {
            assert_eq!(weight(Place::Query, value.as_bytes()), 0, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            weight(Place::Query, &bytes);
        }

        #[test]
        fn prefilter_agrees(value in "(<|!--|#|exec|include|echo| |=|cmd|var|file|-->|esi:|/|>|printenv|\\n){0,12}") {
            for place in [Place::Query, Place::Body, Place::Name] {
                weight(place, value.as_bytes());
            }
        }
    }
}
