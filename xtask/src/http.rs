//! The HTTP/1.1 that xtask speaks itself: one request out byte for byte, one response in.
//!
//! A client library would tidy up what it sends; attacks must arrive as written. Reads are bounded by the timeout of the
//! stream and by [`MAX_RESPONSE_BYTES`].

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest response that is read, in bytes: answers here are pages, not downloads.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// Most header lines of one response.
const MAX_HEADERS: usize = 128;

/// A response whose body was read whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// The connection cannot carry another request.
    pub(crate) is_last: bool,
}

/// How the length of a body is told.
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

struct Head {
    status: u16,
    framing: Framing,
    is_last: bool,
    /// Bytes of status line and headers.
    len: usize,
}

/// Sends `GET path` on a connection of its own and reads the answer.
pub(crate) fn get(address: SocketAddr, path: &str, timeout: Duration) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    exchange(&mut stream, &get_request(path, &address.to_string()), false)
}

/// A `GET` as curl would send it.
pub(crate) fn get_request(path: &str, host: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: xtask\r\nAccept: */*\r\nConnection: close\r\n\r\n")
        .into_bytes()
}

/// Writes `request` and reads one response. `is_head` says that the request's method is HEAD: no body follows.
pub(crate) fn exchange<S: Read + Write>(stream: &mut S, request: &[u8], is_head: bool) -> io::Result<Response> {
    // A proxy may answer and stop reading before the body has arrived: its answer counts, not the broken pipe.
    let sent = stream.write_all(request).and_then(|()| stream.flush());
    match read_response(stream, is_head) {
        Err(error) => Err(sent.err().unwrap_or(error)),
        Ok(mut response) => {
            response.is_last |= sent.is_err();
            Ok(response)
        }
    }
}

/// Reads one response, passing over interim ones (100 Continue, 103 Early Hints).
pub(crate) fn read_response<S: Read>(stream: &mut S, is_head: bool) -> io::Result<Response> {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let head = loop {
            if let Some(head) = parse_head(&buffer)? {
                break head;
            }
            if fill(stream, &mut buffer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        buffer.drain(..head.len);
        if (100..200).contains(&head.status) && head.status != 101 {
            continue;
        }
        if is_head || matches!(head.status, 101 | 204 | 304) {
            return Ok(Response {
                status: head.status,
                body: Vec::new(),
                is_last: head.is_last || head.status == 101 || !buffer.is_empty(),
            });
        }
        return read_body(stream, buffer, head);
    }
}

fn read_body<S: Read>(stream: &mut S, mut buffer: Vec<u8>, head: Head) -> io::Result<Response> {
    let (body, is_last) = match head.framing {
        Framing::Length(length) => {
            while buffer.len() < length {
                if fill(stream, &mut buffer)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            let has_more = buffer.len() > length;
            buffer.truncate(length);
            (buffer, head.is_last || has_more)
        }
        Framing::UntilClose => {
            while fill(stream, &mut buffer)? > 0 {}
            (buffer, true)
        }
        Framing::Chunked => (read_chunks(stream, buffer)?, head.is_last),
    };
    Ok(Response {
        status: head.status,
        body,
        is_last,
    })
}

fn read_chunks<S: Read>(stream: &mut S, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let (header_len, size) = loop {
            match httparse::parse_chunk_size(&buffer[at..]).map_err(|_| invalid("chunk size"))? {
                httparse::Status::Complete((len, size)) => {
                    break (len, usize::try_from(size).map_err(|_| invalid("chunk size"))?);
                }
                httparse::Status::Partial => {}
            }
            if fill(stream, &mut buffer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let start = at + header_len;
        // Trailers are not asked for (no `TE`), so two bytes end the last chunk as any other.
        let end = start
            .checked_add(size)
            .and_then(|end| end.checked_add(2))
            .filter(|end| *end <= MAX_RESPONSE_BYTES)
            .ok_or_else(|| invalid("chunk size"))?;
        while buffer.len() < end {
            if fill(stream, &mut buffer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        body.extend_from_slice(&buffer[start..start + size]);
        if size == 0 {
            return Ok(body);
        }
        at = end;
    }
}

fn parse_head(buffer: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(len) = parsed.parse(buffer).map_err(|_| invalid("status line or header"))? else {
        return Ok(None);
    };
    let (mut length, mut chunked) = (None, false);
    let mut is_last = parsed.version == Some(0);
    for header in parsed.headers.iter() {
        let value = String::from_utf8_lossy(header.value).trim().to_ascii_lowercase();
        if header.name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse().map_err(|_| invalid("content-length"))?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            chunked |= value.contains("chunked");
        } else if header.name.eq_ignore_ascii_case("connection") {
            is_last = value.contains("close") || (is_last && !value.contains("keep-alive"));
        }
    }
    Ok(Some(Head {
        status: parsed.code.ok_or_else(|| invalid("status"))?,
        framing: match (chunked, length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::UntilClose,
        },
        is_last,
        len,
    }))
}

fn fill<S: Read>(stream: &mut S, buffer: &mut Vec<u8>) -> io::Result<usize> {
    if buffer.len() >= MAX_RESPONSE_BYTES {
        return Err(invalid("length (too long)"));
    }
    let mut chunk = [0; 16 * 1024];
    let n = loop {
        match stream.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result?,
        }
    };
    buffer.extend_from_slice(&chunk[..n]);
    Ok(n)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("bad {what} in a response"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wire: &[u8], is_head: bool, expected: Option<(u16, &[u8], bool)>) {
        // One byte at a time and all at once must read the same.
        for step in [1, wire.len()] {
            let mut stream = Slow { wire, step };
            let response = read_response(&mut stream, is_head).ok();
            let seen = response.as_ref().map(|r| (r.status, &r.body[..], r.is_last));
            assert_eq!(seen, expected, "{}", String::from_utf8_lossy(wire));
        }
    }

    struct Slow<'a> {
        wire: &'a [u8],
        step: usize,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.step.min(buffer.len()).min(self.wire.len());
            buffer[..n].copy_from_slice(&self.wire[..n]);
            self.wire = &self.wire[n..];
            Ok(n)
        }
    }

    #[test]
    fn bodies_end_where_they_say() {
        check(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            false,
            Some((200, b"ok", false)),
        );
        check(
            b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
            false,
            Some((403, b"abcd", false)),
        );
        check(b"HTTP/1.1 200 OK\r\n\r\nrest", false, Some((200, b"rest", true)));
    }

    #[test]
    fn some_responses_have_no_body() {
        check(b"HTTP/1.1 204 No Content\r\n\r\n", false, Some((204, b"", false)));
        check(
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
            true,
            Some((200, b"", false)),
        );
    }

    #[test]
    fn interim_responses_are_passed_over() {
        check(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            false,
            Some((200, b"", false)),
        );
    }

    #[test]
    fn connection_header_ends_the_connection() {
        check(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            false,
            Some((200, b"", true)),
        );
        check(
            b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            false,
            Some((200, b"", true)),
        );
    }

    #[test]
    fn broken_responses_are_errors() {
        check(b"", false, None);
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", false, None);
        check(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            false,
            None,
        );
        check(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            false,
            None,
        );
    }
}
