//! Where requests and reports go.

use std::collections::BTreeMap;

use super::BUFFER_LIMIT_BYTES;
use crate::{
    APP_CLUSTER, Ingress, POSTANALYTICS_CLUSTER, Sidecar,
    message::{
        any::Any,
        cluster::{
            CircuitBreakers, Cluster, DiscoveryType, DnsLookupFamily, DownstreamProtocolConfig, ExplicitHttpConfig,
            HttpProtocolOptions, KeepaliveSettings, LoadAssignment, Thresholds, UpstreamHttp1ProtocolOptions,
            UpstreamHttp2ProtocolOptions,
        },
        core::{Address, Duration},
    },
};

pub(super) const ADMIN_CLUSTER: &str = "admin";

pub(super) fn all(sidecar: &Sidecar) -> Vec<Cluster> {
    let apps = sidecar.ingresses().enumerate();
    let apps = apps.map(|(idx, ingress)| app(app_name(idx, ingress), ingress));
    apps.chain([postanalytics(sidecar), admin(sidecar)]).collect()
}

/// Name of the cluster behind the ingress of this index.
pub(super) fn app_name(idx: usize, ingress: Ingress) -> String {
    match idx {
        0 => APP_CLUSTER.to_owned(),
        _ => format!("{APP_CLUSTER}_{}", ingress.app.port()),
    }
}

/// The protected application on one of its ports.
fn app(name: String, ingress: Ingress) -> Cluster {
    let address = Address::connect(ingress.app.ip(), ingress.app.port());
    // A transparent sidecar speaks to the application as the client spoke to it: gRPC over cleartext HTTP/2 stays
    // HTTP/2, everything else is HTTP/1.1.
    let protocol = HttpProtocolOptions::UseDownstreamProtocolConfig(DownstreamProtocolConfig {
        http_protocol_options: UpstreamHttp1ProtocolOptions { enable_trailers: true },
        http2_protocol_options: UpstreamHttp2ProtocolOptions {
            connection_keepalive: None,
        },
    });
    Cluster {
        load_assignment: LoadAssignment::single(&name, address),
        name,
        discovery: DiscoveryType::Static,
        dns_lookup_family: None,
        connect_timeout: Duration::seconds(1),
        per_connection_buffer_limit_bytes: Some(BUFFER_LIMIT_BYTES),
        typed_extension_protocol_options: protocol_options(protocol),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: [Thresholds {
                max_connections: 10_000,
                max_pending_requests: 10_000,
                max_requests: 20_000,
                // A proxy in front of one instance must never send a request twice.
                max_retries: 0,
            }],
        }),
    }
}

/// The service that hits are reported to.
fn postanalytics(sidecar: &Sidecar) -> Cluster {
    let address = Address::connect(&sidecar.postanalytics.host, sidecar.postanalytics.port);
    let protocol = HttpProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
        http2_protocol_options: UpstreamHttp2ProtocolOptions {
            // Finds out within 35 s that the other end is gone without a word.
            connection_keepalive: Some(KeepaliveSettings {
                interval: Duration::seconds(30),
                timeout: Duration::seconds(5),
            }),
        },
    });
    Cluster {
        name: POSTANALYTICS_CLUSTER.to_owned(),
        discovery: DiscoveryType::StrictDns,
        dns_lookup_family: Some(DnsLookupFamily::All),
        connect_timeout: Duration::seconds(1),
        per_connection_buffer_limit_bytes: None,
        typed_extension_protocol_options: protocol_options(protocol),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: [Thresholds {
                max_connections: 4,
                max_pending_requests: 16,
                max_requests: 32,
                max_retries: 0,
            }],
        }),
        load_assignment: LoadAssignment::single(POSTANALYTICS_CLUSTER, address),
    }
}

/// Envoy's own admin interface, of which the metrics listener shows one path.
fn admin(sidecar: &Sidecar) -> Cluster {
    let address = Address::Pipe {
        path: sidecar.paths.admin_socket(),
        mode: None,
    };
    Cluster {
        name: ADMIN_CLUSTER.to_owned(),
        discovery: DiscoveryType::Static,
        dns_lookup_family: None,
        connect_timeout: Duration::seconds(1),
        per_connection_buffer_limit_bytes: None,
        typed_extension_protocol_options: BTreeMap::new(),
        circuit_breakers: None,
        load_assignment: LoadAssignment::single(ADMIN_CLUSTER, address),
    }
}

fn protocol_options(options: HttpProtocolOptions) -> BTreeMap<&'static str, Any> {
    let name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    BTreeMap::from([(name, Any::HttpProtocolOptions(options))])
}
