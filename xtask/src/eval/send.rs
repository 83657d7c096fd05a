//! Sends requests over connections that are kept open, one thread per connection.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::eval::corpus::Record;
use crate::http;

/// What came back for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Code(u16),
    /// Closed or reset without an answer, twice.
    Reset,
    /// No answer within the limit.
    Timeout,
}

/// The answer to one request and the time from its first byte out to its last byte in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) status: Status,
    pub(super) latency: Duration,
}

/// Sends every record once and returns the answers in the same order.
///
/// Fails only when the target cannot be reached at all or a record is no request.
pub(super) fn send_all(
    records: &[Record],
    target: SocketAddr,
    n_connections: usize,
    timeout: Duration,
) -> Result<Vec<Answer>> {
    let wires = records.iter().map(Record::wire).collect::<Result<Vec<_>>>()?;
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let work = || {
        let mut answers = Vec::new();
        let mut connection = None;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(wire) = wires.get(index) else { break };
            match send_one(&mut connection, target, wire, records[index].method == "HEAD", timeout) {
                Ok(answer) => answers.push((index, answer)),
                Err(error) => {
                    // Nobody listens: the other threads have nothing left to do either.
                    next.store(wires.len(), Ordering::Relaxed);
                    failure
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_or_insert(error);
                    break;
                }
            }
        }
        answers
    };
    let mut answers = vec![None; wires.len()];
    thread::scope(|scope| {
        let threads = (0..n_connections.min(wires.len()))
            .map(|_| scope.spawn(work))
            .collect::<Vec<_>>();
        for thread in threads {
            for (index, answer) in thread.join().map_err(|_| anyhow!("a sending thread failed"))? {
                answers[index] = Some(answer);
            }
        }
        Ok::<_, anyhow::Error>(())
    })?;
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    answers
        .into_iter()
        .map(|answer| answer.context("a request was not sent"))
        .collect()
}

fn send_one(
    connection: &mut Option<TcpStream>,
    target: SocketAddr,
    wire: &[u8],
    is_head: bool,
    timeout: Duration,
) -> Result<Answer> {
    // Once more on a fresh connection: the server may close an idle one just when a request is on its way.
    for _ in 0..2 {
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => connect(target, timeout)?,
        };
        let started = Instant::now();
        let result = http::exchange(&mut stream, wire, is_head);
        let latency = started.elapsed();
        match result {
            Ok(response) => {
                if !response.is_last {
                    *connection = Some(stream);
                }
                return Ok(Answer {
                    status: Status::Code(response.status),
                    latency,
                });
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(Answer {
                    status: Status::Timeout,
                    latency,
                });
            }
            Err(_) => {}
        }
    }
    Ok(Answer {
        status: Status::Reset,
        latency: Duration::ZERO,
    })
}

fn connect(target: SocketAddr, timeout: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&target, timeout).with_context(|| format!("connecting to {target}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(stream)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Code(code) => code.fmt(f),
            Status::Reset => f.write_str("reset"),
            Status::Timeout => f.write_str("timeout"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// A server that answers by path: `/block` 403, `/reset` never, anything else 200. Every third answer closes.
    fn serve() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(move || answer_all(stream.unwrap()));
            }
        });
        address
    }

    fn answer_all(stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        for n in 1.. {
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
                head.push_str(&line);
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            if head.contains("/reset") {
                return;
            }
            let status = if head.contains("/block") {
                "403 Forbidden"
            } else {
                "200 OK"
            };
            let close = if n % 3 == 0 { "Connection: close\r\n" } else { "" };
            write!(writer, "HTTP/1.1 {status}\r\n{close}Content-Length: 2\r\n\r\nok").unwrap();
            if n % 3 == 0 {
                return;
            }
        }
    }

    #[test]
    fn answers_come_in_order_over_kept_connections() {
        let paths = ["/", "/block", "/", "/reset", "/block"];
        let records = (0..200)
            .map(|n| {
                serde_json::from_value::<Record>(serde_json::json!({
                    "id": n.to_string(), "source": "s", "category": "c", "label": "benign", "method": "POST",
                    "path": paths[n % paths.len()], "headers": [["Host", "h"]], "body_b64": "eHl6",
                }))
                .unwrap()
            })
            .collect::<Vec<_>>();
        let answers = send_all(&records, serve(), 4, Duration::from_secs(10)).unwrap();
        for (n, answer) in answers.iter().enumerate() {
            let expected = [
                Status::Code(200),
                Status::Code(403),
                Status::Code(200),
                Status::Reset,
                Status::Code(403),
            ];
            assert_eq!(answer.status, expected[n % paths.len()], "request {n}");
        }
    }

    #[test]
    fn nobody_listening_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let record = serde_json::from_str::<Record>(
            r#"{"id":"1","source":"s","category":"c","label":"benign","method":"GET","path":"/","headers":[]}"#,
        )
        .unwrap();
        let error = send_all(&[record], address, 2, Duration::from_secs(10)).unwrap_err();
        assert!(error.to_string().contains(&address.to_string()));
    }
}
