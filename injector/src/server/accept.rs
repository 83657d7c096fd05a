//! Connections: accepted, encrypted, handed to warp, drained.

use std::{io, net, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{debug, info, warn};

use super::{Health, Limits, Server, routes};
use crate::metrics::Metrics;

/// Pause after the operating system refused a connection, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Serves until `shutdown` ends, then until the last answer is out or the drain timeout is over.
    ///
    /// Errors: the port cannot be watched.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Server {
            listener,
            status,
            serving,
            inputs,
            metrics,
            limits,
        } = self;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let tls = TlsAcceptor::from(Arc::new(serving.tls_config().map_err(io::Error::other)?));
        let health = Health::new(serving);
        let routes = warp::service(routes::routes(inputs, health.clone(), metrics.clone(), limits));
        // Ends with this function.
        let _status = match status {
            Some(status) => Some(AbortOnDrop(tokio::spawn(serve_status(
                status,
                health.clone(),
                metrics.clone(),
                limits,
            )?))),
            None => None,
        };
        let permits = Arc::new(Semaphore::new(limits.max_connections));
        let drain = GracefulShutdown::new();
        let mut stop = std::pin::pin!(async {
            shutdown.await;
            health.drain();
            info!("Not ready any more, still answering.");
            // Until no new connection is sent here. Answers carry `connection: close` meanwhile, so clients with
            // connections that stay open move on as well.
            sleep(limits.drain_delay).await;
        });
        loop {
            let (stream, permit) = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&listener, &permits) => accepted,
            };
            let (tls, metrics) = (tls.clone(), metrics.clone());
            let (drain, service) = (drain.watcher(), TowerToHyperService::new(routes.clone()));
            tokio::spawn(async move {
                let _permit = permit;
                let _open = metrics.open_connection();
                let Some(stream) = handshake(tls, stream, &metrics, limits).await else {
                    return;
                };
                let connection = http1(limits)
                    .serve_connection(TokioIo::new(stream), service)
                    .into_owned();
                if let Err(error) = drain.watch(connection).await {
                    debug!(error, "Connection failed.");
                }
            });
        }
        drop(listener);
        info!(connections = drain.count(), "Draining.");
        if timeout(limits.drain_timeout, drain.shutdown()).await.is_err() {
            warn!("Some connections did not end in time.");
        }
        Ok(())
    }
}

/// The plain port for kubelets and Prometheus: its connections are few and short, and never wait for those of others.
///
/// Errors: the port cannot be watched.
fn serve_status(
    listener: net::TcpListener,
    health: Health,
    metrics: Arc<Metrics>,
    limits: Limits,
) -> io::Result<impl Future<Output = ()>> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let routes = warp::service(routes::status(health, metrics));
    let permits = Arc::new(Semaphore::new(limits.max_status_connections));
    Ok(async move {
        loop {
            let (stream, permit) = accept(&listener, &permits).await;
            let service = TowerToHyperService::new(routes.clone());
            tokio::spawn(async move {
                let _permit = permit;
                let http = http1(limits);
                if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                    debug!(error, "Connection to the status port failed.");
                }
            });
        }
    })
}

fn http1(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout);
    http
}

/// A task that does not outlive its owner.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The next connection, once there is room for it.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Never closed, so there always is a permit in the end.
    let permit = permits.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                warn!(%error, "Cannot accept a connection.");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The encrypted connection, none when the client does not manage to set it up.
async fn handshake(
    tls: TlsAcceptor,
    stream: TcpStream,
    metrics: &Metrics,
    limits: Limits,
) -> Option<TlsStream<TcpStream>> {
    let error = match timeout(limits.handshake_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "timeout".to_owned(),
    };
    metrics.failed_handshake();
    debug!(error, "TLS handshake failed.");
    None
}
