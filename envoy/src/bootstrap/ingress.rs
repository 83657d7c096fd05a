//! The listeners that take requests to the application.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::{
    BUFFER_LIMIT_BYTES,
    clusters::app_name,
    http::{connection_manager, early_mutation, filter_chain, router, virtual_host, wallarm_filter},
};
use crate::{
    Compression, Ingress, PathMatch, Sidecar,
    fragment::HttpFragment,
    location::{self, AMBIGUOUS_PATH, Filter},
    message::{
        any::Any,
        connection_manager::{
            AccessLogLine, Compressor, HttpConnectionManager, HttpFilter, LogFormat, Mutation, StdoutAccessLog,
            TrustedCidrs, UpgradeConfig, XffConfig,
        },
        core::{Address, CidrRange, Duration, Extension},
        listener::{FilterChain, FilterChainMatch, Listener},
        route::{Action, FilterConfig, OwnedRegex, PathSpecifier, Route, RouteAction, RouteMatch, VirtualHost},
    },
    tls,
};

/// Request headers by which a client could steer Envoy's router: make it repeat a request, cut it short, or make up
/// statistics without end. The application never needs them from outside.
///
/// Source: Envoy documentation, "HTTP header manipulation" of the router filter.
const STEERING_HEADERS: [&str; 10] = [
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-max-retries",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
];

/// Most bytes of one request body that Envoy keeps while the filter holds it; a body above it is refused with 413.
///
/// The filter lets go at its inspection limit, but Envoy hands it whole reads, each up to [`BUFFER_LIMIT_BYTES`]: a slow
/// upload that speeds up just below the inspection limit needs room for both.
const REQUEST_BODY_BUFFER_LIMIT_BYTES: u64 = 2 * BUFFER_LIMIT_BYTES as u64;

/// Requests to one port of the application.
pub(super) fn listener(sidecar: &Sidecar, idx: usize, ingress: Ingress) -> Listener {
    let name = match idx {
        0 => "ingress".to_owned(),
        _ => format!("ingress_{}", ingress.app.port()),
    };
    let manager = manager(sidecar, &name, app_name(idx, ingress));
    let (filter_chains, default_filter_chain) = chains(sidecar, manager);
    let with_names = filter_chains.iter().any(|chain| chain.filter_chain_match.is_some());
    Listener {
        name,
        address: Address::listen(sidecar.listen_address, ingress.port),
        per_connection_buffer_limit_bytes: BUFFER_LIMIT_BYTES,
        bypass_overload_manager: false,
        ignore_global_conn_limit: false,
        listener_filters: with_names.then(tls_inspector).into_iter().collect(),
        filter_chains,
        default_filter_chain,
    }
}

/// One chain in clear text, or one per certificate and one for clients that ask for no known name.
fn chains(sidecar: &Sidecar, manager: HttpConnectionManager) -> (Vec<FilterChain>, Option<FilterChain>) {
    let Some(first) = sidecar.tls.first() else {
        return (vec![filter_chain(manager)], None);
    };
    let chain = |idx, server, server_names: &[String]| FilterChain {
        filter_chain_match: (!server_names.is_empty()).then(|| FilterChainMatch {
            server_names: server_names.to_vec(),
        }),
        transport_socket: Some(tls::transport_socket(sidecar, idx, server)),
        ..filter_chain(manager.clone())
    };
    let named = sidecar
        .tls
        .iter()
        .enumerate()
        .filter(|(_, server)| !server.names.is_empty());
    let named = named
        .map(|(idx, server)| chain(idx, server, &server.names))
        .collect::<Vec<_>>();
    let unnamed = sidecar.tls.iter().position(|server| server.names.is_empty());
    let default = match unnamed.and_then(|idx| Some((idx, sidecar.tls.get(idx)?))) {
        Some((idx, server)) => chain(idx, server, &[]),
        None => chain(0, first, &[]),
    };
    (named, Some(default))
}

fn manager(sidecar: &Sidecar, name: &str, cluster: String) -> HttpConnectionManager {
    let filters = location::filters(sidecar);
    let http_filters = compressors(sidecar)
        .chain(filters.iter().map(|filter| wallarm_filter(sidecar, filter)))
        .chain([router()])
        .collect();
    let manager = HttpConnectionManager {
        original_ip_detection_extensions: vec![Extension {
            name: "envoy.http.original_ip_detection.xff",
            typed_config: Any::XffConfig(XffConfig {
                xff_trusted_cidrs: TrustedCidrs {
                    cidrs: trusted_cidrs(sidecar),
                },
                skip_xff_append: true,
            }),
        }],
        early_header_mutation_extensions: vec![early_mutation(STEERING_HEADERS.map(Mutation::Remove).into())],
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: "websocket",
        }],
        access_log: vec![access_log()],
        ..connection_manager(
            name,
            VirtualHost {
                headers: sidecar.virtual_host.headers.clone(),
                request_body_buffer_limit: Some(REQUEST_BODY_BUFFER_LIMIT_BYTES),
                ..virtual_host("app", routes(sidecar, &filters, &cluster))
            },
            http_filters,
        )
    };
    changed(manager, &sidecar.http)
}

