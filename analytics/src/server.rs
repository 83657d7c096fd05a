//! The running service: sockets, health, start and end.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, sync::watch, time::timeout};
use tonic::transport::server::TcpIncoming;
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::{info, warn};
use waf_proto::v1::{
    query_service_server::{self, QueryServiceServer},
    report_service_server::{self, ReportServiceServer},
};
use warp::Filter as _;

use crate::{
    applier::{Applier, Left},
    data_dir::{DataDir, DataDirError},
    database::OpenError,
    hit::limits,
    ingest::Ingest,
    journal::{Bounds, Journal},
    metrics::Metrics,
    query::Query,
    sample::Pressure,
    store::{
        Retention,
        any::AnyStore,
        postgres::{ConnectError, PostgresStore, Server},
        sqlite::SqliteStore,
    },
};

/// Bytes of batches that may wait in memory.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;
/// Largest query, in bytes.
const MAX_QUERY_BYTES: usize = 64 * 1024;
/// Longest time for a request, from its first byte to the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How the service runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address of gRPC.
    pub listen: SocketAddr,
    /// Address of metrics and liveness.
    pub metrics_listen: SocketAddr,
    /// Folder of the spool and of the embedded store.
    pub data: PathBuf,
    /// The database of the shared store, which then takes the place of the embedded one.
    pub database: Option<Server>,
    /// Bound of the spool, in bytes.
    pub max_spool_bytes: u64,
    /// What the store keeps.
    pub retention: Retention,
    /// Whether repetitions are only counted when load is high.
    pub sampling: bool,
    /// Longest time to finish requests and empty the spool when stopping.
    pub drain_timeout: Duration,
}

/// Why the service does not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be used.
    #[error("cannot listen on {address} ({what}): choose another address with {flag}")]
    Listen {
        /// What for.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// The flag that changes it.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The shared store cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The description of the services is broken.
    #[error("cannot describe the services")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// gRPC broke down.
    #[error("gRPC ended")]
    Grpc(#[from] tonic::transport::Error),
    /// A part of the service broke down.
    #[error("a part of the service ended")]
    Part(#[from] tokio::task::JoinError),
    /// Not everything is in the store.
    #[error(transparent)]
    Left(#[from] Left),
}

// === impl ServeError ===

impl ServeError {
    /// Whether the operator's settings are at fault.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            ServeError::Listen { .. } | ServeError::DataDir(_) | ServeError::Open(_)
        )
    }
}

/// Serves until `stop` completes, then ends in order: no new requests, requests under way are answered, the spool is
/// emptied into the store, files are closed.
pub async fn serve(options: Options, stop: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
    let Options {
        listen,
        metrics_listen,
        data,
        database,
        max_spool_bytes,
        retention,
        sampling,
        drain_timeout,
    } = options;
    let data = DataDir::open(&data)?;
    let metrics = Metrics::default();
    let bounds = Bounds {
        max_bytes: max_spool_bytes,
        max_waiting_bytes: MAX_WAITING_BYTES,
    };
    let store = Arc::new(match database {
        None => AnyStore::Sqlite(SqliteStore::open(&data.file("store.db"))?),
        Some(server) => AnyStore::Postgres(PostgresStore::open(&server).await?),
    });
    let (journal, writer) = Journal::open(&data.file("spool.db"), bounds, metrics.clone())?;
    let listener = bind("gRPC", listen, "--listen").await?;
    let metrics_listener = bind("metrics", metrics_listen, "--metrics-listen").await?;
    // The addresses in use, which differ from the wanted ones where those leave the port to the system.
    let address = listener.local_addr().unwrap_or(listen);
    let metrics_address = metrics_listener.local_addr().unwrap_or(metrics_listen);

    let (stopping, mut stopped) = watch::channel(false);
    let grpc_stop = async move {
        // An error means that nobody is left who could stop us.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let pressure = if sampling {
        Pressure::new(Instant::now())
    } else {
        Pressure::ignored()
    };
    let ingest = Ingest::new(journal.clone(), pressure.clone(), metrics.clone());
    let (health, grpc) = grpc(listener, grpc_stop, ingest, &store, &metrics)?;
    let health_watch = tokio::spawn(follow_journal(health.clone(), journal.writable()));
    let metrics_server = tokio::spawn(serve_metrics(metrics_listener, metrics.clone()));
    let (drain, drained) = watch::channel(false);
    let applier = Applier::new(journal.clone(), store, retention, pressure, metrics);
    let mut applier = tokio::spawn(applier.run(drained));
    let mut grpc = tokio::spawn(grpc);
    info!(%address, %metrics_address, version = env!("CARGO_PKG_VERSION"), "Serving.");

    tokio::select! {
        () = stop => {}
        ended = &mut grpc => ended??,
        ended = &mut applier => ended??,
    }

    info!("Stopping: finishing requests and emptying the spool.");
    // Requests that do not end, such as a watch on health, must not take the time that emptying the spool needs.
    let requests_deadline = Instant::now() + drain_timeout / 2;
    let deadline = Instant::now() + drain_timeout;
    let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
    health_watch.abort();
    set_status(&health, ServingStatus::NotServing).await;
    stopping.send_replace(true);
    if !grpc.is_finished() && timeout(left(requests_deadline), &mut grpc).await.is_err() {
        warn!("Some requests did not end in time.");
        grpc.abort();
    }
    drain.send_replace(true);
    let drained = if applier.is_finished() {
        Ok(())
    } else {
        match timeout(left(deadline), &mut applier).await {
            Ok(ended) => ended?.map_err(ServeError::from),
            Err(_) => {
                warn!("The spool did not get empty in time; the rest stays there until the next start.");
                applier.abort();
                Ok(())
            }
        }
    };
    journal.close();
    drop(journal);
    tokio::task::spawn_blocking(|| writer.join()).await?;
    metrics_server.abort();
    info!("Stopped.");
    drained
}

async fn bind(what: &'static str, address: SocketAddr, flag: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen {
        what,
        address,
        flag,
        source,
    })
}

