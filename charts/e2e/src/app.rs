//! The application behind the proxy: records every byte it is sent.
//!
//! Answers by path: `/events` is a stream of server-sent events, the second of which waits for [`App::release`]; `/ws`
//! echoes WebSocket messages; everything else is answered `200 ok` once the request is complete. HTTP/2 is spoken to
//! clients that open with its preface.

mod http1;
mod http2;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

use crate::poll;

/// A request as the application sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Path and query as received.
    pub target: String,
    /// HTTP/1: request line and header fields, exactly. HTTP/2: fields as `name: value` lines.
    pub head: Vec<u8>,
    /// Body so far, without transfer coding.
    pub body: Vec<u8>,
    /// Trailers as `name: value` lines.
    pub trailers: Vec<u8>,
    /// Whether all of it has arrived.
    pub is_complete: bool,
}

/// A running application; stops when dropped.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    record: Arc<Record>,
    task: JoinHandle<()>,
}

/// What the application knows.
#[derive(Debug, Default)]
struct Record {
    requests: Mutex<Vec<Received>>,
    n_bytes: AtomicU64,
    release: Notify,
}

impl App {
    /// Starts on a free port of loopback.
    pub async fn start() -> anyhow::Result<App> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let record = Arc::<Record>::default();
        let shared = Arc::clone(&record);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let record = Arc::clone(&shared);
                // How a connection ends is what tests provoke; what arrived is recorded.
                tokio::spawn(async move {
                    let _ = serve(stream, &record).await;
                });
            }
        });
        Ok(App { address, record, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes received on all connections.
    pub fn n_bytes(&self) -> u64 {
        self.record.n_bytes.load(Ordering::SeqCst)
    }

    /// The request with this target, complete or not.
    pub fn received(&self, target: &str) -> Option<Received> {
        let requests = self.record.requests();
        requests.iter().find(|request| request.target == target).cloned()
    }

    /// Waits for a request with this target to be complete.
    pub async fn wait_for(&self, target: &str) -> anyhow::Result<Received> {
        let what = format!("the application to get {target}");
        poll::until(&what, async || {
            Ok(self.received(target).filter(|request| request.is_complete))
        })
        .await
    }

    /// Lets one stream of events go on.
    pub fn release(&self) {
        self.record.release.notify_one();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Record {
    fn requests(&self) -> MutexGuard<'_, Vec<Received>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request; returns its place.
    fn begin(&self, target: String, head: Vec<u8>) -> usize {
        let mut requests = self.requests();
        requests.push(Received {
            target,
            head,
            ..Received::default()
        });
        requests.len() - 1
    }

    fn change(&self, place: usize, change: impl FnOnce(&mut Received)) {
        if let Some(request) = self.requests().get_mut(place) {
            change(request);
        }
    }
}

async fn serve(stream: TcpStream, record: &Record) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut start = [0; 3];
    while stream.peek(&mut start).await? < start.len() {
        tokio::task::yield_now().await;
    }
    if start == *b"PRI" {
        http2::serve(stream, record).await
    } else {
        http1::serve(stream, record).await
    }
}
