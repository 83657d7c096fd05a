//! Messages that travel in a `google.protobuf.Any`: every extension that we use, with its type URL.

use serde::Serialize;

use super::{
    connection_manager::{Compressor, HeaderMutation, HttpConnectionManager, StdoutAccessLog, XffConfig},
    overload::{CgroupMemoryConfig, DownstreamConnectionsConfig},
    route::FilterConfig,
    tls::{DownstreamTlsContext, Secret},
    wasm::{TypedExtensionConfig, Wasm},
};
use crate::message::cluster::HttpProtocolOptions;

/// A message and its type.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "@type")]
pub(crate) enum Any {
    #[serde(rename = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig")]
    TypedExtensionConfig(Box<TypedExtensionConfig>),
    #[serde(rename = "type.googleapis.com/envoy.config.route.v3.FilterConfig")]
    FilterConfig(FilterConfig),
    #[serde(rename = "type.googleapis.com/envoy.extensions.compression.brotli.compressor.v3.Brotli")]
    Brotli {},
    #[serde(rename = "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip")]
    Gzip {},
    #[serde(rename = "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor")]
    Compressor(Box<Compressor>),
    #[serde(rename = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector")]
    TlsInspector {},
    #[serde(rename = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext")]
    DownstreamTlsContext(Box<DownstreamTlsContext>),
    #[serde(rename = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret")]
    Secret(Secret),
    #[serde(rename = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog")]
    StdoutAccessLog(StdoutAccessLog),
    #[serde(rename = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router")]
    Router { suppress_envoy_headers: bool },
    #[serde(rename = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm")]
    Wasm(Box<Wasm>),
    #[serde(
        rename = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    )]
    HttpConnectionManager(Box<HttpConnectionManager>),
    #[serde(
        rename = "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    )]
    EarlyHeaderMutation(HeaderMutation),
    #[serde(rename = "type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig")]
    XffConfig(XffConfig),
    #[serde(rename = "type.googleapis.com/envoy.extensions.resource_monitors.cgroup_memory.v3.CgroupMemoryConfig")]
    CgroupMemoryConfig(CgroupMemoryConfig),
    #[serde(
        rename = "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    )]
    DownstreamConnectionsConfig(DownstreamConnectionsConfig),
    #[serde(rename = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions")]
    HttpProtocolOptions(HttpProtocolOptions),
    #[serde(rename = "type.googleapis.com/google.protobuf.StringValue")]
    StringValue { value: String },
}
