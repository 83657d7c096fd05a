//! Character sets in which ASCII does not look like ASCII: UTF-16, UTF-32, UTF-7 and EBCDIC.
//!
//! Applications honour them when a content type or an XML declaration names them, or when a byte order mark or the first
//! bytes of a document show them (XML 1.0 appendix F, RFC 4627 section 3), while a filter that expects ASCII sees noise.
//! Other character sets keep ASCII as it is and need no decoding to be judged.

use super::push_char;

/// A character set that hides ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// UTF-16 (RFC 2781); the byte order is shown by a mark or by the first character, else little-endian as browsers
    /// have it.
    Utf16,
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
    /// RFC 2152.
    Utf7,
    /// EBCDIC of the United States.
    Ibm037,
    /// International EBCDIC.
    Ibm500,
    /// EBCDIC of Unix services on mainframes.
    Ibm1047,
}

/// Longest label that is compared, in bytes, without what separates its parts.
const MAX_LABEL_BYTES: usize = 24;

/// Labels, in lower case and without separators, by character set. Source: IANA character sets.
const LABELS: &[(&[u8], Charset)] = &[
    (b"utf16", Charset::Utf16),
    (b"ucs2", Charset::Utf16),
    (b"iso10646ucs2", Charset::Utf16),
    (b"csiso10646ucs2", Charset::Utf16),
    (b"csunicode", Charset::Utf16),
    (b"unicode", Charset::Utf16),
    (b"utf16le", Charset::Utf16Le),
    (b"ucs2le", Charset::Utf16Le),
    (b"utf16be", Charset::Utf16Be),
    (b"ucs2be", Charset::Utf16Be),
    (b"unicodefffe", Charset::Utf16Be),
    (b"utf32", Charset::Utf32Be),
    (b"ucs4", Charset::Utf32Be),
    (b"iso10646ucs4", Charset::Utf32Be),
    (b"utf32be", Charset::Utf32Be),
    (b"ucs4be", Charset::Utf32Be),
    (b"utf32le", Charset::Utf32Le),
    (b"ucs4le", Charset::Utf32Le),
    (b"utf7", Charset::Utf7),
    (b"unicode11utf7", Charset::Utf7),
    (b"csutf7", Charset::Utf7),
    (b"ibm037", Charset::Ibm037),
    (b"ibm37", Charset::Ibm037),
    (b"cp037", Charset::Ibm037),
    (b"csibm037", Charset::Ibm037),
    (b"ebcdiccpus", Charset::Ibm037),
    (b"ebcdiccpca", Charset::Ibm037),
    (b"ebcdiccpnl", Charset::Ibm037),
    (b"ebcdiccpwt", Charset::Ibm037),
    (b"ibm1140", Charset::Ibm037),
    (b"ibm01140", Charset::Ibm037),
    (b"cp1140", Charset::Ibm037),
    (b"ibm500", Charset::Ibm500),
    (b"cp500", Charset::Ibm500),
    (b"csibm500", Charset::Ibm500),
    (b"ebcdiccpbe", Charset::Ibm500),
    (b"ebcdiccpch", Charset::Ibm500),
    (b"ibm1148", Charset::Ibm500),
    (b"cp1148", Charset::Ibm500),
    (b"ibm1047", Charset::Ibm1047),
    (b"ibm01047", Charset::Ibm1047),
    (b"cp1047", Charset::Ibm1047),
];

/// Characters at the start of documents.
const FIRST: &[u8] = b"<{[\"' \t\r\n";

impl Charset {
    /// The character set of a label. None for one that keeps ASCII, and for one that is unknown.
    pub(crate) fn named(label: &[u8]) -> Option<Charset> {
        let mut plain = [0; MAX_LABEL_BYTES];
        let mut length = 0;
        for b in label
            .iter()
            .filter(|b| !matches!(b, b'-' | b'_' | b':' | b'.' | b' ' | b'"' | b'\''))
        {
            *plain.get_mut(length)? = b.to_ascii_lowercase();
            length += 1;
        }
        let plain = plain.get(..length)?;
        let found = LABELS.iter().find(|(known, _)| *known == plain);
        found.map(|(_, charset)| *charset)
    }

