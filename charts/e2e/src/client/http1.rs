//! HTTP/1.1, byte by byte.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::poll;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that stays open between requests.
pub struct Connection {
    stream: Box<dyn Stream>,
    /// Bytes read beyond the last response.
    rest: Vec<u8>,
}

/// A response as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body without transfer coding.
    pub body: Vec<u8>,
}

impl Response {
    /// The first field of this name, empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        let field = self.headers.iter().find(|(known, _)| known == name);
        field.map_or("", |(_, value)| value)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection::over(stream))
    }

    /// Speaks over a stream that is already connected.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Connection {
        Connection {
            stream: Box::new(stream),
            rest: Vec::new(),
        }
    }

    /// Sends a GET and reads the response. The target is sent as it is.
    pub async fn get(&mut self, target: &str) -> anyhow::Result<Response> {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: shop.example\r\n\r\n"))
            .await?;
        self.response().await
    }

    /// Sends a POST with a content type and reads the response.
    pub async fn post(&mut self, target: &str, content_type: &str, body: &[u8]) -> anyhow::Result<Response> {
        let len = body.len();
        let head = format!(
            "POST {target} HTTP/1.1\r\nhost: shop.example\r\ncontent-type: {content_type}\r\ncontent-length: {len}\r\n\r\n"
        );
        self.send([head.as_bytes(), body].concat()).await?;
        self.response().await
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        poll::in_time("the proxy to take bytes", async {
            self.stream.write_all(bytes.as_ref()).await?;
            Ok(self.stream.flush().await?)
        })
        .await
    }

    /// Reads one response.
    pub async fn response(&mut self) -> anyhow::Result<Response> {
        let (status, headers) = self.response_head().await?;
        let field = |name: &str| {
            let field = headers.iter().find(|(known, _)| known == name);
            field.map(|(_, value)| value.as_str())
        };
        let body = if field("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk().await? {
                body.extend(chunk);
            }
            body
        } else if let Some(len) = field("content-length") {
            self.take(len.parse()?).await?
        } else if status == 101 || status == 204 {
            Vec::new()
        } else {
            while self.fill().await? {}
            std::mem::take(&mut self.rest)
        };
        Ok(Response { status, headers, body })
    }

    /// Reads the head of a response and leaves the body.
    pub async fn response_head(&mut self) -> anyhow::Result<(u16, Vec<(String, String)>)> {
        let head = self.take_until(b"\r\n\r\n").await.context("reading a response head")?;
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let status_line = lines.next().context("empty response")?;
        let status = status_line.split(' ').nth(1).context("no status")?.parse()?;
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Ok((status, fields.collect()))
    }

    /// Reads one chunk of a chunked body; none is the last, with its trailers.
    pub async fn chunk(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let line = self.take_until(b"\r\n").await?;
        let size = usize::from_str_radix(std::str::from_utf8(&line)?.trim(), 16)?;
        if size == 0 {
            while self.take_until(b"\r\n").await? != b"\r\n" {}
            return Ok(None);
        }
        let mut chunk = self.take(size + 2).await?;
        chunk.truncate(size);
        Ok(Some(chunk))
    }

    /// The stream itself, for another protocol. Bytes already read are lost, so only before anything was.
    pub fn into_stream(self) -> anyhow::Result<impl AsyncRead + AsyncWrite + Send + Unpin> {
        ensure!(self.rest.is_empty(), "bytes were already read");
        Ok(self.stream)
    }

    /// Whether the other end has closed.
    pub async fn is_closed(&mut self) -> anyhow::Result<bool> {
        Ok(!self.fill().await?)
    }

    async fn take(&mut self, n_bytes: usize) -> anyhow::Result<Vec<u8>> {
        while self.rest.len() < n_bytes {
            if !self.fill().await? {
                bail!("closed after {} of {n_bytes} bytes", self.rest.len());
            }
        }
        let rest = self.rest.split_off(n_bytes);
        Ok(std::mem::replace(&mut self.rest, rest))
    }

    async fn take_until(&mut self, end: &[u8]) -> anyhow::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.rest.windows(end.len()).position(|window| window == end) {
                return self.take(at + end.len()).await;
            }
            if !self.fill().await? {
                bail!("closed after {:?}", String::from_utf8_lossy(&self.rest));
            }
        }
    }

    async fn fill(&mut self) -> anyhow::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        let n_bytes = poll::in_time("bytes from the proxy", async {
            Ok(self.stream.read(&mut buffer).await?)
        })
        .await?;
        self.rest.extend_from_slice(&buffer[..n_bytes]);
        Ok(n_bytes > 0)
    }
}
