//! Multipart bodies (RFC 2046 section 5.1, RFC 7578), as lenient readers split them.

use crate::decode::charset::Charset;

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

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The boundary that a body itself begins with, when it reads as one of several parts.
pub(crate) fn shown_boundary(body: &[u8]) -> Option<&[u8]> {
    const MAX_BYTES: usize = 200;
    const MAX_HEAD_BYTES: usize = 1024;
    let tail = body.trim_ascii_start().strip_prefix(b"--")?;
    let line = tail.get(..MAX_BYTES).unwrap_or(tail);
    let end = line.iter().position(|b| matches!(b, b'\r' | b'\n'))?;
    let boundary = line.get(..end)?.trim_ascii_end();
    let head = tail.get(end..)?;
    let head = head.get(..MAX_HEAD_BYTES).unwrap_or(head).trim_ascii_start();
    let has_disposition = fields(head).any(|(name, _)| name.eq_ignore_ascii_case(DISPOSITION));
    (!boundary.is_empty() && has_disposition).then_some(boundary)
}

const DISPOSITION: &[u8] = b"content-disposition";

/// One part of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    /// Parameter `name` of its disposition; empty when missing.
    pub(crate) name: &'a [u8],
    /// A further name, which readers that take the last one see.
    pub(crate) other_name: Option<&'a [u8]>,
    /// Parameter `filename` of its disposition, or `filename*`, when it is a file.
    pub(crate) file_name: Option<&'a [u8]>,
    /// Whether some readers take a file for an ordinary field.
    pub(crate) is_field_too: bool,
    /// How its content is encoded for transfer (RFC 2045 section 6), where the content is not the text itself.
    pub(crate) encoding: Option<Transfer>,
    /// A character set that hides ASCII.
    pub(crate) charset: Option<Charset>,
    /// The boundary of parts within it.
    pub(crate) boundary: Option<&'a [u8]>,
    /// Its header fields.
    pub(crate) head: &'a [u8],
    /// Everything after its header.
    pub(crate) content: &'a [u8],
    /// Whether it stands before the first or behind the closing delimiter, and so is no part for most readers.
    pub(crate) is_outside: bool,
}

/// A transfer encoding that some readers undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    Base64,
    QuotedPrintable,
}

/// Where readers look for delimiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delimiters {
    /// At the start of a line (RFC 2046 section 5.1.1).
    AtLineStart,
    /// Anywhere.
    Anywhere,
}

/// Iterates over the parts of a body. A body without the boundary has none.
#[derive(Clone, Debug)]
pub(crate) struct Parts<'a> {
    boundary: &'a [u8],
    delimiters: Delimiters,
    rest: Option<&'a [u8]>,
    preamble: Option<&'a [u8]>,
    is_odd: bool,
}

/// Splits a body. Goes on behind the closing delimiter, as some readers do.
pub(crate) fn parts<'a>(body: &'a [u8], boundary: &'a [u8], delimiters: Delimiters) -> Parts<'a> {
    let mut parts = Parts {
        boundary,
        delimiters,
        rest: Some(body),
        preamble: None,
        is_odd: false,
    };
    parts.preamble = parts.split();
    if parts.preamble.is_none() {
        parts.rest = None;
    }
    parts
}

impl<'a> Parts<'a> {
    /// Whether readers may disagree about where parts are, because a delimiter stands within a line. Known at the end.
    pub(crate) fn is_odd(&self) -> bool {
        self.is_odd
    }

    /// Steps behind the next delimiter; what stands before it, without the line break that belongs to the delimiter.
    /// None when there is no further delimiter.
    fn split(&mut self) -> Option<&'a [u8]> {
        let bytes = self.rest?;
        let mut from = 0;
        loop {
            let at = from + memchr::memmem::find(bytes.get(from..)?, self.boundary)?;
            let before = bytes.get(..at)?;
            let after = bytes.get(at + self.boundary.len()..)?;
            if let Some(before) = before.strip_suffix(b"--") {
                let is_line_end = |b: &u8| matches!(b, b'\r' | b'\n');
                let is_at_line_start = before.last().is_none_or(is_line_end);
                if is_at_line_start || self.delimiters == Delimiters::Anywhere {
                    self.is_odd |= !after
                        .first()
                        .is_none_or(|b| matches!(b, b'\r' | b'\n' | b'-' | b' ' | b'\t'));
                    let before = before.strip_suffix(b"\n").unwrap_or(before);
                    let before = before.strip_suffix(b"\r").unwrap_or(before);
                    self.rest = Some(after);
                    return Some(before);
                }
                self.is_odd = true;
            }
            from = at + self.boundary.len();
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let outside = |content: &'a [u8]| {
            let is_blank = content.trim_ascii().is_empty();
            (!is_blank).then_some(Part {
                content,
                is_outside: true,
                ..Part::default()
            })
        };
        if let Some(part) = self.preamble.take().and_then(outside) {
            return Some(part);
        }
        loop {
            let current = self.rest?;
            let part = self.split().unwrap_or_else(|| {
                self.rest = None;
                current
            });
            let read = match part.strip_prefix(b"--") {
                // Behind the closing delimiter.
                Some(tail) => outside(tail),
                None => Some(read_part(part)),
            };
            if read.is_some() {
                return read;
            }
        }
    }
}

