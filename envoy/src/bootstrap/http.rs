//! What the HTTP connection managers of all listeners have in common, and the filters they run.

use crate::{
    Sidecar,
    fragment::HeaderChanges,
    location::Filter,
    message::{
        any::Any,
        connection_manager::{
            CodecType, CommonHttpProtocolOptions, ExtensionConfigSource, HeaderMutation, HeadersWithUnderscoresAction,
            Http1ProtocolOptions, Http2ProtocolOptions, HttpConnectionManager, HttpFilter, Mutation,
            PathWithEscapedSlashesAction, ServerHeaderTransformation,
        },
        core::{ConfigSource, Duration, Extension, PathConfigSource, WatchedDirectory},
        listener::FilterChain,
        route::{Route, RouteConfiguration, VirtualHost},
    },
};

const WASM_TYPE_URL: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// A connection manager with nothing but routes and filters of its own.
pub(super) fn connection_manager(
    name: &str,
    virtual_host: VirtualHost,
    http_filters: Vec<HttpFilter>,
) -> HttpConnectionManager {
    HttpConnectionManager {
        stat_prefix: name.to_owned(),
        codec_type: CodecType::Auto,
        server_header_transformation: ServerHeaderTransformation::PassThrough,
        use_remote_address: false,
        skip_xff_append: true,
        original_ip_detection_extensions: Vec::new(),
        early_header_mutation_extensions: Vec::new(),
        // The engine sees the path as the client sent it: normalising first would erase the evidence of a traversal.
        normalize_path: false,
        merge_slashes: false,
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::KeepUnchanged,
        generate_request_id: true,
        preserve_external_request_id: true,
        stream_idle_timeout: Duration::seconds(300),
        // Uploads may take as long as they like; the headers before them have a timer of their own.
        request_timeout: Duration::seconds(0),
        request_headers_timeout: Duration::seconds(15),
        delayed_close_timeout: Duration::seconds(1),
        drain_timeout: Duration::seconds(5),
        max_request_headers_kb: 60,
        common_http_protocol_options: CommonHttpProtocolOptions {
            idle_timeout: Duration::seconds(3600),
            headers_with_underscores_action: HeadersWithUnderscoresAction::Allow,
            max_headers_count: 100,
        },
        http_protocol_options: Http1ProtocolOptions {
            enable_trailers: true,
            // The application may serve HTTP/1.0 clients; Envoy alone would answer them 426.
            accept_http_10: true,
            default_host_for_http_10: "app",
        },
        http2_protocol_options: Http2ProtocolOptions {
            max_concurrent_streams: 100,
            initial_stream_window_size: 64 * 1024,
            initial_connection_window_size: 1024 * 1024,
        },
        upgrade_configs: Vec::new(),
        access_log: Vec::new(),
        route_config: RouteConfiguration {
            name: name.to_owned(),
            virtual_hosts: [virtual_host],
        },
        http_filters,
    }
}

/// The WAF filter, read from a file that may change at any time.
///
/// Every listener that names it shares one subscription, one compiled module and one VM per worker.
pub(super) fn wallarm_filter(sidecar: &Sidecar, filter: &Filter) -> HttpFilter {
    HttpFilter::Discovered {
        name: filter.name.clone(),
        config_discovery: ExtensionConfigSource {
            config_source: ConfigSource {
                path_config_source: PathConfigSource {
                    path: sidecar.paths.config(&filter.file),
                    // Kubernetes replaces the files of a volume by moving a symbolic link in this folder.
                    watched_directory: WatchedDirectory {
                        path: sidecar.paths.config_dir.clone(),
                    },
                },
                initial_fetch_timeout: Duration::seconds(15),
            },
            type_urls: [WASM_TYPE_URL],
        },
    }
}

/// The filter that ends every chain.
pub(super) fn router() -> HttpFilter {
    HttpFilter::Static(Extension {
        name: "envoy.filters.http.router",
        typed_config: Any::Router {
            suppress_envoy_headers: true,
        },
    })
}

pub(super) fn filter_chain(manager: HttpConnectionManager) -> FilterChain {
    FilterChain {
        filter_chain_match: None,
        transport_socket: None,
        filters: [Extension {
            name: "envoy.filters.network.http_connection_manager",
            typed_config: Any::HttpConnectionManager(Box::new(manager)),
        }],
    }
}

pub(super) fn virtual_host(name: &'static str, routes: Vec<Route>) -> VirtualHost {
    VirtualHost {
        name,
        domains: ["*"],
        routes,
        headers: HeaderChanges::default(),
        request_body_buffer_limit: None,
    }
}

/// Changes request headers before any filter or route sees them.
pub(super) fn early_mutation(mutations: Vec<Mutation>) -> Extension {
    Extension {
        name: "envoy.http.early_header_mutation.header_mutation",
        typed_config: Any::EarlyHeaderMutation(HeaderMutation { mutations }),
    }
}
