//! HTML character references and JavaScript escapes, decoded together as Wallarm's `htmljs` does.
//!
//! Sources: WHATWG HTML section 13.2.5.72 (character references), ECMA-262 section 12.9.4 (string literals).

use super::{hex, push_char};

/// Character references that stand for ASCII, and so can hide syntax. Upper and lower case matter, as in HTML.
const REFERENCES: &[(&[u8], u8)] = &[
    (b"AMP", b'&'),
    (b"DiacriticalGrave", b'`'),
    (b"GT", b'>'),
    (b"Hat", b'^'),
    (b"LT", b'<'),
    (b"NewLine", b'\n'),
    (b"QUOT", b'"'),
    (b"Tab", b'\t'),
    (b"UnderBar", b'_'),
    (b"VerticalLine", b'|'),
    (b"amp", b'&'),
    (b"apos", b'\''),
    (b"ast", b'*'),
    (b"bsol", b'\\'),
    (b"colon", b':'),
    (b"comma", b','),
    (b"commat", b'@'),
    (b"dollar", b'$'),
    (b"equals", b'='),
    (b"excl", b'!'),
    (b"grave", b'`'),
    (b"gt", b'>'),
    (b"lbrace", b'{'),
    (b"lbrack", b'['),
    (b"lcub", b'{'),
    (b"lowbar", b'_'),
    (b"lpar", b'('),
    (b"lsqb", b'['),
    (b"lt", b'<'),
    (b"midast", b'*'),
    (b"nbsp", b' '),
    (b"num", b'#'),
    (b"percnt", b'%'),
    (b"period", b'.'),
    (b"plus", b'+'),
    (b"quest", b'?'),
    (b"quot", b'"'),
    (b"rbrace", b'}'),
    (b"rbrack", b']'),
    (b"rcub", b'}'),
    (b"rpar", b')'),
    (b"rsqb", b']'),
    (b"semi", b';'),
    (b"sol", b'/'),
    (b"verbar", b'|'),
    (b"vert", b'|'),
];

/// References that HTML accepts without a semicolon.
const BARE: &[&[u8]] = &[b"AMP", b"GT", b"LT", b"QUOT", b"amp", b"gt", b"lt", b"nbsp", b"quot"];

/// Appends the decoded form. Returns whether anything was encoded.
pub(crate) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut is_changed = false;
    let mut rest = input;
    while !rest.is_empty() {
        let plain = memchr::memchr2(b'&', b'\\', rest).unwrap_or(rest.len());
        let (run, marked) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        out.extend_from_slice(run);
        let n_read = match marked {
            [b'&', tail @ ..] => reference(tail, out),
            [b'\\', tail @ ..] => escape(tail, out),
            _ => break,
        };
        is_changed |= n_read > 0;
        if n_read == 0 {
            out.extend(marked.first());
        }
        rest = marked.get(n_read + 1..).unwrap_or_default();
    }
    is_changed
}

/// Decodes a reference after its `&`. Returns how many bytes it took after the `&`, 0 for none.
pub(crate) fn reference(tail: &[u8], out: &mut Vec<u8>) -> usize {
    let semicolon = |at: usize| usize::from(tail.get(at) == Some(&b';'));
    match tail {
        [b'#', b'x' | b'X', digits @ ..] => {
            let n_zeros = digits.iter().take_while(|b| **b == b'0').count();
            let (code, n_digits) = hex(digits.get(n_zeros..).unwrap_or_default(), 6);
            if n_zeros + n_digits == 0 {
                return 0;
            }
            push_char(out, code);
            let n_read = 2 + n_zeros + n_digits;
            n_read + semicolon(n_read)
        }
        [b'#', digits @ ..] => {
            let n_digits = digits.iter().take_while(|b| b.is_ascii_digit()).count();
            if n_digits == 0 {
                return 0;
            }
            let code = digits.iter().take(n_digits).fold(0u32, |code, b| {
                code.saturating_mul(10).saturating_add(u32::from(b - b'0'))
            });
            push_char(out, code);
            1 + n_digits + semicolon(1 + n_digits)
        }
        _ => {
            let n_letters = tail.iter().take(20).take_while(|b| b.is_ascii_alphabetic()).count();
            let name = tail.get(..n_letters).unwrap_or_default();
            if tail.get(n_letters) == Some(&b';')
                && let Ok(found) = REFERENCES.binary_search_by(|(known, _)| (*known).cmp(name))
            {
                out.extend(REFERENCES.get(found).map(|(_, b)| *b));
                return n_letters + 1;
            }
            for bare in BARE {
                if name.starts_with(bare)
                    && let Ok(found) = REFERENCES.binary_search_by(|(known, _)| known.cmp(bare))
                {
                    out.extend(REFERENCES.get(found).map(|(_, b)| *b));
                    return bare.len();
                }
            }
            0
        }
    }
}

