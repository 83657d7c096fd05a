//! Values that are JSON web tokens (RFC 7519 section 3), with or without a prefix as credentials have it.
//!
//! Many applications read a token before they verify it, and some never do, so its claims are input like any other.
//! Source of prefixes and names: Wallarm documentation, "Parsing requests", parser `jwt`.

use super::{Walk, form::Reading};
use crate::{
    detect::{Place, Value},
    point::Element,
    prefilter::{Classes, byte},
};

/// Words that stand before a token, in any case.
const PREFIXES: [&[u8]; 3] = [b"bearer", b"lsapi2", b"mobapp2"];

/// A token in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Token<'a> {
    prefix: &'a [u8],
    header: &'a [u8],
    payload: &'a [u8],
}

pub(super) fn fits(value: &Value<'_>, classes: &Classes) -> bool {
    let begins_as_token = || match value.bytes {
        // `{` and a quote or blank, in base64.
        [b'e', b'y' | b'w', ..] => true,
        [first, ..] => matches!(first | 0x20, b'b' | b'l' | b'm'),
        _ => false,
    };
    classes.any_byte(byte::DOT)
        && begins_as_token()
        && matches!(
            value.place,
            Place::Query | Place::Body | Place::RawBody | Place::Cookie | Place::Header
        )
}

pub(super) fn read(walk: &mut Walk<'_>, value: &Value<'_>, _: &Classes, depth: usize) -> Reading {
    let Some(token) = split(value.bytes) else {
        return Reading::None;
    };
    let parts = [
        (&b"jwt_prefix"[..], token.prefix),
        (b"jwt_header", token.header),
        (b"jwt_payload", token.payload),
    ];
    for (name, part) in parts {
        if part.is_empty() {
            continue;
        }
        walk.scratch.point.push_name(Element::Jwt, name);
        walk.inert(part, value.place);
        if name != b"jwt_prefix" {
            walk.base64(part, value.place, depth);
        }
        walk.scratch.point.pop();
    }
    Reading::Read
}

fn split(value: &[u8]) -> Option<Token<'_>> {
    let blank = value.iter().take(8).position(|b| *b == b' ');
    let (prefix, token) = match blank.and_then(|at| value.split_at_checked(at)) {
        Some((prefix, token)) if PREFIXES.iter().any(|known| prefix.eq_ignore_ascii_case(known)) => (prefix, token),
        _ => (&[][..], value),
    };
    let mut parts = token.trim_ascii().split(|b| *b == b'.');
    let (header, payload) = (parts.next()?, parts.next()?);
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'/' | b'=');
    let is_part = |part: &[u8]| !part.is_empty() && part.iter().all(is_digit);
    let is_json = matches!(header, [b'e', b'y' | b'w', ..]);
    (is_json && is_part(header) && is_part(payload)).then_some(Token {
        prefix,
        header,
        payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Option<(&str, &str, &str)>) {
        let expected = expected.map(|(prefix, header, payload)| Token {
            prefix: prefix.as_bytes(),
            header: header.as_bytes(),
            payload: payload.as_bytes(),
        });
        assert_eq!(split(value.as_bytes()), expected, "{value}");
    }

    #[test]
    fn tokens_are_split_and_other_values_are_not() {
        check("eyJh.eyJi.c2ln", Some(("", "eyJh", "eyJi")));
        check("Bearer eyJh.eyJi.c2ln", Some(("Bearer", "eyJh", "eyJi")));
        check("LSAPI2  ewJh.eyJi", Some(("LSAPI2", "ewJh", "eyJi")));
        check("mobapp2 eyJh.eyJi.", Some(("mobapp2", "eyJh", "eyJi")));
        // Whatever stands in the signature hides nothing.
        check("eyJh.eyJi.'", Some(("", "eyJh", "eyJi")));
        for other in [
            "",
            "eyJh",
            "eyJh.",
            ".eyJi",
            "Bearer opaque",
            "bearer a.b",
            "eyJh!.eyJi",
            "Basic eyJh.eyJi",
            "example.com",
        ] {
            check(other, None);
        }
    }
}