    /// The character set that the first bytes of a document show.
    pub(crate) fn of(bytes: &[u8]) -> Option<Charset> {
        match bytes {
            [0xff, 0xfe, 0, 0, ..] => Some(Charset::Utf32Le),
            [0, 0, 0xfe, 0xff, ..] => Some(Charset::Utf32Be),
            [0xff, 0xfe, ..] => Some(Charset::Utf16Le),
            [0xfe, 0xff, ..] => Some(Charset::Utf16Be),
            [0, 0, 0, b, ..] if FIRST.contains(b) => Some(Charset::Utf32Be),
            [b, 0, 0, 0, ..] if FIRST.contains(b) => Some(Charset::Utf32Le),
            [0, b, 0, _, ..] if FIRST.contains(b) => Some(Charset::Utf16Be),
            [b, 0, _, 0, ..] if FIRST.contains(b) => Some(Charset::Utf16Le),
            // `<?xml`.
            [0x4c, 0x6f, 0xa7, 0x94, 0x93, ..] => Some(Charset::Ibm037),
            _ => None,
        }
    }
}

/// How many times longer than its input the output may be.
pub(crate) const MAX_GROWTH: usize = 2;

/// Appends the input in UTF-8. What is malformed becomes replacement characters.
pub(crate) fn transcode(input: &[u8], charset: Charset, out: &mut Vec<u8>) {
    match charset {
        Charset::Utf16 => match Charset::of(input) {
            Some(shown @ (Charset::Utf16Le | Charset::Utf16Be)) => transcode(input, shown, out),
            _ => wide(input, u16::from_le_bytes, out),
        },
        Charset::Utf16Le => wide(input, u16::from_le_bytes, out),
        Charset::Utf16Be => wide(input, u16::from_be_bytes, out),
        Charset::Utf32Le => widest(input, u32::from_le_bytes, out),
        Charset::Utf32Be => widest(input, u32::from_be_bytes, out),
        Charset::Utf7 => utf7(input, out),
        Charset::Ibm037 => ebcdic(input, &[], out),
        Charset::Ibm500 => ebcdic(input, IBM500, out),
        Charset::Ibm1047 => ebcdic(input, IBM1047, out),
    }
}

fn wide(input: &[u8], unit: fn([u8; 2]) -> u16, out: &mut Vec<u8>) {
    let units = input.chunks_exact(2).map(|pair| match pair {
        [a, b] => unit([*a, *b]),
        _ => 0,
    });
    push_units(units, out);
}

/// Appends characters of UTF-16, without the byte order mark.
fn push_units(units: impl Iterator<Item = u16>, out: &mut Vec<u8>) {
    let start = out.len();
    for c in char::decode_utf16(units) {
        let code = c.map_or(0xfffd, u32::from);
        if code != 0xfeff || out.len() > start {
            push_char(out, code);
        }
    }
}

fn widest(input: &[u8], unit: fn([u8; 4]) -> u32, out: &mut Vec<u8>) {
    let start = out.len();
    for four in input.chunks_exact(4) {
        let [a, b, c, d] = four else { continue };
        let code = unit([*a, *b, *c, *d]);
        if code != 0xfeff || out.len() > start {
            push_char(out, code);
        }
    }
}

