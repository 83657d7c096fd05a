//! Base64, standard and URL-safe, with or without padding (RFC 4648 sections 4 and 5).
//!
//! Any word is base64 of something, so the result counts only when it reads like text or like a serialised object.

use crate::prefilter::byte;

/// Kinds of bytes of which none occurs in base64, not even in a broken form that is accepted.
pub(crate) const NEVER: u64 = !(byte::LOWER
    | byte::UPPER
    | byte::DIGIT
    | byte::PLUS
    | byte::MINUS
    | byte::SLASH
    | byte::UNDERSCORE
    | byte::EQUALS
    | byte::SPACE
    | byte::NEWLINE);

/// Shortest encoded form that is tried, in bytes. Shorter ones cannot carry a payload and are mostly words.
const MIN_BYTES: usize = 8;

/// Appends the decoded form. Returns whether the input is base64 of something plausible.
pub(crate) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    let n_padding = input.iter().rev().take_while(|b| **b == b'=').count();
    let body = input.get(..input.len() - n_padding).unwrap_or_default();
    if body.len() < MIN_BYTES || n_padding > 2 {
        return false;
    }
    let start = out.len();
    let mut bits = 0u32;
    let mut n_bits = 0;
    let mut n_digits = 0usize;
    for b in body {
        let digit = match VALUES.get(usize::from(*b)) {
            Some(digit @ 0..=63) => *digit,
            Some(&SKIP) => continue,
            _ => return false,
        };
        n_digits += 1;
        bits = bits << 6 | u32::from(digit);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            let decoded = (bits >> n_bits) as u8;
            out.push(decoded);
            let so_far = out.get(start..).unwrap_or_default();
            // PERF: most words fail within their first bytes; nothing else of them is decoded.
            if !is_texty(decoded) && !is_object(so_far) && !may_be_wide(so_far) {
                return false;
            }
        }
    }
    if n_digits % 4 == 1 {
        return false;
    }
    let decoded = out.get(start..).unwrap_or_default();
    if decoded.get(1) == Some(&0) && !is_object(decoded) {
        narrow(start, out);
        return true;
    }
    is_object(decoded) || std::str::from_utf8(decoded).is_ok()
}

/// Whether bytes read as ASCII in little-endian UTF-16, as PowerShell takes encoded commands.
fn may_be_wide(so_far: &[u8]) -> bool {
    let is_wide = |(position, b): (usize, &u8)| match position % 2 {
        0 => is_texty(*b),
        _ => *b == 0,
    };
    // Only the end is new, and only the beginning tells wide text from narrow.
    so_far.iter().enumerate().take(2).all(is_wide) && so_far.iter().enumerate().skip(so_far.len() - 1).all(is_wide)
}

/// Leaves out every second byte.
fn narrow(start: usize, out: &mut Vec<u8>) {
    let n_bytes = (out.len() - start).div_ceil(2);
    for nth in 0..n_bytes {
        if let Some(b) = out.get(start + 2 * nth).copied()
            && let Some(kept) = out.get_mut(start + nth)
        {
            *kept = b;
        }
    }
    out.truncate(start + n_bytes);
}

/// The base64 text of a URL that holds its content (RFC 2397): `data:text/html;base64,…`.
pub(crate) fn of_data_url(value: &[u8]) -> Option<&[u8]> {
    const MAX_TYPE_BYTES: usize = 128;
    let (scheme, rest) = value.split_at_checked(5)?;
    let comma = memchr::memchr(b',', rest.get(..MAX_TYPE_BYTES).unwrap_or(rest))?;
    let is_encoded = rest
        .get(..comma)?
        .trim_ascii_end()
        .last_chunk::<7>()
        .is_some_and(|end| end.eq_ignore_ascii_case(b";base64"));
    (scheme.eq_ignore_ascii_case(b"data:") && is_encoded).then(|| rest.get(comma + 1..))?
}

/// Whether a byte occurs in text: printable, white space, part of a UTF-8 sequence, or one of the control bytes by which
/// payloads end strings or separate words.
fn is_texty(b: u8) -> bool {
    matches!(b, 0x20..=0x7e | b'\t'..=b'\r' | 0..=1 | 0x80..=0xf4)
}

