//! Multipart bodies (RFC 2046 section 5.1, RFC 7578), split simply and leniently.

/// Longest boundary (RFC 2046 section 5.1.1).
const MAX_BOUNDARY_BYTES: usize = 70;

/// The boundary that a content type declares; owned, without allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boundary {
    bytes: [u8; MAX_BOUNDARY_BYTES],
    length: usize,
}

impl Boundary {
    /// Finds the boundary parameter of a content type. None when it is missing or too long.
    pub(crate) fn of(content_type: &[u8]) -> Option<Boundary> {
        let value = parameter(content_type, b"boundary").filter(|value| !value.is_empty())?;
        let mut bytes = [0; MAX_BOUNDARY_BYTES];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Boundary {
            bytes,
            length: value.len(),
        })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// One part of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    /// Parameter `name` of its disposition; empty when missing.
    pub(crate) name: &'a [u8],
    /// Parameter `filename` of its disposition, when it is a file.
    pub(crate) file_name: Option<&'a [u8]>,
    /// Everything after its header.
    pub(crate) content: &'a [u8],
}

/// Iterates over the parts of a body. A body without the boundary has none.
pub(crate) fn parts<'a>(body: &'a [u8], boundary: &'a Boundary) -> impl Iterator<Item = Part<'a>> {
    let mut rest = next_delimiter(body, boundary).map(|(_, after)| after);
    std::iter::from_fn(move || {
        let current = rest.take()?;
        if current.starts_with(b"--") {
            return None;
        }
        let (part, after) = match next_delimiter(current, boundary) {
            Some((part, after)) => (part, Some(after)),
            None => (current, None),
        };
        rest = after;
        Some(read_part(part))
    })
}

/// Splits at the next delimiter, without the line break that belongs to it.
fn next_delimiter<'a>(bytes: &'a [u8], boundary: &Boundary) -> Option<(&'a [u8], &'a [u8])> {
    let boundary = boundary.as_bytes();
    let mut from = 0;
    loop {
        let at = from + memchr::memmem::find(bytes.get(from..)?, boundary)?;
        let before = bytes.get(..at)?;
        if let Some(before) = before.strip_suffix(b"--") {
            let before = before.strip_suffix(b"\n").unwrap_or(before);
            let before = before.strip_suffix(b"\r").unwrap_or(before);
            return Some((before, bytes.get(at + boundary.len()..)?));
        }
        from = at + boundary.len();
    }
}

fn read_part(part: &[u8]) -> Part<'_> {
    let part = part.strip_prefix(b"\r").unwrap_or(part);
    let part = part.strip_prefix(b"\n").unwrap_or(part);
    // A part without header fields begins with the empty line.
    let bare = part.strip_prefix(b"\r\n").or_else(|| part.strip_prefix(b"\n"));
    if let Some(content) = bare {
        return Part {
            name: &[],
            file_name: None,
            content,
        };
    }
    let (head, content) = [&b"\r\n\r\n"[..], b"\n\n"]
        .iter()
        .filter_map(|gap| {
            let at = memchr::memmem::find(part, gap)?;
            Some((part.get(..at)?, part.get(at + gap.len()..)?))
        })
        .min_by_key(|(head, _)| head.len())
        .unwrap_or((&[], part));
    let disposition = head
        .split(|b| *b == b'\n')
        .find(|line| starts_with_ignore_case(line, b"content-disposition:"))
        .unwrap_or_default();
    Part {
        name: parameter(disposition, b"name").unwrap_or_default(),
        file_name: parameter(disposition, b"filename").or_else(|| parameter(disposition, b"filename*")),
        content,
    }
}

/// A parameter of a header value: `; name=value` or `; name="value"`, quotes removed, escapes kept.
pub(crate) fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = value.get(memchr::memchr(b';', value)?..)?;
    while let [b';', tail @ ..] = rest {
        let tail = tail.trim_ascii_start();
        let equals = tail.iter().position(|b| matches!(b, b'=' | b';'))?;
        let (this, tail) = tail.split_at_checked(equals)?;
        let tail = match tail {
            [b'=', tail @ ..] => tail.trim_ascii_start(),
            _ => {
                rest = tail;
                continue;
            }
        };
        let (found, after) = match tail {
            [b'"', tail @ ..] => {
                let end = quoted_end(tail);
                let after = tail.get(end..)?;
                let semicolon = memchr::memchr(b';', after).unwrap_or(after.len());
                (tail.get(..end)?, after.get(semicolon..)?)
            }
            _ => {
                let end = memchr::memchr(b';', tail).unwrap_or(tail.len());
                let (found, after) = tail.split_at_checked(end)?;
                (found.trim_ascii_end(), after)
            }
        };
        if this.trim_ascii_end().eq_ignore_ascii_case(name) {
            return Some(found);
        }
        rest = after;
    }
    None
}

/// Where a quoted string ends: at a quote that no backslash precedes, or with the value.
fn quoted_end(tail: &[u8]) -> usize {
    let mut is_escaped = false;
    tail.iter()
        .position(|b| {
            let is_end = *b == b'"' && !is_escaped;
            is_escaped = *b == b'\\' && !is_escaped;
            is_end
        })
        .unwrap_or(tail.len())
}

fn starts_with_ignore_case(line: &[u8], prefix: &[u8]) -> bool {
    line.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_split() {
        let boundary = Boundary::of(b"multipart/form-data; charset=utf-8; boundary=\"xyz\"").unwrap();
        let body = b"preamble\r\n--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n\
            --xyz\r\ncontent-type: text/plain\r\ncontent-disposition: form-data; name=f; filename=\"x;\\\"y.txt\"\r\n\r\nfile\r\n--xyz--\r\nepilogue";
        let found: Vec<_> = parts(body, &boundary).collect();
        let expected = [
            Part {
                name: b"a",
                file_name: None,
                content: b"1\r\n2",
            },
            Part {
                name: b"f",
                file_name: Some(b"x;\\\"y.txt"),
                content: b"file",
            },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn cut_and_odd_bodies_lose_nothing() {
        let boundary = Boundary::of(b"multipart/form-data;boundary=xyz").unwrap();
        let found: Vec<_> = parts(b"--xyz\nno header\n--xyz\n\nname only", &boundary).collect();
        assert_eq!(
            found.iter().map(|part| part.content).collect::<Vec<_>>(),
            [&b"no header"[..], b"name only"]
        );
        assert_eq!(parts(b"nothing", &boundary).count(), 0);
        assert!(Boundary::of(b"multipart/form-data").is_none());
        assert!(Boundary::of(&[b"a;boundary=".to_vec(), vec![b'x'; 71]].concat()).is_none());
    }
}
