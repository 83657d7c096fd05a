//! Text written as hexadecimal digits: `3c7363726970743e` or `0x3c73…`.
//!
//! Numbers and hashes are hexadecimal as well, so the result counts only when every byte of it reads as text.

use crate::prefilter::byte;

/// Kinds of bytes of which none occurs in hexadecimal text.
pub(crate) const NEVER: u64 = !(byte::LOWER | byte::UPPER | byte::DIGIT);

/// Shortest text that is tried, in digits. Shorter ones cannot carry a payload and are mostly numbers.
pub(crate) const MIN_DIGITS: usize = 8;

/// Appends the decoded form. Returns whether the input is text in hexadecimal digits.
pub(crate) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    let digits = match input {
        [b'0', b'x' | b'X', digits @ ..] => digits,
        _ => input,
    };
    if digits.len() < MIN_DIGITS || digits.len() % 2 != 0 {
        return false;
    }
    let start = out.len();
    let mut has_other_than_digits = false;
    for pair in digits.chunks_exact(2) {
        let (code, n_digits) = super::hex(pair, 2);
        let b = code as u8;
        // PERF: most numbers and hashes fail within their first bytes.
        if n_digits != 2 || !is_text(b) {
            return false;
        }
        has_other_than_digits |= !b.is_ascii_digit();
        out.push(b);
    }
    let decoded = out.get(start..).unwrap_or_default();
    has_other_than_digits && std::str::from_utf8(decoded).is_ok()
}

fn is_text(b: u8) -> bool {
    matches!(b, 0x20..=0x7e | b'\t' | b'\r' | b'\n' | 0x80..=0xf4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Option<&str>) {
        let mut out = b"kept".to_vec();
        let is_text = decode(input.as_bytes(), &mut out);
        let decoded = is_text.then(|| String::from_utf8_lossy(&out[4..]).into_owned());
        assert_eq!(decoded.as_deref(), expected, "{input}");
    }

    #[test]
    fn text_is_decoded() {
        check("3c7363726970743e", Some("<script>"));
        check("0x27204F5220313D31", Some("' OR 1=1"));
        check("0X2e2e2f2e", Some("../."));
        check("c3a9c3a93c3e", Some("\u{e9}\u{e9}<>"));
    }

    #[test]
    fn numbers_hashes_and_short_values_are_not() {
        for value in [
            "",
            "41",
            "0x",
            "0x41",
            "deadbeef",
            "20240101",
            "1700000000",
            "3132333435363738",
            "d41d8cd98f00b204e9800998ecf8427e",
            "550e8400e29b41d4a716446655440000",
            "3c7363726970743",
            "3c7363726970743g",
        ] {
            check(value, None);
        }
    }
}
