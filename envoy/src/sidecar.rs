//! What is deployed next to one application.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use waf_policy::FilterConfig;

use crate::{Cidr, HttpFragment, Location, RouteFragment, TlsServer, VirtualHostFragment};

/// Name of the HTTP filter, of its resource and of its key in access logs.
pub const FILTER_NAME: &str = "wallarm";

/// Name of the cluster of the protected application.
pub const APP_CLUSTER: &str = "app";

/// Name of the cluster that reports go to.
///
/// Never `postanalytics`: Envoy reads that very string, given as the target of a gRPC call, as a serialised message
/// with an unset field and aborts.
pub const POSTANALYTICS_CLUSTER: &str = "wallarm_postanalytics";

/// Paths of the status listener that answer 200 while the filter is loaded on the worker that answers, 500 otherwise.
pub const HEALTH_PATHS: [&str; 2] = ["/healthz", "/health"];

/// Path of the metrics listener, in Prometheus text format.
pub const METRICS_PATH: &str = "/wallarm-metrics";

/// Path of the status listener that shows Envoy's statistics.
pub const STATISTICS_PATH: &str = "/status";

/// Name of the bootstrap below [`Paths::config_dir`].
pub const BOOTSTRAP_FILE: &str = "bootstrap.json";

/// Name of the filter resource below [`Paths::config_dir`].
pub const FILTER_FILE: &str = "filter.json";

/// Name of the admin socket below [`Paths::run_dir`].
pub const ADMIN_SOCKET: &str = "admin.sock";

/// One sidecar: the application it protects and how it does so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// Address that all listeners bind. `::` takes IPv4 connections as well; a host without IPv6 needs `0.0.0.0`.
    pub listen_address: IpAddr,
    /// Ports that Envoy listens on.
    pub ports: Ports,
    /// Where the application listens. Every pod-local application listens on loopback too, unless it binds the pod's
    /// address alone.
    pub app: SocketAddr,
    /// Further ports of the application, each with one that stands in for it.
    pub more_ingresses: Vec<Ingress>,
    /// Where reports go.
    pub postanalytics: Postanalytics,
    /// Proxies whose `X-Forwarded-For` is believed. Empty: none, the peer is the client.
    pub trusted_proxies: Vec<Cidr>,
    /// Files and sockets.
    pub paths: Paths,
    /// Most client connections at a time; more are closed at once. The status and metrics listeners do not count.
    pub max_connections: u32,
    /// Whether to shed load near the container's memory limit. Only right where the container has one: without a limit
    /// it protects nothing, and without cgroups Envoy refuses to start.
    pub shed_near_memory_limit: bool,
    /// One more path of the status listener that is answered as [`HEALTH_PATHS`] are.
    pub health_path: String,
    /// Path of the status listener that shows Envoy's statistics.
    pub statistics_path: String,
    /// Path of the metrics listener.
    pub metrics_path: String,
    /// Certificates that TLS is terminated with; the first is for clients that ask for no known name. Empty: clear text.
    pub tls: Vec<TlsServer>,
    /// What the filter does. [`FilterConfig::hold_headers`] is set by [`crate::filter_configs`].
    pub filter: FilterConfig,
    /// Parts of the application that are filtered differently. The first that matches counts.
    pub locations: Vec<Location>,
    /// Compression of responses, the preferred one first.
    pub compressions: Vec<Compression>,
    /// Changes of the connection manager.
    pub http: HttpFragment,
    /// Changes of everything that passes.
    pub virtual_host: VirtualHostFragment,
    /// Changes of the routes to the application.
    pub route: RouteFragment,
}

impl Default for Sidecar {
    /// The sidecar of an application on port 80, as deployed in a cluster with the default chart values.
    fn default() -> Self {
        Sidecar {
            listen_address: Ipv6Addr::UNSPECIFIED.into(),
            ports: Ports::default(),
            app: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 80),
            more_ingresses: Vec::new(),
            postanalytics: Postanalytics::default(),
            trusted_proxies: Cidr::private_networks(),
            paths: Paths::default(),
            max_connections: 20_000,
            shed_near_memory_limit: false,
            health_path: HEALTH_PATHS[1].to_owned(),
            statistics_path: STATISTICS_PATH.to_owned(),
            metrics_path: METRICS_PATH.to_owned(),
            tls: Vec::new(),
            filter: FilterConfig::default(),
            locations: Vec::new(),
            compressions: Vec::new(),
            http: HttpFragment::default(),
            virtual_host: VirtualHostFragment::default(),
            route: RouteFragment::default(),
        }
    }
}

/// A port of the sidecar and the port of the application behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// Port that Envoy listens on.
    pub port: u16,
    /// Where the application listens.
    pub app: SocketAddr,
}

/// Compression of responses for clients that ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Brotli.
    Brotli,
    /// Gzip.
    Gzip,
}

/// Ports of the sidecar. They must differ from one another and from the application's.
///
/// The numbers are those of the Wallarm Sidecar, so that existing Services and NetworkPolicies keep working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Requests to the application. Source: `config.nginx.listenPort`.
    pub ingress: u16,
    /// Probes. Source: `config.nginx.statusPort`.
    pub status: u16,
    /// Prometheus. Source: `config.nginx.wallarmMetricsPort`.
    pub metrics: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Ports {
            ingress: 26001,
            status: 10246,
            metrics: 18080,
        }
    }
}

/// Where postanalytics listens for gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postanalytics {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Default for Postanalytics {
    fn default() -> Self {
        Postanalytics {
            host: "wallarm-postanalytics.wallarm.svc".to_owned(),
            port: 3313,
        }
    }
}

/// Files that the sidecar reads and writes, absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Folder of [`BOOTSTRAP_FILE`] and [`FILTER_FILE`]. Envoy watches it: a new filter resource is moved in, never
    /// written in place.
    pub config_dir: String,
    /// Folder of [`ADMIN_SOCKET`], writable by Envoy and visible to no other container.
    pub run_dir: String,
    /// The detection module.
    pub module: String,
}

impl Sidecar {
    /// Every port of the application, the first included.
    pub fn ingresses(&self) -> impl Iterator<Item = Ingress> {
        let first = Ingress {
            port: self.ports.ingress,
            app: self.app,
        };
        std::iter::once(first).chain(self.more_ingresses.iter().copied())
    }
}

impl Paths {
    /// Where [`crate::bootstrap`] must be put.
    pub fn bootstrap(&self) -> String {
        format!("{}/{BOOTSTRAP_FILE}", self.config_dir)
    }

    /// Where [`crate::filter_config`] must be put.
    pub fn filter(&self) -> String {
        self.config(FILTER_FILE)
    }

    /// Where a file of this name must be put.
    pub fn config(&self, file: &str) -> String {
        format!("{}/{file}", self.config_dir)
    }

    /// The Unix socket of Envoy's admin interface.
    pub fn admin_socket(&self) -> String {
        format!("{}/{ADMIN_SOCKET}", self.run_dir)
    }
}

impl Default for Paths {
    fn default() -> Self {
        Paths {
            config_dir: "/etc/wallarm".to_owned(),
            run_dir: "/run/wallarm".to_owned(),
            module: "/opt/wallarm/wallarm.wasm".to_owned(),
        }
    }
}