/// What the owner of the pod wrote wins.
fn changed(mut manager: HttpConnectionManager, fragment: &HttpFragment) -> HttpConnectionManager {
    let HttpFragment {
        stream_idle_timeout,
        request_timeout,
        request_headers_timeout,
        idle_timeout,
        max_request_headers_kb,
        max_headers_count,
        max_concurrent_streams,
    } = fragment;
    let set = |place: &mut Duration, written: &Option<Duration>| *place = written.unwrap_or(*place);
    set(&mut manager.stream_idle_timeout, stream_idle_timeout);
    set(&mut manager.request_timeout, request_timeout);
    set(&mut manager.request_headers_timeout, request_headers_timeout);
    set(&mut manager.common_http_protocol_options.idle_timeout, idle_timeout);
    if let Some(kibibytes) = max_request_headers_kb {
        manager.max_request_headers_kb = kibibytes.get();
    }
    if let Some(count) = max_headers_count {
        manager.common_http_protocol_options.max_headers_count = count.get();
    }
    if let Some(count) = max_concurrent_streams {
        manager.http2_protocol_options.max_concurrent_streams = count.get();
    }
    manager
}

/// One route per location, in front of them one for paths that could belong to any, and at last everything else. All
/// lead to the application; they differ in the one filter that is not switched off.
fn routes(sidecar: &Sidecar, filters: &[Filter], cluster: &str) -> Vec<Route> {
    let route = |path, filter_idx: usize| Route {
        matches: RouteMatch {
            path,
            headers: Vec::new(),
        },
        action: Action::Route(RouteAction {
            cluster: cluster.to_owned(),
            prefix_rewrite: None,
            // The caller owns the deadline; only silence ends a stream.
            timeout: sidecar.route.timeout.unwrap_or(Duration::seconds(0)),
            idle_timeout: Some(sidecar.route.idle_timeout.unwrap_or(Duration::seconds(300))),
        }),
        headers: sidecar.route.headers.clone(),
        typed_per_filter_config: without_others(filters, filter_idx),
    };
    let mut routes = Vec::new();
    if !sidecar.locations.is_empty() {
        let ambiguous = OwnedRegex {
            regex: AMBIGUOUS_PATH.to_owned(),
        };
        routes.push(route(PathSpecifier::SafeRegex(ambiguous), filters.len() - 1));
    }
    for (idx, location) in sidecar.locations.iter().enumerate() {
        let path = match &location.path {
            PathMatch::Exact(path) => PathSpecifier::Path(path.clone()),
            PathMatch::Prefix(path) => PathSpecifier::Prefix(path.clone()),
            PathMatch::Regex(regex) => PathSpecifier::SafeRegex(OwnedRegex {
                regex: format!(".*(?:{regex}).*"),
            }),
        };
        routes.push(route(path, idx + 1));
    }
    routes.push(route(PathSpecifier::Prefix("/".to_owned()), 0));
    routes
}

fn without_others(filters: &[Filter], own_idx: usize) -> BTreeMap<String, Any> {
    let others = filters.iter().enumerate().filter(|(idx, _)| *idx != own_idx);
    let off = |(_, filter): (usize, &Filter)| {
        let switch = FilterConfig { disabled: true };
        (filter.name.clone(), Any::FilterConfig(switch))
    };
    others.map(off).collect()
}

/// In front of the filter, so that it will see what the application answered and not what the client gets.
fn compressors(sidecar: &Sidecar) -> impl Iterator<Item = HttpFilter> {
    sidecar.compressions.iter().map(|compression| {
        let (name, compressor_library) = match compression {
            Compression::Brotli => (
                "envoy.filters.http.compressor.brotli",
                Extension {
                    name: "brotli",
                    typed_config: Any::Brotli {},
                },
            ),
            Compression::Gzip => (
                "envoy.filters.http.compressor.gzip",
                Extension {
                    name: "gzip",
                    typed_config: Any::Gzip {},
                },
            ),
        };
        HttpFilter::Static(Extension {
            name,
            typed_config: Any::Compressor(Box::new(Compressor { compressor_library })),
        })
    })
}

fn tls_inspector() -> Extension {
    Extension {
        name: "envoy.filters.listener.tls_inspector",
        typed_config: Any::TlsInspector {},
    }
}

/// The proxies whose `X-Forwarded-For` is believed.
fn trusted_cidrs(sidecar: &Sidecar) -> Vec<CidrRange> {
    if sidecar.trusted_proxies.is_empty() {
        // Envoy takes an empty list for "believe the last address of the header". No peer has the address 0.0.0.0.
        return vec![CidrRange {
            address_prefix: Ipv4Addr::UNSPECIFIED.into(),
            prefix_len: 32,
        }];
    }
    let range = |cidr: &crate::Cidr| CidrRange {
        address_prefix: cidr.address(),
        prefix_len: cidr.prefix_len(),
    };
    sidecar.trusted_proxies.iter().map(range).collect()
}

fn access_log() -> Extension {
    let json_format = AccessLogLine {
        ts: "%START_TIME%",
        rid: "%REQ(X-REQUEST-ID)%",
        method: "%REQ(:METHOD)%",
        host: "%REQ(:AUTHORITY)%",
        path: "%PATH(NQ:PATH)%",
        proto: "%PROTOCOL%",
        code: "%RESPONSE_CODE%",
        details: "%RESPONSE_CODE_DETAILS%",
        flags: "%RESPONSE_FLAGS%",
        waf: "%FILTER_STATE(wasm.wallarm:PLAIN)%",
        ip: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        rx: "%BYTES_RECEIVED%",
        tx: "%BYTES_SENT%",
        dur: "%DURATION%",
        app: "%RESPONSE_DURATION%",
    };
    Extension {
        name: "envoy.access_loggers.stdout",
        typed_config: Any::StdoutAccessLog(StdoutAccessLog {
            log_format: LogFormat { json_format },
        }),
    }
}
