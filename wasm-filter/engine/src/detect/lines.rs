//! Lines as a receiver of injected text reads them: CR, LF, and characters that become CR or LF when their upper byte
//! is cut off.

/// A line that follows a line break.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'v> {
    /// Where the break before it begins.
    pub(super) break_at: usize,
    /// Where it begins.
    pub(super) start: usize,
    /// The line and everything after it.
    pub(super) rest: &'v [u8],
}

/// Every line but the first; several breaks in a row count as one.
pub(super) fn after_breaks(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let break_at = next_break(bytes, at)?;
        let mut start = break_at;
        while let Some(len) = break_len(bytes.get(start..).unwrap_or_default()) {
            start += len;
        }
        at = start;
        let rest = bytes.get(start..).unwrap_or_default();
        Some(Line { break_at, start, rest })
    })
}

fn next_break(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len()).find(|at| break_len(bytes.get(*at..).unwrap_or_default()).is_some())
}

/// Length of the line break at the front. Of U+560A and U+560D some servers keep only the lower byte, of U+010A and
/// U+010D old versions of Node.js (CVE-2018-12116); both are letters, so only the pair of the latter is telling.
fn break_len(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'\r' | b'\n', ..] => Some(1),
        [0xe5, 0x98, 0x8a | 0x8d, ..] => Some(3),
        [0xc4, 0x8d, 0xc4, 0x8a, ..] => Some(4),
        _ => None,
    }
}

/// The first line of some text, at most `limit` bytes of it.
pub(super) fn first(rest: &[u8], limit: usize) -> &[u8] {
    let rest = rest.get(..limit).unwrap_or(rest);
    let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// The name and value of a header field at the front of a line. The value ends with the line and loses its outer
/// blanks; both are cut at 128 bytes.
pub(super) fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_token = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'-';
    let len = line.iter().take(48).take_while(is_token).count();
    let (name, tail) = line.split_at_checked(len)?;
    let blanks = tail.iter().take(8).take_while(|b| matches!(b, b' ' | b'\t')).count();
    let value = tail.get(blanks..)?.strip_prefix(b":")?;
    (!name.is_empty()).then(|| (name, first(value, 128).trim_ascii()))
}

/// Whether one of the names equals this one without case.
pub(super) fn is_one_of(name: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Counts words separated by white space, up to a limit.
pub(super) fn n_words(bytes: &[u8], limit: usize) -> usize {
    let words = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.take(limit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_follow_breaks_of_any_form() {
        let starts = |text: &str| after_breaks(text.as_bytes()).map(|line| line.start).collect::<Vec<_>>();
        assert_eq!(starts("a\r\nb\n\nc"), [3, 6]);
        assert_eq!(starts("a\u{560d}\u{560a}b"), [7]);
        assert_eq!(starts("\u{10d}\u{10a}b\u{10d}c"), [4]);
        assert!(starts("abc").is_empty());
        assert_eq!(field(b"Set-Cookie : a=b\r\nx"), Some((&b"Set-Cookie"[..], &b"a=b"[..])));
        assert_eq!(field(b"no field"), None);
    }
}