/// Decodes an escape after its backslash. Returns how many bytes it took after the backslash, 0 for none.
fn escape(tail: &[u8], out: &mut Vec<u8>) -> usize {
    match tail {
        [b'x' | b'X', digits @ ..] if hex(digits, 2).1 == 2 => {
            out.push(hex(digits, 2).0 as u8);
            3
        }
        [b'u', b'{', digits @ ..] => {
            let (code, n_digits) = hex(digits, 6);
            if n_digits == 0 || digits.get(n_digits) != Some(&b'}') {
                return 0;
            }
            push_char(out, code);
            n_digits + 3
        }
        [b'u' | b'U', digits @ ..] if hex(digits, 4).1 == 4 => {
            let (first, second) = (hex(digits, 4).0, low_surrogate(digits.get(4..).unwrap_or_default()));
            match second {
                // Characters above U+FFFF are written as two escapes (RFC 8259 section 7).
                Some(second) if (0xd800..0xdc00).contains(&first) => {
                    push_char(out, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
                    11
                }
                _ => {
                    push_char(out, first);
                    5
                }
            }
        }
        [b'0'..=b'7', ..] => {
            let n_digits = tail.iter().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
            let code = tail
                .iter()
                .take(n_digits)
                .fold(0u32, |code, b| code << 3 | u32::from(b - b'0'));
            out.push(code as u8);
            n_digits
        }
        [b'n', ..] => one(b'\n', out),
        [b'r', ..] => one(b'\r', out),
        [b't', ..] => one(b'\t', out),
        [b @ (b'\'' | b'"' | b'`' | b'/' | b'\\'), ..] => one(*b, out),
        _ => 0,
    }
}

/// The second half of a surrogate pair, when an escape of one follows.
fn low_surrogate(rest: &[u8]) -> Option<u32> {
    let digits = rest.strip_prefix(b"\\u")?;
    let (code, n_digits) = hex(digits, 4);
    (n_digits == 4 && (0xdc00..0xe000).contains(&code)).then_some(code)
}

fn one(b: u8, out: &mut Vec<u8>) -> usize {
    out.push(b);
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        let mut out = Vec::new();
        let is_changed = decode(input.as_bytes(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert_eq!(is_changed, input != expected, "{input}");
        assert!(out.len() <= input.len());
    }

    #[test]
    fn references() {
        assert!(REFERENCES.is_sorted());
        check(r"\ud835\udc2e \ud835x \u0041", "𝐮 \u{fffd}x A");
        check("&lt;script&gt;", "<script>");
        check("&ltscript&gt", "<script>");
        check("&#60;&#x3c;&#0000060&#x00003Ci", "<<<<i");
        check("a&colon;b&Tab;&lpar;1&rpar;", "a:b\t(1)");
        check("a&b=1&c;&#;&#x;&unknown;&", "a&b=1&c;&#;&#x;&unknown;&");
    }

    #[test]
    fn escapes() {
        check(r"\x3cscript\u003e\u{3e}\74", "<script>><");
        check(r"\'\\\/", r"'\/");
        check(r"C:\windows\system", r"C:\windows\system");
        check(r"\x3\u12\u{}\", r"\x3\u12\u{}\");
    }
}
