//! The webhook server: HTTP/1.1 over TLS, nothing else.
//!
//! warp 0.4 has no TLS, so connections are accepted and handed over here. HTTP/2 is not offered: API servers do not ask
//! for it (<https://issue.k8s.io/75791>), and with one request at a time per connection, the limits below bound memory
//! and time by themselves.

mod accept;

mod health;

mod routes;

mod tls;

use std::{net::TcpListener, sync::Arc, time::Duration};

use tokio::sync::watch;

use self::health::Health;
pub use self::tls::{ServingKey, UnusableKey};
use crate::{cluster::Cluster, events::Notices, metrics::Metrics, settings::Settings};

/// How much one client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub max_connections: usize,
    /// Connections at a time to the status port.
    pub max_status_connections: usize,
    /// Largest request body, in bytes. Kubernetes takes objects of up to 3 MiB.
    pub max_body_bytes: usize,
    /// From the connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From the handshake or the last answer to the end of the next request's headers. Longer than the 90 s after which
    /// API servers close their idle connections: whoever closes first must not be the one who gets the next request.
    pub header_timeout: Duration,
    /// From the end of the headers to the end of the body. The API server waits 10 s by default.
    pub body_timeout: Duration,
    /// From the signal to the end of accepting. Endpoints of Services follow the readiness meanwhile.
    pub drain_delay: Duration,
    /// From the end of accepting to the end of the last answer.
    pub drain_timeout: Duration,
}

/// What answers depend on besides the pod. May change while the server runs.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The settings in force.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// What the cluster can do.
    pub cluster: watch::Receiver<Cluster>,
    /// Who tells people what happened to their pods. None: nobody.
    pub notices: Option<Notices>,
}

/// A server that is bound and ready to run.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    status: Option<TcpListener>,
    serving: ServingKey,
    inputs: Inputs,
    metrics: Arc<Metrics>,
    limits: Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 1024,
            max_status_connections: 32,
            max_body_bytes: 3 * 1024 * 1024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(10),
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

// === impl Inputs ===

impl Inputs {
    /// Inputs that never change.
    pub fn fixed(settings: Settings, cluster: Cluster) -> Self {
        Inputs {
            settings: watch::channel(Arc::new(settings)).1,
            cluster: watch::channel(cluster).1,
            notices: None,
        }
    }
}

// === impl Server ===

impl Server {
    /// A server on a bound port. It shows what is in `serving`; until there is something, handshakes fail.
    pub fn new(
        listener: TcpListener,
        serving: ServingKey,
        inputs: Inputs,
        metrics: Arc<Metrics>,
        limits: Limits,
    ) -> Self {
        Server {
            listener,
            status: None,
            serving,
            inputs,
            metrics,
            limits,
        }
    }

    /// The same server with a second port, without TLS, that answers `/healthz`, `/readyz` and `/metrics`.
    #[must_use]
    pub fn with_status(self, listener: TcpListener) -> Self {
        Server {
            status: Some(listener),
            ..self
        }
    }
}
