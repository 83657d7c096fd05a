//! `envoy.extensions.filters.network.http_connection_manager.v3` and the extensions that plug into it.

use serde::Serialize;

use super::{
    core::{CidrRange, ConfigSource, Duration, Extension, StringMatcher},
    route::RouteConfiguration,
};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct HttpConnectionManager {
    pub(crate) stat_prefix: String,
    pub(crate) codec_type: CodecType,
    pub(crate) server_header_transformation: ServerHeaderTransformation,
    pub(crate) use_remote_address: bool,
    pub(crate) skip_xff_append: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) original_ip_detection_extensions: Vec<Extension>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) early_header_mutation_extensions: Vec<Extension>,
    pub(crate) normalize_path: bool,
    pub(crate) merge_slashes: bool,
    pub(crate) path_with_escaped_slashes_action: PathWithEscapedSlashesAction,
    pub(crate) generate_request_id: bool,
    pub(crate) preserve_external_request_id: bool,
    pub(crate) stream_idle_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) request_headers_timeout: Duration,
    pub(crate) delayed_close_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) max_request_headers_kb: u32,
    pub(crate) common_http_protocol_options: CommonHttpProtocolOptions,
    pub(crate) http_protocol_options: Http1ProtocolOptions,
    pub(crate) http2_protocol_options: Http2ProtocolOptions,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) upgrade_configs: Vec<UpgradeConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) access_log: Vec<Extension>,
    pub(crate) route_config: RouteConfiguration,
    pub(crate) http_filters: Vec<HttpFilter>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum CodecType {
    Auto,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ServerHeaderTransformation {
    PassThrough,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum PathWithEscapedSlashesAction {
    KeepUnchanged,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum HeadersWithUnderscoresAction {
    Allow,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct CommonHttpProtocolOptions {
    pub(crate) idle_timeout: Duration,
    pub(crate) headers_with_underscores_action: HeadersWithUnderscoresAction,
    pub(crate) max_headers_count: u32,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Http1ProtocolOptions {
    pub(crate) enable_trailers: bool,
    pub(crate) accept_http_10: bool,
    pub(crate) default_host_for_http_10: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Http2ProtocolOptions {
    pub(crate) max_concurrent_streams: u32,
    pub(crate) initial_stream_window_size: u32,
    pub(crate) initial_connection_window_size: u32,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct UpgradeConfig {
    pub(crate) upgrade_type: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum HttpFilter {
    Static(Extension),
    Discovered {
        name: String,
        config_discovery: ExtensionConfigSource,
    },
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ExtensionConfigSource {
    pub(crate) config_source: ConfigSource,
    pub(crate) type_urls: [&'static str; 1],
}

/// Configuration of `envoy.filters.http.compressor`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Compressor {
    pub(crate) compressor_library: Extension,
}

/// Configuration of `envoy.http.original_ip_detection.xff`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct XffConfig {
    pub(crate) xff_trusted_cidrs: TrustedCidrs,
    pub(crate) skip_xff_append: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrustedCidrs {
    pub(crate) cidrs: Vec<CidrRange>,
}

/// Configuration of `envoy.http.early_header_mutation.header_mutation`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HeaderMutation {
    pub(crate) mutations: Vec<Mutation>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mutation {
    Remove(&'static str),
    RemoveOnMatch(RemoveOnMatch),
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RemoveOnMatch {
    pub(crate) key_matcher: StringMatcher,
}

/// Configuration of `envoy.access_loggers.stdout`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StdoutAccessLog {
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct LogFormat {
    pub(crate) json_format: AccessLogLine,
}

/// The keys of one access log line. A value that a request does not have is `null`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccessLogLine {
    /// Start of the request, RFC 3339 with milliseconds.
    pub(crate) ts: &'static str,
    /// Request id.
    pub(crate) rid: &'static str,
    /// HTTP method.
    pub(crate) method: &'static str,
    /// Authority.
    pub(crate) host: &'static str,
    /// Path without the query: queries carry secrets.
    pub(crate) path: &'static str,
    /// HTTP version.
    pub(crate) proto: &'static str,
    /// Response code.
    pub(crate) code: &'static str,
    /// Why Envoy answered this code; `wallarm_block` for a blocked attack.
    pub(crate) details: &'static str,
    /// Envoy's response flags.
    pub(crate) flags: &'static str,
    /// The filter's verdict.
    pub(crate) waf: &'static str,
    /// Address of the client.
    pub(crate) ip: &'static str,
    /// Request body bytes.
    pub(crate) rx: &'static str,
    /// Response body bytes.
    pub(crate) tx: &'static str,
    /// Whole duration in milliseconds.
    pub(crate) dur: &'static str,
    /// Milliseconds that the application took.
    pub(crate) app: &'static str,
}
