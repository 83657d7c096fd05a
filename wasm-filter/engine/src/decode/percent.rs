//! Percent-encoding: `%27` (RFC 3986 section 2.1), `+` in queries and forms, and `%u0027` as IIS accepts.

use super::{hex, push_char, unicode};

/// What `+` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plus {
    /// Itself, as in paths and headers.
    Literal,
    /// A space, as in queries and forms.
    Space,
}

/// Appends the decoded form. Returns whether anything was encoded.
pub(crate) fn decode(input: &[u8], plus: Plus, out: &mut Vec<u8>) -> bool {
    let mut is_changed = false;
    let mut rest = input;
    while let [first, tail @ ..] = rest {
        match first {
            b'%' => {
                let (length, is_wide) = match tail {
                    [b'u' | b'U', digits @ ..] if hex(digits, 4).1 == 4 => (5, true),
                    _ if hex(tail, 2).1 == 2 => (2, false),
                    _ => (0, false),
                };
                match (tail.split_at_checked(length), is_wide) {
                    (Some((digits, after)), false) if length > 0 => {
                        out.push(hex(digits, 2).0 as u8);
                        rest = after;
                        is_changed = true;
                        continue;
                    }
                    (Some((digits, after)), true) => {
                        push_char(out, narrow(hex(digits.get(1..).unwrap_or_default(), 4).0));
                        rest = after;
                        is_changed = true;
                        continue;
                    }
                    _ => out.push(b'%'),
                }
                rest = tail;
            }
            b'+' if plus == Plus::Space => {
                out.push(b' ');
                is_changed = true;
                rest = tail;
            }
            _ => {
                // PERF: plain bytes are copied run by run, not one by one.
                let plain = rest
                    .iter()
                    .position(|b| *b == b'%' || *b == b'+' && plus == Plus::Space)
                    .unwrap_or(rest.len());
                let (run, after) = rest.split_at_checked(plain.max(1)).unwrap_or((rest, &[]));
                out.extend_from_slice(run);
                rest = after;
            }
        }
    }
    is_changed
}

/// The ASCII character that Windows puts in place of one that its code page lacks, which turns harmless characters into
/// syntax after a check. Quotation marks of prose count here: nobody writes them as `%u2019`.
fn narrow(code: u32) -> u32 {
    let quote = match code {
        0x2018 | 0x2019 => Some(b'\''),
        0x201c | 0x201d => Some(b'"'),
        0x2039 | 0x3008 => Some(b'<'),
        0x203a | 0x3009 => Some(b'>'),
        _ => unicode::ascii(code),
    };
    quote.map_or(code, u32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, plus: Plus, expected: &str) {
        let mut out = Vec::new();
        let is_changed = decode(input.as_bytes(), plus, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert_eq!(is_changed, input != expected, "{input}");
        assert!(out.len() <= input.len());
    }

    #[test]
    fn decodes_what_is_well_formed_and_keeps_the_rest() {
        check("%27%3Cb%3e", Plus::Literal, "'<b>");
        check("a+b", Plus::Literal, "a+b");
        check("a+b", Plus::Space, "a b");
        check("%u0027%uFF1cscript", Plus::Literal, "'<script");
        check("%u2215%uEFC8%u02bc", Plus::Literal, "/\\'");
        check("100%", Plus::Space, "100%");
        check("%2", Plus::Space, "%2");
        check("%zz%u12%%41", Plus::Space, "%zz%u12%A");
        check("%2527", Plus::Space, "%27");
        check("", Plus::Space, "");
    }
}
