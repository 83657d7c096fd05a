//! The application's HTTP/1.1.

use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use super::Record;

struct Reader<'a> {
    stream: TcpStream,
    rest: Vec<u8>,
    record: &'a Record,
}

/// Serves requests until the other end closes.
pub(super) async fn serve(stream: TcpStream, record: &Record) -> anyhow::Result<()> {
    let mut reader = Reader {
        stream,
        rest: Vec::new(),
        record,
    };
    loop {
        let head = reader.take_until(b"\r\n\r\n").await?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let target = text.split(' ').nth(1).context("no target")?.to_owned();
        let place = record.begin(target.clone(), head);
        reader.read_body(place, &text).await?;
        record.change(place, |request| request.is_complete = true);
        match target.split('?').next().unwrap_or_default() {
            "/events" => reader.send_events().await?,
            "/ws" => return reader.echo_messages(&text).await,
            _ => {
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-type: text/plain\r\n\r\nok\n";
                reader.stream.write_all(answer.as_bytes()).await?;
            }
        }
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl Reader<'_> {
    async fn read_body(&mut self, place: usize, head: &str) -> anyhow::Result<()> {
        if field(head, "transfer-encoding") == Some("chunked") {
            loop {
                let line = self.take_until(b"\r\n").await?;
                let size = usize::from_str_radix(std::str::from_utf8(&line)?.trim(), 16)?;
                if size == 0 {
                    break;
                }
                self.read_part(place, size).await?;
                self.take_until(b"\r\n").await?;
            }
            loop {
                let line = self.take_until(b"\r\n").await?;
                if line == b"\r\n" {
                    return Ok(());
                }
                self.record.change(place, |request| request.trailers.extend(line));
            }
        }
        match field(head, "content-length") {
            Some(len) => self.read_part(place, len.parse()?).await,
            None => Ok(()),
        }
    }

    /// Records body bytes as they come, so that a test sees parts as well.
    async fn read_part(&mut self, place: usize, mut n_bytes: usize) -> anyhow::Result<()> {
        while n_bytes > 0 {
            if self.rest.is_empty() {
                self.fill().await?;
            }
            let n_taken = n_bytes.min(self.rest.len());
            let part: Vec<u8> = self.rest.drain(..n_taken).collect();
            self.record.change(place, |request| request.body.extend(part));
            n_bytes -= n_taken;
        }
        Ok(())
    }

    async fn send_events(&mut self) -> anyhow::Result<()> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(b"d\r\ndata: first\n\n\r\n").await?;
        self.record.release.notified().await;
        self.stream.write_all(b"e\r\ndata: second\n\n\r\n0\r\n\r\n").await?;
        Ok(())
    }

    async fn echo_messages(mut self, head: &str) -> anyhow::Result<()> {
        let key = field(head, "sec-websocket-key").context("no key")?;
        let accept = derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
        );
        self.stream.write_all(answer.as_bytes()).await?;
        let mut socket = WebSocketStream::from_raw_socket(self.stream, Role::Server, None).await;
        while let Some(message) = socket.next().await {
            let message = message?;
            if message.is_text() || message.is_binary() {
                socket.send(message).await?;
            }
        }
        Ok(())
    }

    async fn take_until(&mut self, end: &[u8]) -> anyhow::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.rest.windows(end.len()).position(|window| window == end) {
                let rest = self.rest.split_off(at + end.len());
                return Ok(std::mem::replace(&mut self.rest, rest));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; 64 * 1024];
        let n_bytes = self.stream.read(&mut buffer).await?;
        if n_bytes == 0 {
            bail!("closed");
        }
        self.record.n_bytes.fetch_add(n_bytes as u64, Ordering::SeqCst);
        self.rest.extend_from_slice(&buffer[..n_bytes]);
        Ok(())
    }
}
