//! Access to bytes that cannot fail: what lies beyond the end reads as NUL or as nothing.

use std::ops::Range;

/// The byte at a position, NUL beyond the end.
#[inline]
pub(super) fn at(text: &[u8], i: usize) -> u8 {
    text.get(i).copied().unwrap_or(0)
}

/// The bytes of a span, nothing when the span is not inside.
#[inline]
pub(super) fn part(text: &[u8], span: Range<usize>) -> &[u8] {
    text.get(span).unwrap_or_default()
}

/// Everything from a position on.
#[inline]
pub(super) fn tail(text: &[u8], from: usize) -> &[u8] {
    text.get(from..).unwrap_or_default()
}

/// White space between attributes. Source: WHATWG HTML, 13.2.5.32 "Before attribute name state".
#[inline]
pub(super) fn is_space(b: u8) -> bool {
    matches!(b, b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

/// A control byte that is not white space. Some browsers skip it where others do not, so it separates and is skipped.
#[inline]
pub(super) fn is_control(b: u8) -> bool {
    (b < 0x20 && !is_space(b)) || b == 0x7f
}

/// The first place at or after `from` where `needle` (lower case) stands, in any letter case.
pub(super) fn find_fold(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let first = *needle.first()?;
    let mut i = from;
    while let Some(step) = memchr::memchr2(first, first.to_ascii_uppercase(), tail(text, i)) {
        let start = i + step;
        if part(text, start..start + needle.len()).eq_ignore_ascii_case(needle) {
            return Some(start);
        }
        i = start + 1;
    }
    None
}

/// A name in lower case without NUL bytes, of at most [`Name::MAX_BYTES`].
#[derive(Clone, Copy)]
pub(super) struct Name {
    letters: [u8; Name::MAX_BYTES],
    n_letters: usize,
    /// The name mixes cases within a word, as `ScRiPt` does, or hides NUL bytes.
    pub(super) is_odd: bool,
}

impl Name {
    /// Longest name kept. Longer names are cut, and no name of interest is as long.
    pub(super) const MAX_BYTES: usize = 48;

    /// Reads a name.
    pub(super) fn read(raw: &[u8]) -> Name {
        let mut name = Name {
            letters: [0; Name::MAX_BYTES],
            n_letters: 0,
            is_odd: false,
        };
        let mut previous = 0u8;
        let mut n_turns = 0;
        for &b in raw.iter().take(2 * Name::MAX_BYTES) {
            if b == 0 {
                name.is_odd = true;
                continue;
            }
            let Some(slot) = name.letters.get_mut(name.n_letters) else {
                break;
            };
            *slot = b.to_ascii_lowercase();
            name.n_letters += 1;
            if previous.is_ascii_lowercase() && b.is_ascii_uppercase() {
                n_turns += 1;
            }
            previous = b;
        }
        name.is_odd |= n_turns > 1;
        name
    }

    /// The name.
    pub(super) fn as_bytes(&self) -> &[u8] {
        part(&self.letters, 0..self.n_letters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_case_and_drop_nul() {
        let name = Name::read(b"ScR\0iPt");
        assert_eq!((name.as_bytes(), name.is_odd), (b"script".as_slice(), true));
        assert!(!Name::read(b"onClick").is_odd);
        assert_eq!(Name::read(&[b'a'; 99]).as_bytes().len(), Name::MAX_BYTES);
    }

    #[test]
    fn search_ignores_case() {
        assert_eq!(find_fold(b"xx</SCRIPT>", b"</script", 0), Some(2));
        assert_eq!(find_fold(b"script", b"scripts", 0), None);
    }
}
