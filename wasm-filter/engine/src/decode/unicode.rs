//! Characters that a back end turns into ASCII after a filter has looked: forms of UTF-8 that are longer than needed,
//! compatibility characters that normalisation folds, and look-alikes that narrow code pages replace ("best fit").
//!
//! Sources: RFC 3629 section 10 (overlong forms), Unicode Standard Annex 15 (NFKC), Microsoft `bestfit1252.txt`.

use super::push_char;

/// Appends the folded form. Returns whether anything was folded that can carry syntax or letters of a payload; the
/// punctuation of East Asian prose alone is no reason to judge a text twice.
pub(crate) fn fold(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut is_folded = false;
    let mut rest = input;
    while !rest.is_empty() {
        // PERF: plain ASCII is copied run by run.
        let plain = rest.iter().position(|b| *b >= 0x80).unwrap_or(rest.len());
        let (run, tail) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        out.extend_from_slice(run);
        let Some((code, n_bytes, is_overlong)) = sequence(tail) else {
            out.extend(tail.first());
            rest = tail.get(1..).unwrap_or_default();
            continue;
        };
        match ascii(code) {
            _ if is_overlong => {
                is_folded |= code < 0x80;
                push_char(out, code);
            }
            Some(folded) => {
                is_folded |= !is_punctuation_of_prose(code);
                out.push(folded);
            }
            None => out.extend_from_slice(tail.get(..n_bytes).unwrap_or_default()),
        }
        rest = tail.get(n_bytes..).unwrap_or_default();
    }
    is_folded
}

/// Reads a sequence of UTF-8 that begins beyond ASCII, as lax decoders do: the character, how many bytes it took, and
/// whether it is longer than needed.
fn sequence(bytes: &[u8]) -> Option<(u32, usize, bool)> {
    let (first, n_bytes, least) = match *bytes.first()? {
        b @ 0xc0..=0xdf => (b & 0x1f, 2, 0x80),
        b @ 0xe0..=0xef => (b & 0x0f, 3, 0x800),
        b @ 0xf0..=0xf7 => (b & 0x07, 4, 0x1_0000),
        b @ 0xf8..=0xfb => (b & 0x03, 5, 0x20_0000),
        b @ 0xfc..=0xfd => (b & 0x01, 6, 0x400_0000),
        _ => return None,
    };
    let mut code = u32::from(first);
    for b in bytes.get(1..n_bytes)? {
        if b & 0xc0 != 0x80 {
            return None;
        }
        code = code << 6 | u32::from(b & 0x3f);
    }
    Some((code, n_bytes, code < least))
}

/// The ASCII character that a compatibility character or look-alike becomes.
pub(super) fn ascii(code: u32) -> Option<u8> {
    let letter = |nth: u32, first: u8| Some(first + (nth % 26) as u8);
    let folded = match code {
        0xff01..=0xff5e => (code - 0xfee0) as u8,
        0x02b9 | 0x02bc | 0x02c8 | 0x2032 => b'\'',
        0x02ba | 0x2033 => b'"',
        0x2035 | 0x02cb => b'`',
        0x2044 | 0x2215 | 0x29f8 | 0xf025 => b'/',
        0x2216 | 0x29f9 | 0xefc8 | 0xfe68 => b'\\',
        0x2329 | 0xfe64 | 0x276e => b'<',
        0x232a | 0xfe65 | 0x276f => b'>',
        0x2024 | 0xfe52 | 0xff61 => b'.',
        0x2223 => b'|',
        0x037e | 0xfe54 => b';',
        0xfe50 => b',',
        0xfe55 => b':',
        0xfe56 => b'?',
        0xfe57 => b'!',
        0xfe59 => b'(',
        0xfe5a => b')',
        0xfe5b => b'{',
        0xfe5c => b'}',
        0xfe5f => b'#',
        0xfe60 => b'&',
        0xfe61 => b'*',
        0xfe62 => b'+',
        0xfe63 => b'-',
        0xfe66 => b'=',
        0xfe69 => b'$',
        0xfe6a => b'%',
        0xfe6b => b'@',
        0x017f => b's',
        0x212a => b'k',
        0x24b6..=0x24cf => return letter(code - 0x24b6, b'A'),
        0x24d0..=0x24e9 => return letter(code - 0x24d0, b'a'),
        // Thirteen styles of mathematical letters, upper case then lower case.
        0x1d400..=0x1d6a3 => {
            let nth = (code - 0x1d400) % 52;
            return letter(nth, if nth < 26 { b'A' } else { b'a' });
        }
        0x1d7ce..=0x1d7ff => b'0' + ((code - 0x1d7ce) % 10) as u8,
        _ => return None,
    };
    Some(folded)
}

/// Full-width punctuation of Chinese and Japanese prose, and primes of coordinates, which alone carry nothing.
fn is_punctuation_of_prose(code: u32) -> bool {
    matches!(
        code,
        0xff01
            | 0xff08
            | 0xff09
            | 0xff0c
            | 0xff0d
            | 0xff0e
            | 0xff1a
            | 0xff1b
            | 0xff1f
            | 0xff3b
            | 0xff3d
            | 0xff3f
            | 0xff5e
            | 0xff61
            | 0x2032
            | 0x2033
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &[u8], is_folded: bool, expected: &str) {
        let mut out = Vec::new();
        assert_eq!(fold(input, &mut out), is_folded, "{expected}");
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn overlong_forms_become_what_lax_decoders_read() {
        check(b"..\xc0\xaf..\xe0\x80\xaf\xf0\x80\x80\xafetc", true, "../..//etc");
        check(b"\xf8\x80\x80\x80\xaf\xfc\x80\x80\x80\x80\xaf", true, "//");
        check(b"\xc0\xbcscript\xc0\xbe", true, "<script>");
        check(
            "caf\u{e9} \u{20ac} \u{1f600}".as_bytes(),
            false,
            "caf\u{e9} \u{20ac} \u{1f600}",
        );
        check(b"\xc3(\xe9t\xe9", false, "\u{fffd}(\u{fffd}t\u{fffd}");
    }

    #[test]
    fn compatibility_characters_become_ascii() {
        check("\u{ff1c}\u{ff53}cript\u{ff1e}".as_bytes(), true, "<script>");
        check("1\u{02bc} or 1=1".as_bytes(), true, "1' or 1=1");
        check("\u{fe64}b\u{fe65}".as_bytes(), true, "<b>");
        check("\u{24e4}\u{1d427}\u{1d422}\u{1d428}\u{1d427}".as_bytes(), true, "union");
        check("\u{212a}\u{17f}".as_bytes(), true, "ks");
    }

    #[test]
    fn prose_is_left_alone() {
        for prose in [
            "\u{4ef7}\u{683c}\u{ff08}\u{542b}\u{7a0e}\u{ff09}\u{ff1a}100\u{ff0c}\u{597d}\u{ff01}",
            "don\u{2019}t \u{201c}quote\u{201d} \u{2013} me\u{2026}",
            "52\u{b0}31\u{2032}12\u{2033} N",
            "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}",
        ] {
            assert!(!fold(prose.as_bytes(), &mut Vec::new()), "{prose}");
        }
    }

    proptest! {
        #[test]
        fn output_is_never_longer(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut out = Vec::new();
            fold(&bytes, &mut out);
            prop_assert!(out.len() <= bytes.len());
        }
    }
}