/// Whether bytes begin like a binary structure that is known: a serialised object, view state of ASP.NET, or
/// compressed content, whose decoder tells whether it is one.
fn is_object(bytes: &[u8]) -> bool {
    const KNOWN: &[&[u8]] = &[
        &[0xac, 0xed, 0x00, 0x05],
        // Python's pickles, with the instruction that follows the version.
        &[0x80, 0x02, b'c'],
        &[0x80, 0x03, b'c'],
        &[0x80, 0x04, 0x95],
        &[0x80, 0x05, 0x95],
        &[0x1f, 0x8b, 0x08],
        &[0x78, 0x01],
        &[0x78, 0x5e],
        &[0x78, 0x9c],
        &[0x78, 0xda],
        &[0xff, 0x01],
    ];
    KNOWN
        .iter()
        .any(|known| known.starts_with(bytes) || bytes.starts_with(known))
}

/// Appends whatever the input is base64 of, up to the first byte that is no base64. Several encoded forms may follow one
/// another, each with padding, as gRPC-Web sends them.
pub(crate) fn decode_binary(input: &[u8], out: &mut Vec<u8>) {
    let mut bits = 0u32;
    let mut n_bits = 0;
    for b in input {
        match VALUES.get(usize::from(*b)) {
            Some(digit @ 0..=63) => {
                bits = bits << 6 | u32::from(*digit);
                n_bits += 6;
                if n_bits >= 8 {
                    n_bits -= 8;
                    out.push((bits >> n_bits) as u8);
                }
            }
            Some(&SKIP) => {}
            _ if *b == b'=' => n_bits = 0,
            _ => return,
        }
    }
}

const INVALID: u8 = 0xff;
/// Line breaks inside encoded text.
const SKIP: u8 = 0xfe;

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
static VALUES: [u8; 256] = {
    let mut values = [INVALID; 256];
    let mut digit = 0;
    while digit < 26 {
        values[b'A' as usize + digit] = digit as u8;
        values[b'a' as usize + digit] = digit as u8 + 26;
        digit += 1;
    }
    digit = 0;
    while digit < 10 {
        values[b'0' as usize + digit] = digit as u8 + 52;
        digit += 1;
    }
    values[b'+' as usize] = 62;
    values[b'-' as usize] = 62;
    // A plus sign that a form decoder took for a space.
    values[b' ' as usize] = 62;
    values[b'/' as usize] = 63;
    values[b'_' as usize] = 63;
    values[b'\r' as usize] = SKIP;
    values[b'\n' as usize] = SKIP;
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Option<&str>) {
        let mut out = b"kept".to_vec();
        let is_plausible = decode(input.as_bytes(), &mut out);
        let decoded = is_plausible.then(|| String::from_utf8_lossy(&out[4..]).into_owned());
        assert_eq!(decoded.as_deref(), expected, "{input}");
    }

    #[test]
    fn text_is_decoded() {
        check("PHNjcmlwdD4=", Some("<script>"));
        check("PHNjcmlwdD4", Some("<script>"));
        check("Pz8_Pz8-Pg", Some("?????>>"));
        check("JyBPUiAxPTEg\r\nLS0=", Some("' OR 1=1 --"));
        // UTF-16: `whoami`.
        check("dwBoAG8AYQBtAGkA", Some("whoami"));
        // A NUL ends strings and cuts what follows off.
        check("dwBoAG8AYQBtAGkAAA==", Some("whoami\0"));
        check("YWRhIG9yADE=", Some("ada or\x001"));
    }

    #[test]
    fn data_urls_are_split() {
        let split = |url: &str| of_data_url(url.as_bytes()).map(|text| String::from_utf8_lossy(text).into_owned());
        assert_eq!(split("data:text/html;base64,PHM+").as_deref(), Some("PHM+"));
        assert_eq!(split("DATA:;charset=x;BASE64 ,PHM+").as_deref(), Some("PHM+"));
        for url in [
            "data:text/html,<s>",
            "data:base64,x",
            "date:;base64,x",
            "data:",
            "",
            "data:;base64",
        ] {
            assert_eq!(split(url), None, "{url}");
        }
    }

    #[test]
    fn binary_forms_follow_one_another() {
        let mut out = Vec::new();
        decode_binary(b"AAE=/w==\r\nYWJj!YWJj", &mut out);
        assert_eq!(out, b"\x00\x01\xffabc");
    }

    #[test]
    fn words_numbers_and_tokens_are_not() {
        for word in [
            "username",
            "password123",
            "1234567890",
            "2024-01-01",
            "550e8400-e29b-41d4-a716-446655440000",
            "d41d8cd98f00b204e9800998ecf8427e",
            "hello world this is text",
            "====",
            "PHNjcmlwdD4=x",
        ] {
            check(word, None);
        }
    }
}
