//! Character references inside attribute values.

use super::text::{at, part, tail};
use crate::decode::htmljs;

/// Longest value decoded, in bytes.
pub(super) const MAX_DECODED_BYTES: usize = 4096;

/// Decodes character references of `raw` into `out`, at most [`MAX_DECODED_BYTES`] of input. False when there were
/// none; `out` then holds a copy.
pub(super) fn decode(raw: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let raw = part(raw, 0..raw.len().min(MAX_DECODED_BYTES));
    let mut any = false;
    let mut i = 0;
    while i < raw.len() {
        let length = match at(raw, i) {
            b'&' => htmljs::reference(tail(raw, i + 1), out),
            _ => 0,
        };
        if length == 0 {
            out.push(at(raw, i));
        }
        any |= length > 0;
        i += 1 + length;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &str) {
        let mut out = Vec::new();
        decode(raw.as_bytes(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{raw}");
    }

    #[test]
    fn references() {
        check("javas&#99;ript&colon;a&lpar;1&rpar;", "javascript:a(1)");
        check("&#x0006A&#97v&#x61;&NewLine;x", "java\nx");
        check("a&b=c&nothing;&#;&", "a&b=c&nothing;&#;&");
        check("&#8232;&#99999999;", "\u{2028}\u{fffd}");
    }
}
