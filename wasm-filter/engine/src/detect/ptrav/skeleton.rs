//! What is left of a path when everything that is no name is taken for a separator.
//!
//! Attackers try spellings of dots and separators that nothing but one broken decoder understands: `.?%bg%qf`, bytes
//! that are no character, `0x2f`. They cannot all be known, but between them the names of the file must be written
//! out. A value of such junk and the names of a secret file, in order and nothing else, is an attempt at that file.

use super::targets::{self, Weight};

/// Longest value read, in bytes.
const MAX_BYTES: usize = 1024;

/// Whether the value is junk followed by the names of a secret file, divided by junk. `path` is overwritten.
pub(super) fn names_secret(value: &[u8], path: &mut Vec<u8>) -> bool {
    path.clear();
    if value.len() > MAX_BYTES || value.first().is_some_and(u8::is_ascii_alphanumeric) {
        return false;
    }
    let (mut at, mut n_junk, mut has_trick) = (0, 0, false);
    let mut is_foreign = false;
    while let Some(rest) = value.get(at..).filter(|rest| !rest.is_empty()) {
        let len = junk_len(rest);
        match rest.first() {
            Some(_) if len > 0 => {
                has_trick |= !rest.starts_with(b"\\") && !is_ordinary_escape(rest);
                is_foreign |= matches!(rest, [0x80..=0xff, ..]);
                n_junk += len;
            }
            Some(b) if b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-') => {
                if n_junk > 0 && !path.is_empty() {
                    path.push(b'/');
                }
                path.push(b.to_ascii_lowercase());
                n_junk = 0;
            }
            // A dot within a name.
            Some(b'.') if n_junk == 0 && !path.is_empty() && rest.get(1).is_some_and(u8::is_ascii_alphanumeric) => {
                path.push(b'.');
            }
            Some(b'.' | b'/' | 1..=31) => n_junk += 1,
            Some(b'?') => {
                has_trick |= matches!(rest, [_, b'\\', ..]);
                n_junk += 1;
            }
            // Text has blanks, quotes and brackets.
            _ => return false,
        }
        at += len.max(1);
    }
    // Letters of other alphabets are junk only when they are none.
    let is_text = is_foreign && std::str::from_utf8(value).is_ok();
    has_trick && !is_text && matches!(targets::find(path), Some((weight, 0)) if weight > Weight::System)
}

/// Length of an encoding, real or broken, or of a byte that no name has. 0 for anything else.
fn junk_len(rest: &[u8]) -> usize {
    match rest {
        [b'%', b'u' | b'U', a, b, c, d, ..] if [a, b, c, d].iter().all(|b| b.is_ascii_hexdigit()) => 6,
        [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_alphanumeric() => 3,
        [b'%', a, b, ..] if a.is_ascii_alphanumeric() && b.is_ascii_hexdigit() => 3,
        [b'0', b'x' | b'X', b'2', b'f' | b'F', ..] | [b'0', b'x' | b'X', b'5', b'c' | b'C', ..] => 4,
        [b'\\' | 0x80..=0xff, ..] => 1,
        _ => 0,
    }
}

/// `%2F` and other proper escapes, which programs make; the decoded value is judged as well.
fn is_ordinary_escape(rest: &[u8]) -> bool {
    matches!(rest, [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_read_over_and_text_is_not() {
        let check = |value: &[u8]| names_secret(value, &mut Vec::new());
        let attacks: [&[u8]; 6] = [
            b".?%bg%qf.?%bg%qfboot.ini",
            b"??\xc0\xaf??\xc0\xafetc\xc0\xafpasswd",
            b"?.0x5c?.0x5cboot.ini",
            b"..\x01%bg%qf..\x01%bg%qfetc%bg%qfpasswd",
            b"\xf8\x80\x80\x80\xaeetc\\passwd",
            b"??\\boot.ini",
        ];
        for value in attacks {
            assert!(check(value), "{}", value.escape_ascii());
        }
        let texts: [&[u8]; 9] = [
            "什么是boot.ini".as_bytes(),
            b"?? what is boot.ini",
            b"(boot.ini)",
            b"boot.ini",
            b"...boot.ini",
            b"\\boot.ini",
            b"%2Fboot.ini",
            b"??\\readme.txt",
            b"",
        ];
        for value in texts {
            assert!(!check(value), "{}", value.escape_ascii());
        }
    }
}
