//! Folds the encodings that survive the decoder chain but that some file system, server or framework still undoes.
//!
//! The engine percent-decodes every value; what a detector sees may be encoded once more, or in ways that only one
//! product understands. Sources: RFC 3629 section 10 (overlong UTF-8), CVE-2000-0884 (`%c1%1c`), CVE-2008-2938
//! (`%c0%ae`), Microsoft `%uXXXX` escapes, Unicode "fullwidth" and "division slash" best-fit mappings.

/// One character of a path with every encoding undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Char {
    /// The byte that a file system would see; `\` stays `\`.
    pub(super) byte: u8,
    /// Bytes it takes up in the value.
    pub(super) len: usize,
    /// Whether it was written in a way that hides it. Only dots and separators count.
    pub(super) is_disguised: bool,
}

/// Reads the character at the front. None at the end of the input.
pub(super) fn next(rest: &[u8]) -> Option<Char> {
    let (&first, tail) = rest.split_first()?;
    let plain = Char {
        byte: first,
        len: 1,
        is_disguised: false,
    };
    let folded = match first {
        b'%' => percent(tail).map(|(byte, len)| (byte, len + 1)),
        b'0' => hex_literal(tail).map(|byte| (byte, 4)),
        0xc0 | 0xc1 => overlong(first, tail).map(|(byte, len)| (byte, len + 1)),
        // The second byte of a valid sequence is 0xa0 to 0xbf.
        0xe0 if tail.first().is_some_and(|b| !(0xa0..=0xbf).contains(b)) => {
            tail.get(1..).and_then(|rest| continuation(rest, 3))
        }
        0xf0 => matches_tail(tail, &[0x80, 0x80]).and_then(|rest| continuation(rest, 4)),
        0xf8 => matches_tail(tail, &[0x80; 3]).and_then(|rest| continuation(rest, 5)),
        0xfc => matches_tail(tail, &[0x80; 4]).and_then(|rest| continuation(rest, 6)),
        0xe2 | 0xef => look_alike(rest).map(|byte| (byte, 3)),
        _ => None,
    };
    Some(match folded {
        Some((byte @ (b'.' | b'/' | b'\\'), len)) => Char {
            byte,
            len,
            // `%2F` is what a program makes of a separator when it encodes a value; nothing encodes dots.
            is_disguised: !(first == b'%' && len == 3 && byte != b'.'),
        },
        // An encoded letter is only read through: `%65tc` is `etc`; an encoded blank is one between words. Everything
        // else keeps its own bytes.
        Some((byte, len)) if byte.is_ascii_alphanumeric() || matches!(byte, 0 | b' ') => Char {
            byte,
            len,
            is_disguised: false,
        },
        _ => plain,
    })
}

/// The length of bytes that are no character in any encoding, right after dots: `..%bg%qf..` and `..\xf9..` are what
/// broken decoders turn into separators.
pub(super) fn broken_separator(rest: &[u8]) -> Option<usize> {
    let mut len = 0;
    while len < 18 {
        match rest.get(len..) {
            Some([b'%', a, b, ..])
                if a.is_ascii_alphanumeric()
                    && b.is_ascii_alphanumeric()
                    && hex(*a, *b).is_none_or(|byte| byte >= 0x80 || len > 0) =>
            {
                len += 3;
            }
            Some([0xc0 | 0xc1 | 0xf5..=0xff, ..]) => len += 1,
            Some([0x80..=0xbf, ..]) if len > 0 => len += 1,
            _ => break,
        }
    }
    (len > 0 && next(rest).is_some_and(|char| !char.is_disguised)).then_some(len)
}