/// The gRPC server, to be run, and the handle on its health.
fn grpc<Stop: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    stop: Stop,
    ingest: Ingest,
    store: &Arc<AnyStore>,
    metrics: &Metrics,
) -> Result<
    (
        HealthReporter,
        impl Future<Output = Result<(), tonic::transport::Error>> + Send + use<Stop>,
    ),
    ServeError,
> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(waf_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let report = ReportServiceServer::new(ingest).max_decoding_message_size(limits::BATCH_BYTES);
    let query =
        QueryServiceServer::new(Query::new(store.clone(), metrics.clone())).max_decoding_message_size(MAX_QUERY_BYTES);
    let router = tonic::transport::Server::builder()
        .timeout(REQUEST_TIMEOUT)
        .concurrency_limit_per_connection(16)
        .max_concurrent_streams(128)
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_header_list_size(16 * 1024)
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        // Tools that do not know the final version of reflection yet ask for this one.
        .add_service(reflection().build_v1alpha()?)
        .add_service(report)
        .add_service(query);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok((health, router.serve_with_incoming_shutdown(incoming, stop)))
}

/// Says that reports cannot be taken while the spool cannot be written. Queries go on.
async fn follow_journal(health: HealthReporter, mut writable: watch::Receiver<bool>) {
    set_status(&health, ServingStatus::Serving).await;
    while writable.changed().await.is_ok() {
        let status = if *writable.borrow_and_update() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for service in ["", report_service_server::SERVICE_NAME] {
            health.set_service_status(service, status).await;
        }
    }
}

async fn set_status(health: &HealthReporter, status: ServingStatus) {
    for service in [
        "",
        report_service_server::SERVICE_NAME,
        query_service_server::SERVICE_NAME,
    ] {
        health.set_service_status(service, status).await;
    }
}

async fn serve_metrics(listener: TcpListener, metrics: Metrics) {
    let text = warp::path!("metrics").map(move || {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        warp::reply::with_header(metrics.render(), "content-type", kind)
    });
    let alive = warp::path!("healthz").map(|| String::from("ok\n"));
    let routes = warp::get().and(text.or(alive));
    warp::serve(routes).incoming(listener).run().await;
}

/// Completes when the process is asked to end: SIGTERM or SIGINT.
///
/// Errors: signals cannot be watched.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