fn read_part(part: &[u8]) -> Part<'_> {
    let blank = part.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let part = part.get(blank..).unwrap_or_default();
    let part = part.strip_prefix(b"\r").unwrap_or(part);
    let part = part.strip_prefix(b"\n").unwrap_or(part);
    // A part without header fields begins with the empty line.
    let bare = part.strip_prefix(b"\r\n").or_else(|| part.strip_prefix(b"\n"));
    if let Some(content) = bare {
        return Part {
            content,
            ..Part::default()
        };
    }
    let (head, content) = [&b"\n\r\n"[..], b"\n\n"]
        .iter()
        .filter_map(|gap| {
            let at = memchr::memmem::find(part, gap)?;
            Some((part.get(..at + 1)?, part.get(at + gap.len()..)?))
        })
        .min_by_key(|(head, _)| head.len())
        .unwrap_or((&[], part));
    let mut read = Part {
        head,
        content,
        ..Part::default()
    };
    let mut has_name = false;
    let (mut n_dispositions, mut n_file_names) = (0, 0);
    for (name, value) in fields(head) {
        if name.eq_ignore_ascii_case(DISPOSITION) {
            n_dispositions += 1;
            let mut is_file = false;
            for (name, value) in Parameters::of(value) {
                if name.eq_ignore_ascii_case(b"name") {
                    if !has_name {
                        read.name = value;
                    } else if value != read.name {
                        read.other_name = Some(value);
                    }
                    has_name = true;
                } else if name.eq_ignore_ascii_case(b"filename") {
                    is_file = true;
                    read.file_name = read.file_name.or(Some(value));
                } else if name.eq_ignore_ascii_case(b"filename*") {
                    read.file_name = read.file_name.or(Some(extended(value)));
                }
            }
            n_file_names += usize::from(is_file);
        } else if name.eq_ignore_ascii_case(b"content-type") {
            read.charset = read
                .charset
                .or_else(|| parameter(value, b"charset").and_then(Charset::named));
            let is_multipart = value
                .get(..10)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"));
            read.boundary = parameter(value, b"boundary").filter(|boundary| is_multipart && !boundary.is_empty());
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            read.encoding = transfer(value);
        }
    }
    read.is_field_too = read.file_name.is_some() && n_file_names < n_dispositions;
    read
}

fn transfer(value: &[u8]) -> Option<Transfer> {
    if value.eq_ignore_ascii_case(b"base64") {
        Some(Transfer::Base64)
    } else if value.eq_ignore_ascii_case(b"quoted-printable") {
        Some(Transfer::QuotedPrintable)
    } else {
        None
    }
}

/// The text of an extended parameter, `UTF-8''text` (RFC 8187 section 3.2), still percent-encoded.
fn extended(value: &[u8]) -> &[u8] {
    let mut quotes = memchr::memchr_iter(b'\'', value);
    let text = quotes.nth(1).and_then(|at| value.get(at + 1..));
    text.unwrap_or(value)
}

/// Iterates over header fields, each with its folded lines (RFC 5322 section 2.2.3).
pub(crate) fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = head;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            let line = memchr::memchr(b'\n', rest.get(end..).unwrap_or_default());
            end = line.map_or(rest.len(), |at| end + at + 1);
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = after;
        let colon = memchr::memchr(b':', field).unwrap_or(field.len());
        let (name, value) = field.split_at_checked(colon).unwrap_or((field, &[]));
        Some((name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii()))
    })
}

/// A parameter of a header value: `; name=value` or `; name="value"`, quotes removed, escapes kept.
pub(crate) fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut all = Parameters::of(value);
    let found = all.find(|(this, _)| this.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

/// Iterates over the parameters of a header value.
struct Parameters<'a> {
    rest: &'a [u8],
}

impl<'a> Parameters<'a> {
    fn of(value: &'a [u8]) -> Parameters<'a> {
        // Some readers take a comma as well.
        let start = memchr::memchr2(b';', b',', value).unwrap_or(value.len());
        Parameters {
            rest: value.get(start..).unwrap_or_default(),
        }
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let [b';' | b',', tail @ ..] = self.rest else {
                return None;
            };
            let tail = tail.trim_ascii_start();
            let Some(equals) = tail.iter().position(|b| matches!(b, b'=' | b';')) else {
                self.rest = &[];
                return None;
            };
            let (name, tail) = tail.split_at_checked(equals)?;
            let [b'=', tail @ ..] = tail else {
                self.rest = tail;
                continue;
            };
            let tail = tail.trim_ascii_start();
            let (value, after) = match tail {
                [b'"', tail @ ..] => {
                    let end = quoted_end(tail);
                    let after = tail.get(end..).unwrap_or_default();
                    let semicolon = memchr::memchr(b';', after).unwrap_or(after.len());
                    (tail.get(..end)?, after.get(semicolon..).unwrap_or_default())
                }
                _ => {
                    let end = memchr::memchr(b';', tail).unwrap_or(tail.len());
                    let (value, after) = tail.split_at_checked(end)?;
                    (value.trim_ascii_end(), after)
                }
            };
            self.rest = after;
            return Some((name.trim_ascii_end(), value));
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, file name and content of each part.
    fn check(body: &str, expected: &[(&str, Option<&str>, &str)]) -> bool {
        let mut all = parts(body.as_bytes(), b"xyz", Delimiters::AtLineStart);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let found: Vec<_> = all
            .by_ref()
            .map(|part| (text(part.name), part.file_name.map(text), text(part.content)))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, file, content)| ((*name).to_owned(), file.map(str::to_owned), (*content).to_owned()))
            .collect();
        assert_eq!(found, expected, "{body}");
        all.is_odd()
    }

