//! The webhook server: HTTP/1.1 over TLS, nothing else.
//!
//! warp 0.4 has no TLS, so connections are accepted and handed over here. HTTP/2 is not offered: with one request at a
//! time per connection, the limits below bound memory and time by themselves.

mod accept;

mod routes;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::rustls::{self, crypto::ring};
use tracing::info;

use crate::{
    args::{Listen, Serve, read_settings},
    metrics::Metrics,
    settings::Settings,
};

/// How much one client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub max_connections: usize,
    /// Largest request body, in bytes. Kubernetes takes objects of up to 3 MiB.
    pub max_body_bytes: usize,
    /// From the connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From the handshake or the last answer to the end of the next request's headers.
    pub header_timeout: Duration,
    /// From the end of the headers to the end of the body. The API server waits 10 s by default.
    pub body_timeout: Duration,
    /// From the signal to the end of the last answer.
    pub drain_timeout: Duration,
}

/// A server that is bound and ready to run.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    limits: Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 1024,
            max_body_bytes: 3 * 1024 * 1024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

// === impl Serve ===

impl Serve {
    /// Reads settings and certificate and binds the port.
    ///
    /// Errors: any of these cannot be used; the message names it.
    pub fn prepare(self) -> anyhow::Result<Server> {
        let Serve {
            listen: Listen(address),
            tls_cert_file,
            tls_key_file,
            config,
        } = self;
        let settings = read_settings(&config)?;
        let tls = read_tls(&tls_cert_file, &tls_key_file)?;
        let listener = bind(address).with_context(|| format!("listening on {address}"))?;
        Ok(Server::new(listener, tls, settings, Limits::default()))
    }
}

/// Binds an address. Nodes without IPv6 get the IPv4 form of "every address".
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).or_else(|error| {
        if address.ip().is_unspecified() && address.is_ipv6() && error.kind() != io::ErrorKind::AddrInUse {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port()))
        } else {
            Err(error)
        }
    })
}

fn read_tls(cert_file: &Path, key_file: &Path) -> anyhow::Result<rustls::ServerConfig> {
    let certificates = || format!("reading webhook certificate {}", cert_file.display());
    let chain = CertificateDer::pem_file_iter(cert_file).with_context(certificates)?;
    let chain = chain.collect::<Result<Vec<_>, _>>().with_context(certificates)?;
    let key = PrivateKeyDer::from_pem_file(key_file)
        .with_context(|| format!("reading webhook key {}", key_file.display()))?;
    tls_config(chain, key).with_context(|| format!("using {} and {}", cert_file.display(), key_file.display()))
}

/// TLS 1.2 and 1.3 with one certificate.
///
/// Errors: an empty chain, or a key that is not the certificate's.
pub fn tls_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<rustls::ServerConfig, rustls::Error> {
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

// === impl Server ===

impl Server {
    /// A server on a bound port.
    pub fn new(listener: TcpListener, tls: rustls::ServerConfig, settings: Settings, limits: Limits) -> Self {
        Server {
            listener,
            tls: Arc::new(tls),
            settings: Arc::new(settings),
            metrics: Arc::default(),
            limits,
        }
    }

    /// Serves until SIGTERM or SIGINT, then until the last answer is out.
    ///
    /// Errors: the operating system gives no threads or signals.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let shutdown = async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            info!(address = %self.listener.local_addr()?, "Listening.");
            self.serve(shutdown).await?;
            info!("Stopped.");
            Ok(())
        })
    }
}