/// After a `%`: `2e`, `252e`, `u002e`, `c0%ae`, and so on. The byte and the bytes taken.
fn percent(tail: &[u8]) -> Option<(u8, usize)> {
    // Each `25` is a percent sign that was encoded again; more than four times is noise.
    let mut rest = tail;
    let mut taken = 0;
    for _ in 0..4 {
        match rest {
            [b'2', b'5', after @ ..] => {
                rest = after;
                taken += 2;
            }
            _ => break,
        }
    }
    match rest {
        [b'u' | b'U', a, b, c, d, ..] => {
            let code = hex(*a, *b)? as u16 * 256 + hex(*c, *d)? as u16;
            let byte = match code {
                0x2024 | 0xff0e => b'.',
                0x2044 | 0x2215 | 0xff0f | 0xf025 | 0xefc8 => b'/',
                0x2216 | 0xff3c => b'\\',
                0x00..=0x7f => code as u8,
                _ => return None,
            };
            Some((byte, taken + 5))
        }
        [a, b, after @ ..] => {
            let byte = hex(*a, *b)?;
            taken += 2;
            match (byte, after) {
                (0xc0 | 0xc1, [b'%', c, d, ..]) => {
                    // `%c1%pc`: the old IIS computed with digits beyond f, and got a separator.
                    let second = hex(*c, *d);
                    let folded = second.map_or(Some(b'/'), |second| fold_overlong(byte, second));
                    (c.is_ascii_alphanumeric() && d.is_ascii_alphanumeric())
                        .then_some(folded)
                        .flatten()
                        .map(|byte| (byte, taken + 3))
                }
                // `%c0af`: one percent sign for the whole sequence.
                (0xc0 | 0xc1, [c @ (b'8'..=b'9' | b'a'..=b'b' | b'A'..=b'B'), d, ..]) => {
                    fold_overlong(byte, hex(*c, *d)?).map(|byte| (byte, taken + 2))
                }
                (0xc0 | 0xc1, [second, ..]) => fold_overlong(byte, *second).map(|byte| (byte, taken + 1)),
                (0xe0, [b'%', a, b, b'%', c, d, ..]) if hex(*a, *b).is_some_and(|b| !(0xa0..=0xbf).contains(&b)) => {
                    fold_overlong(0xc0, hex(*c, *d)?).map(|byte| (byte, taken + 6))
                }
                (0..=0x7f, _) => Some((byte, taken)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// After a raw 0xc0 or 0xc1.
fn overlong(lead: u8, tail: &[u8]) -> Option<(u8, usize)> {
    match tail {
        [b'%', c, d, ..] => match hex(*c, *d) {
            Some(second) => fold_overlong(lead, second).map(|byte| (byte, 3)),
            None if c.is_ascii_alphanumeric() && d.is_ascii_alphanumeric() => Some((b'/', 3)),
            None => None,
        },
        [second, ..] => fold_overlong(lead, *second).map(|byte| (byte, 1)),
        [] => None,
    }
}

/// The ASCII character of a two-byte sequence that must not be two bytes long, as lax decoders read it.
fn fold_overlong(lead: u8, second: u8) -> Option<u8> {
    match (lead, second) {
        (_, b'.' | b'/' | b'\\') => Some(second),
        (0xc1, 0xaf) => Some(b'/'),
        (0xc0, 0x5e) => Some(b'.'),
        _ => match (lead & 1) << 6 | (second & 0x3f) {
            byte @ (b'.' | b'/' | b'\\') => Some(byte),
            _ => None,
        },
    }
}

fn matches_tail<'a>(tail: &'a [u8], expected: &[u8]) -> Option<&'a [u8]> {
    tail.strip_prefix(expected)
}

/// The last byte of a longer overlong sequence of `len` bytes.
fn continuation(rest: &[u8], len: usize) -> Option<(u8, usize)> {
    let second = *rest.first()?;
    (second >= 0x80)
        .then(|| fold_overlong(0xc0, second))
        .flatten()
        .map(|byte| (byte, len))
}

/// Three-byte UTF-8 characters that code pages map to dots and separators.
fn look_alike(rest: &[u8]) -> Option<u8> {
    match rest {
        [0xef, 0xbc, 0x8e, ..] | [0xe2, 0x80, 0xa4, ..] => Some(b'.'),
        [0xef, 0xbc, 0x8f, ..] | [0xe2, 0x81, 0x84, ..] | [0xe2, 0x88, 0x95, ..] => Some(b'/'),
        [0xef, 0xbc, 0xbc, ..] | [0xe2, 0x88, 0x96, ..] => Some(b'\\'),
        _ => None,
    }
}

/// After a `0`: `x2e`, `x2f` or `x5c`.
fn hex_literal(tail: &[u8]) -> Option<u8> {
    match tail {
        [b'x' | b'X', a, b, ..] => hex(*a, *b).filter(|byte| matches!(byte, b'.' | b'/' | b'\\')),
        _ => None,
    }
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| (b as char).to_digit(16).map(|digit| digit as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(value: &[u8]) -> (String, usize) {
        let (mut rest, mut text, mut n_disguised) = (value, String::new(), 0);
        while let Some(char) = next(rest) {
            text.push(char.byte as char);
            n_disguised += usize::from(char.is_disguised);
            rest = rest.split_at(char.len).1;
        }
        (text, n_disguised)
    }

    #[test]
    fn encodings_of_dots_and_separators_fold() {
        for value in [
            &b"%2e%2e%2fx"[..],
            b"%252e%252e%252fx",
            b"%25252e%2e/x",
            b"%u002e%uff0e%u2215x",
            b"%c0%ae%c0%ae%c0%afx",
            b"\xc0\xae\xc0\xae\xe0\x80\xafx",
            b"..\xc0%9vx",
            b"..%c1%pcx",
            b"0x2e0x2e0x2fx",
            b"\xef\xbc\x8e\xef\xbc\x8e\xef\xbc\x8fx",
            b"\xf0\x80\x80\xae.%e0%80%afx",
            b"%e0%40%ae.%c0afx",
            b"\xe0\x40\xae./x",
        ] {
            let (text, n_disguised) = fold(value);
            assert_eq!(text, "../x", "{:?}", value.escape_ascii().to_string());
            assert!(n_disguised > 0);
        }
        assert_eq!(fold(b"..\xc1\x1cx").0, "..\\x");
        assert_eq!(fold(b"%65tc"), ("etc".to_owned(), 0));
    }

    #[test]
    fn everything_else_stays() {
        assert_eq!(fold(b"100% of 0x20 %zz %").0, "100% of 0x20 %zz %");
        assert_eq!(fold("d\u{e9}j\u{e0}".as_bytes()).1, 0);
    }
}
