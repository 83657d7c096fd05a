//! Frames of gRPC and gRPC-Web ("gRPC over HTTP2", section "Requests"; "gRPC Web").

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: FrameKind,
    pub(crate) content: &'a [u8],
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Message,
    /// A message, compressed as the field `grpc-encoding` says.
    Compressed,
    /// Trailers of gRPC-Web, as lines of text.
    Trailers,
}

/// Iterates over frames. Ends before what is none; the last one may be cut.
#[derive(Clone, Debug)]
pub(crate) struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    pub(crate) fn of(body: &'a [u8]) -> Frames<'a> {
        Frames { rest: body }
    }

    /// What is no frame. Ask after the last one.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let (head, tail) = self.rest.split_first_chunk::<5>()?;
        let kind = match head.first()? {
            0 => FrameKind::Message,
            1 => FrameKind::Compressed,
            0x80 | 0x81 => FrameKind::Trailers,
            _ => return None,
        };
        let n_bytes = u32::from_be_bytes(*head.last_chunk()?) as usize;
        let (content, after) = tail.split_at_checked(n_bytes).unwrap_or((tail, &[]));
        self.rest = after;
        Some(Frame { kind, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_split() {
        let body = b"\0\0\0\0\x02ab\x01\0\0\0\x01c\x80\0\0\0\x03d:e\0\0\0\0\x09cut";
        let found: Vec<_> = Frames::of(body).map(|frame| (frame.kind, frame.content)).collect();
        let expected = [
            (FrameKind::Message, &b"ab"[..]),
            (FrameKind::Compressed, b"c"),
            (FrameKind::Trailers, b"d:e"),
            (FrameKind::Message, b"cut"),
        ];
        assert_eq!(found, expected);
        assert_eq!(Frames::of(b"").count(), 0);
        assert_eq!(Frames::of(b"{\"a\":1}").count(), 0);
        assert_eq!(
            Frames::of(b"\0\0\0\0\0\0\0").count(),
            1,
            "an empty message, then less than a frame"
        );
    }
}
