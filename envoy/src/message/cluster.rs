//! `envoy.config.cluster.v3`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    any::Any,
    core::{Address, Duration},
};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) discovery: DiscoveryType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dns_lookup_family: Option<DnsLookupFamily>,
    pub(crate) connect_timeout: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per_connection_buffer_limit_bytes: Option<u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) typed_extension_protocol_options: BTreeMap<&'static str, Any>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) circuit_breakers: Option<CircuitBreakers>,
    pub(crate) load_assignment: LoadAssignment,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DiscoveryType {
    Static,
    StrictDns,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DnsLookupFamily {
    All,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct CircuitBreakers {
    pub(crate) thresholds: [Thresholds; 1],
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Thresholds {
    pub(crate) max_connections: u32,
    pub(crate) max_pending_requests: u32,
    pub(crate) max_requests: u32,
    pub(crate) max_retries: u32,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct LoadAssignment {
    pub(crate) cluster_name: String,
    pub(crate) endpoints: [LocalityEndpoints; 1],
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct LocalityEndpoints {
    pub(crate) lb_endpoints: [LbEndpoint; 1],
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct LbEndpoint {
    pub(crate) endpoint: Endpoint,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Endpoint {
    pub(crate) address: Address,
}

impl LoadAssignment {
    /// A cluster of one endpoint.
    pub(crate) fn single(cluster_name: &str, address: Address) -> Self {
        let endpoint = Endpoint { address };
        LoadAssignment {
            cluster_name: cluster_name.to_owned(),
            endpoints: [LocalityEndpoints {
                lb_endpoints: [LbEndpoint { endpoint }],
            }],
        }
    }
}

/// `envoy.extensions.upstreams.http.v3.HttpProtocolOptions`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HttpProtocolOptions {
    ExplicitHttpConfig(ExplicitHttpConfig),
    UseDownstreamProtocolConfig(DownstreamProtocolConfig),
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ExplicitHttpConfig {
    pub(crate) http2_protocol_options: UpstreamHttp2ProtocolOptions,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct UpstreamHttp2ProtocolOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connection_keepalive: Option<KeepaliveSettings>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct KeepaliveSettings {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// The application is spoken to in the protocol that its client spoke, so that gRPC over cleartext HTTP/2 works.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DownstreamProtocolConfig {
    pub(crate) http_protocol_options: UpstreamHttp1ProtocolOptions,
    pub(crate) http2_protocol_options: UpstreamHttp2ProtocolOptions,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct UpstreamHttp1ProtocolOptions {
    pub(crate) enable_trailers: bool,
}
