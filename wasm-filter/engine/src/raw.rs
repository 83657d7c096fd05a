//! Where in the raw request a value comes from.

use std::{fmt, ops::Range};

/// A part of a request as it was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The request target.
    #[default]
    Target,
    /// The name of a header field, by its position in [`Request::headers`](crate::Request::headers).
    HeaderName(u32),
    /// The value of a header field, by its position in [`Request::headers`](crate::Request::headers).
    Header(u32),
    /// The body.
    Body,
}

/// The bytes of a raw request that a value was read from: the smallest such slice that is known.
///
/// For a value that was never encoded, these are its bytes. Otherwise they are what its decoders began with: the raw
/// value of a parameter, what stands between the quotes of a JSON string, the content of a multipart part. A value made
/// of several, such as a repeated parameter joined with commas, comes from the whole that they stand in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawSpan {
    /// The part of the request.
    pub part: Part,
    /// Where in the part, in bytes.
    pub bytes: Range<usize>,
}

impl RawSpan {
    /// The bytes themselves, of the request that the span was made for. Empty when they are not at hand.
    pub fn slice<'a>(&self, request: &crate::Request<'a>, body: &'a [u8]) -> &'a [u8] {
        let field = |position: u32| request.headers.get(position as usize).copied().unwrap_or_default();
        let part = match self.part {
            Part::Target => request.target,
            Part::HeaderName(position) => field(position).0,
            Part::Header(position) => field(position).1,
            Part::Body => body,
        };
        part.get(self.bytes.clone()).unwrap_or_default()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Target => f.write_str("target"),
            Part::HeaderName(position) => write!(f, "name of header {position}"),
            Part::Header(position) => write!(f, "header {position}"),
            Part::Body => f.write_str("body"),
        }
    }
}

impl fmt::Display for RawSpan {
    /// For people: `target 8..21`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}..{}", self.part, self.bytes.start, self.bytes.end)
    }
}

/// The raw bytes of the value at hand, while parsers descend and ascend.
///
/// Parsers hand over slices of what they read. As long as nothing was decoded these are slices of the part itself, and
/// their addresses say where they stand; so nobody has to carry offsets along, and clean values cost a comparison.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    part: Part,
    /// Addresses of the first byte of the part and of the byte after its last.
    part_start: usize,
    part_end: usize,
    /// The value at hand, in bytes of the part.
    start: usize,
    end: usize,
}

impl Cursor {
    /// The whole of a part.
    pub(crate) fn of(part: Part, bytes: &[u8]) -> Cursor {
        let part_start = bytes.as_ptr().addr();
        Cursor {
            part,
            part_start,
            part_end: part_start + bytes.len(),
            start: 0,
            end: bytes.len(),
        }
    }

    /// Moves to bytes that stand in the part. Decoded bytes do not; they come from where the cursor is.
    #[inline]
    pub(crate) fn narrow(&mut self, bytes: &[u8]) {
        let start = bytes.as_ptr().addr();
        if start >= self.part_start && start + bytes.len() <= self.part_end {
            self.start = start - self.part_start;
            self.end = self.start + bytes.len();
        }
    }

    /// What the cursor stands at.
    pub(crate) fn span(&self) -> RawSpan {
        RawSpan {
            part: self.part,
            bytes: self.start..self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_found_and_copies_are_not() {
        let part = b"a=1&b=22".to_vec();
        let mut cursor = Cursor::of(Part::Target, &part);
        assert_eq!(cursor.span().to_string(), "target 0..8");
        cursor.narrow(&part[6..]);
        assert_eq!(cursor.span().to_string(), "target 6..8");
        cursor.narrow(&part.clone()[2..3]);
        assert_eq!(cursor.span().bytes, 6..8, "a copy comes from where the cursor is");
        cursor.narrow(&part[2..3]);
        assert_eq!(cursor.span().bytes, 2..3);
    }
}
