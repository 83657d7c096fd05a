//! The application and the load: as little work as possible, so that Envoy's share is what is seen.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Requests sent over connections that stay open, each waiting for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    /// Where to.
    pub(crate) address: SocketAddr,
    /// The bytes of one request.
    pub(crate) request: &'a [u8],
    /// Connections.
    pub(crate) connections: usize,
    /// Requests over all connections.
    pub(crate) requests: usize,
}

/// How it went.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// From first to last request.
    pub(crate) elapsed: Duration,
    /// Of each request, in ascending order.
    pub(crate) latencies: Vec<Duration>,
}

impl Outcome {
    /// The latency that this share of requests stays below or at.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let place = (self.latencies.len() as f64 * share) as usize;
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(place.min(last)).copied().unwrap_or_default()
    }
}

impl Load<'_> {
    /// Sends everything. Any answer but 200 is an error.
    pub(crate) async fn run(&self) -> anyhow::Result<Outcome> {
        let per_connection = self.requests.div_ceil(self.connections);
        let mut workers = JoinSet::new();
        let started = Instant::now();
        for _ in 0..self.connections {
            let (address, request) = (self.address, self.request.to_vec());
            workers.spawn(async move { drive(address, &request, per_connection).await });
        }
        let mut latencies = Vec::with_capacity(per_connection * self.connections);
        while let Some(worker) = workers.join_next().await {
            latencies.extend(worker??);
        }
        let elapsed = started.elapsed();
        latencies.sort_unstable();
        Ok(Outcome { elapsed, latencies })
    }
}

async fn drive(address: SocketAddr, request: &[u8], n_requests: usize) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::with_capacity(n_requests);
    let mut buffer = Vec::with_capacity(4096);
    for _ in 0..n_requests {
        let started = Instant::now();
        stream.write_all(request).await?;
        buffer.clear();
        while !is_whole_message(&buffer)? {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "closed by Envoy");
        }
        if !buffer.starts_with(b"HTTP/1.1 200") {
            bail!("unexpected answer: {}", String::from_utf8_lossy(&buffer));
        }
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}

/// Answers every request with a small page; returns where it listens. Ends with the process.
pub(crate) async fn serve() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A connection ends when Envoy does.
            tokio::spawn(async move {
                let _ = answer(stream).await;
            });
        }
    });
    Ok(address)
}

async fn answer(mut stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(32 * 1024);
    loop {
        buffer.clear();
        while !is_whole_message(&buffer)? {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "closed");
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n")
            .await?;
    }
}

/// Whether head and body are there. Bodies are announced with `content-length`, by us and by Envoy.
fn is_whole_message(buffer: &[u8]) -> anyhow::Result<bool> {
    let Some(head_len) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = std::str::from_utf8(&buffer[..head_len])?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let body_len: usize = length.map_or(Ok(0), str::parse).context("content-length")?;
    Ok(buffer.len() >= head_len + 4 + body_len)
}
