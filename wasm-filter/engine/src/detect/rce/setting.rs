//! What surrounds the evidence: the place of a value, and whether it is prose.

use crate::detect::{Place, Value};

/// How ordinary code and commands are at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// A short value for the application: code has no business here.
    Parameter,
    /// A value that scripts of the application wrote, with separators of their own.
    Stored,
    /// What people write: commands are quoted and discussed here.
    Content,
    /// Free text of clients that nobody runs: comments in parentheses, lists with `;`.
    Remark,
}

/// A value's setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// How ordinary code is at the value's place.
    pub(super) trust: Trust,
    /// The value is long enough to be a document: an article, a log, a source file.
    pub(super) is_document: bool,
    /// The value was put together from pieces of a query that a stray `&` split.
    pub(super) is_split: bool,
}

/// Lines from which on a value is a document.
const DOCUMENT_LINES: usize = 10;

/// Bytes from which on a value is a document.
const DOCUMENT_BYTES: usize = 1024;

impl Setting {
    pub(super) fn of(value: &Value<'_>) -> Setting {
        let trust = match value.place {
            Place::Uri | Place::Path | Place::Query | Place::FileName => Trust::Parameter,
            Place::Cookie => Trust::Stored,
            Place::Body | Place::Name | Place::UserAgent | Place::Header => Trust::Content,
            Place::RawBody | Place::File | Place::Referer => Trust::Remark,
        };
        let is_long = value.bytes.len() > DOCUMENT_BYTES;
        Setting {
            trust,
            is_document: matches!(value.place, Place::File | Place::RawBody)
                || is_long
                || value.bytes.starts_with(b"#!")
                || memchr::memmem::find(value.bytes, b"```").is_some()
                || memchr::memchr_iter(b'\n', value.bytes).count() >= DOCUMENT_LINES,
            is_split: false,
        }
    }
}

/// The parts of a query that a stray `&` split: from a parameter's value up to the next real parameter.
///
/// `q="&rm x&y=1` yields `"&rm x`: the browser of an attacker did not encode the `&` of the command.
pub(super) fn split_values(target: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let query = memchr::memchr(b'?', target).map_or(target.len(), |at| at + 1);
    let mut at = query;
    std::iter::from_fn(move || {
        while at < target.len() {
            let (start, end, n_strays) = next_value(target, at);
            at = end + 1;
            if n_strays > 0 {
                return target.get(start..end).map(|value| (start, value));
            }
        }
        None
    })
}

/// The value that begins at the parameter at `at`, with following pieces that have no `=`.
fn next_value(target: &[u8], at: usize) -> (usize, usize, usize) {
    let rest = target.get(at..).unwrap_or_default();
    let len = memchr::memchr(b'&', rest).unwrap_or(rest.len());
    let equals = memchr::memchr(b'=', rest.get(..len).unwrap_or_default());
    let start = at + equals.map_or(0, |equals| equals + 1);
    let mut end = at + len;
    let mut n_strays = 0;
    while let Some(b'&') = target.get(end) {
        let rest = target.get(end + 1..).unwrap_or_default();
        let len = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        let piece = rest.get(..len).unwrap_or_default();
        let name_len = memchr::memchr(b'=', piece);
        let is_parameter = name_len.is_some_and(|len| !piece.iter().take(len).any(u8::is_ascii_whitespace));
        if is_parameter {
            break;
        }
        n_strays += 1;
        end += 1 + len;
    }
    (start, end, n_strays)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stray_ampersands_are_joined() {
        let split = |target: &'static str| -> Vec<&str> {
            split_values(target.as_bytes())
                .map(|(_, value)| std::str::from_utf8(value).unwrap())
                .collect()
        };
        assert_eq!(split("/a?q=\"&rm x&y=1"), ["\"&rm x"]);
        assert_eq!(split("/a?a=1&b=2&c"), ["2&c"]);
        assert_eq!(split("/a?a=1&b=2"), Vec::<&str>::new());
        assert_eq!(split("/a"), Vec::<&str>::new());
    }
}