    fn only(head: &str) -> Part<'static> {
        let body = format!("--xyz\r\n{head}\r\n\r\nc\r\n--xyz--\r\n").leak();
        parts(body.as_bytes(), b"xyz", Delimiters::AtLineStart).next().unwrap()
    }

    #[test]
    fn parts_are_split() {
        let boundary = Boundary::of(b"multipart/form-data; charset=utf-8; boundary=\"xyz\"").unwrap();
        assert_eq!(boundary.as_bytes(), b"xyz");
        let is_odd = check(
            "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n\
             --xyz\r\ncontent-type: text/plain\r\ncontent-disposition: form-data; name=f; \
             filename=\"x;\\\"y.txt\"\r\n\r\nfile\r\n--xyz--\r\n",
            &[("a", None, "1\r\n2"), ("f", Some("x;\\\"y.txt"), "file")],
        );
        assert!(!is_odd);
    }

    #[test]
    fn cut_and_odd_bodies_lose_nothing() {
        assert!(!check(
            "--xyz\nno header\n--xyz\n\nname only",
            &[("", None, "no header"), ("", None, "name only")]
        ));
        assert!(!check("nothing", &[]));
        assert!(!check(
            "preamble\r\n--xyz\r\n\r\n1",
            &[("", None, "preamble"), ("", None, "1")]
        ));
        assert!(!check(
            "--xyz\r\n\r\n1\r\n--xyz--\r\nepilogue",
            &[("", None, "1"), ("", None, "\r\nepilogue")]
        ));
        assert!(!check(
            "--xyz\r\n\r\n1\r\n--xyz--\r\n--xyz\r\n\r\n2\r\n--xyz--",
            &[("", None, "1"), ("", None, "2")]
        ));
        // Within a line, and with something behind it.
        assert!(check("--xyz\r\n\r\n1--xyz2\r\n--xyz--", &[("", None, "1--xyz2")]));
        assert!(check(
            "--xyz\r\n\r\n1\r\n--xyzz\r\n--xyz--",
            &[("", None, "1"), ("", None, "z")]
        ));
        assert!(Boundary::of(b"multipart/form-data").is_none());
        assert!(Boundary::of(&[b"a;boundary=".to_vec(), vec![b'x'; 71]].concat()).is_none());
        assert_eq!(
            Boundary::of(b"multipart/form-data, boundary=b").unwrap().as_bytes(),
            b"b"
        );
    }

    #[test]
    fn heads_are_read_in_every_way() {
        let folded = only("Content-Disposition : form-data;\r\n\tname=\"a\"; x;\r\n filename=b");
        assert_eq!((folded.name, folded.file_name), (&b"a"[..], Some(&b"b"[..])));
        assert!(!folded.is_field_too);
        let twice = only("Content-Disposition: form-data; name=a; NAME=\"b\"");
        assert_eq!((twice.name, twice.other_name), (&b"a"[..], Some(&b"b"[..])));
        let again = only("Content-Disposition: form-data; name=a; filename=f\nContent-Disposition: form-data; name=b");
        assert_eq!((again.other_name, again.is_field_too), (Some(&b"b"[..]), true));
        let extended = only("Content-Disposition: form-data; name=a; filename*=UTF-8'en'%2e%2e%2f");
        assert_eq!(
            (extended.file_name, extended.is_field_too),
            (Some(&b"%2e%2e%2f"[..]), true)
        );
        let encoded = only("Content-Transfer-Encoding: BASE64\r\nContent-Type: text/plain; charset=ibm037");
        assert_eq!(
            (encoded.encoding, encoded.charset),
            (Some(Transfer::Base64), Some(Charset::Ibm037))
        );
        let nested = only("Content-Type: multipart/mixed; boundary=q");
        assert_eq!(nested.boundary, Some(&b"q"[..]));
    }

    #[test]
    fn a_body_shows_its_boundary() {
        let body = b"--q\r\nContent-Type: a/b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--q--";
        assert_eq!(shown_boundary(body), Some(&b"q"[..]));
        for other in [
            &b"--q\r\nno head"[..],
            b"-- comment\nselect 1",
            b"--\r\nContent-Disposition: x",
            b"",
            b"--q",
        ] {
            assert_eq!(shown_boundary(other), None);
        }
    }
}