fn utf7(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    while let Some(at) = memchr::memchr(b'+', rest) {
        let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let tail = tail.get(1..).unwrap_or_default();
        if let [b'-', after @ ..] = tail {
            out.push(b'+');
            rest = after;
            continue;
        }
        let n_digits = tail.iter().take_while(|b| digit(**b).is_some()).count();
        let (digits, after) = tail.split_at_checked(n_digits).unwrap_or((tail, &[]));
        let mut bits = 0u32;
        let mut n_bits = 0;
        let units = digits.iter().filter_map(|b| {
            bits = bits << 6 | digit(*b)?;
            n_bits += 6;
            (n_bits >= 16).then(|| {
                n_bits -= 16;
                (bits >> n_bits) as u16
            })
        });
        if n_digits == 0 {
            out.push(b'+');
        }
        push_units(units, out);
        rest = after.strip_prefix(b"-").filter(|_| n_digits > 0).unwrap_or(after);
    }
    out.extend_from_slice(rest);
}

/// A digit of base64 as UTF-7 uses it.
fn digit(b: u8) -> Option<u32> {
    let value = match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

fn ebcdic(input: &[u8], differences: &[(u8, u8)], out: &mut Vec<u8>) {
    for b in input {
        let own = differences.iter().find(|(code, _)| code == b).map(|(_, c)| *c);
        let c = own.or_else(|| IBM037.get(usize::from(*b)).copied()).unwrap_or(b'?');
        push_char(out, u32::from(c));
    }
}

/// Where IBM500 differs from [`IBM037`].
const IBM500: &[(u8, u8)] = &[
    (0x4a, b'['),
    (0x4f, b'!'),
    (0x5a, b']'),
    (0x5f, b'^'),
    (0xb0, 0xa2),
    (0xba, 0xac),
    (0xbb, b'|'),
];

/// Where IBM1047 differs from [`IBM037`].
const IBM1047: &[(u8, u8)] = &[
    (0x15, b'\n'),
    (0x25, 0x85),
    (0x5f, b'^'),
    (0xad, b'['),
    (0xb0, 0xac),
    (0xba, 0xdd),
    (0xbb, 0xa8),
    (0xbd, b']'),
];

/// Characters of Latin-1 by code. Source: IBM, code page 37.
static IBM037: [u8; 256] = [
    0x00, 0x01, 0x02, 0x03, 0x9c, 0x09, 0x86, 0x7f, 0x97, 0x8d, 0x8e, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12,
    0x13, 0x9d, 0x85, 0x08, 0x87, 0x18, 0x19, 0x92, 0x8f, 0x1c, 0x1d, 0x1e, 0x1f, 0x80, 0x81, 0x82, 0x83, 0x84, 0x0a,
    0x17, 0x1b, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x05, 0x06, 0x07, 0x90, 0x91, 0x16, 0x93, 0x94, 0x95, 0x96, 0x04, 0x98,
    0x99, 0x9a, 0x9b, 0x14, 0x15, 0x9e, 0x1a, 0x20, 0xa0, 0xe2, 0xe4, 0xe0, 0xe1, 0xe3, 0xe5, 0xe7, 0xf1, 0xa2, 0x2e,
    0x3c, 0x28, 0x2b, 0x7c, 0x26, 0xe9, 0xea, 0xeb, 0xe8, 0xed, 0xee, 0xef, 0xec, 0xdf, 0x21, 0x24, 0x2a, 0x29, 0x3b,
    0xac, 0x2d, 0x2f, 0xc2, 0xc4, 0xc0, 0xc1, 0xc3, 0xc5, 0xc7, 0xd1, 0xa6, 0x2c, 0x25, 0x5f, 0x3e, 0x3f, 0xf8, 0xc9,
    0xca, 0xcb, 0xc8, 0xcd, 0xce, 0xcf, 0xcc, 0x60, 0x3a, 0x23, 0x40, 0x27, 0x3d, 0x22, 0xd8, 0x61, 0x62, 0x63, 0x64,
    0x65, 0x66, 0x67, 0x68, 0x69, 0xab, 0xbb, 0xf0, 0xfd, 0xfe, 0xb1, 0xb0, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70,
    0x71, 0x72, 0xaa, 0xba, 0xe6, 0xb8, 0xc6, 0xa4, 0xb5, 0x7e, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0xa1,
    0xbf, 0xd0, 0xdd, 0xde, 0xae, 0x5e, 0xa3, 0xa5, 0xb7, 0xa9, 0xa7, 0xb6, 0xbc, 0xbd, 0xbe, 0x5b, 0x5d, 0xaf, 0xa8,
    0xb4, 0xd7, 0x7b, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0xad, 0xf4, 0xf6, 0xf2, 0xf3, 0xf5, 0x7d,
    0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0xb9, 0xfb, 0xfc, 0xf9, 0xfa, 0xff, 0x5c, 0xf7, 0x53, 0x54,
    0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0xb2, 0xd4, 0xd6, 0xd2, 0xd3, 0xd5, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36,
    0x37, 0x38, 0x39, 0xb3, 0xdb, 0xdc, 0xd9, 0xda, 0x9f,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &[u8], charset: Charset, expected: &str) {
        let mut out = b"kept".to_vec();
        transcode(input, charset, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), format!("kept{expected}"));
    }

    #[test]
    fn labels_are_known_however_they_are_written() {
        for (label, charset) in [
            ("UTF-16", Some(Charset::Utf16)),
            ("utf_16le", Some(Charset::Utf16Le)),
            ("\"ibm-037\"", Some(Charset::Ibm037)),
            ("IBM500", Some(Charset::Ibm500)),
            ("x-unicode-1-1-utf-7-with-a-tail", None),
            ("UTF-7", Some(Charset::Utf7)),
            ("utf-8", None),
            ("iso-8859-1", None),
            ("", None),
        ] {
            assert_eq!(Charset::named(label.as_bytes()), charset, "{label}");
        }
    }

    #[test]
    fn first_bytes_show_the_character_set() {
        for (bytes, charset) in [
            (&b"\xff\xfea\0"[..], Some(Charset::Utf16Le)),
            (b"\xfe\xff\0a", Some(Charset::Utf16Be)),
            (b"<\0?\0", Some(Charset::Utf16Le)),
            (b"\0{\0\"", Some(Charset::Utf16Be)),
            (b"{\0\0\0", Some(Charset::Utf32Le)),
            (b"\0\0\0<", Some(Charset::Utf32Be)),
            (b"\x4c\x6f\xa7\x94\x93", Some(Charset::Ibm037)),
            (b"<?xml", None),
            (b"\0\0\0\0", None),
            (b"PK\x03\x04", None),
            (b"", None),
        ] {
            assert_eq!(Charset::of(bytes), charset, "{bytes:?}");
        }
    }

    #[test]
    fn text_is_transcoded() {
        let text = "<a>' or 1=1 -- [\u{e9}] \u{1f600}";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let widest: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        check(&little, Charset::Utf16, text);
        check(&big, Charset::Utf16, text);
        check(&[b"\xfe\xff", &big[..]].concat(), Charset::Utf16, text);
        check(&widest, Charset::Utf32Be, text);
        check(b"+ADw-script+AD4-alert+ACgAMQ)+-+", Charset::Utf7, "<script>alert(1)++");
        check(
            b"\x7d\x40\x96\x99\x40\xf1\x7e\xf1\x60\x60",
            Charset::Ibm037,
            "' or 1=1--",
        );
        check(b"\x4a\x5a\x4f", Charset::Ibm500, "[]!");
        check(b"\xba\xbb\x5a", Charset::Ibm037, "[]!");
        check(b"\xad\xbd\x15", Charset::Ibm1047, "[]\n");
    }

    proptest! {
        #[test]
        fn output_is_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..100), pieces in "[+A-Da-d0-9/ -]{0,40}") {
            for (_, charset) in LABELS {
                for input in [&bytes[..], pieces.as_bytes()] {
                    let mut out = Vec::new();
                    transcode(input, *charset, &mut out);
                    prop_assert!(out.len() <= MAX_GROWTH * input.len());
                }
            }
        }
    }
}
