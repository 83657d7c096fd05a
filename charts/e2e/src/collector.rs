//! A real `ReportService` that keeps what it is told.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};
use waf_proto::v1::{
    Hit, ReportHitsRequest, ReportHitsResponse,
    report_service_server::{ReportService, ReportServiceServer},
};

use crate::poll;

/// A running collector; stops when dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    kept: Kept,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// Batches in order of arrival, repetitions included.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<ReportHitsRequest>>>);

impl Collector {
    /// Starts on a port of loopback; port 0 chooses a free one.
    pub async fn start(address: SocketAddr) -> anyhow::Result<Collector> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let kept = Kept::default();
        let service = ReportServiceServer::new(kept.clone());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let server = Server::builder().add_service(service);
            let until = async {
                let _ = stopped.await;
            };
            // A server that fails shows as missing batches.
            let _ = server
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), until)
                .await;
        });
        Ok(Collector {
            address,
            kept,
            stop: Some(stop),
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address on which nobody listens at this moment, for a collector that starts later.
    pub async fn free_address() -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(listener.local_addr()?)
    }

    /// Every batch so far.
    pub fn batches(&self) -> Vec<ReportHitsRequest> {
        self.kept.batches().clone()
    }

    /// Every hit so far, each batch once.
    pub fn hits(&self) -> Vec<Hit> {
        let mut seen = Vec::new();
        let mut hits = Vec::new();
        for batch in self.batches() {
            let boot = batch.producer.as_ref().map_or(0, |producer| producer.boot);
            if !seen.contains(&(boot, batch.sequence)) {
                seen.push((boot, batch.sequence));
                hits.extend(batch.hits);
            }
        }
        hits
    }

    /// Waits for hits whose path is this one.
    pub async fn wait_for(&self, path: &str, n_hits: usize) -> anyhow::Result<Vec<Hit>> {
        poll::until(&format!("{n_hits} hits of {path}"), async || {
            let mut hits = self.hits();
            hits.retain(|hit| hit.path == path.as_bytes());
            Ok((hits.len() >= n_hits).then_some(hits))
        })
        .await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.task.abort();
    }
}

impl Kept {
    fn batches(&self) -> MutexGuard<'_, Vec<ReportHitsRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl ReportService for Kept {
    async fn report_hits(&self, request: Request<ReportHitsRequest>) -> Result<Response<ReportHitsResponse>, Status> {
        let batch = request.into_inner();
        let stored = u32::try_from(batch.hits.len()).unwrap_or(u32::MAX);
        self.batches().push(batch);
        Ok(Response::new(ReportHitsResponse {
            stored,
            ..ReportHitsResponse::default()
        }))
    }
}
