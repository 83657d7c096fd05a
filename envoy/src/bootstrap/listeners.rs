//! The three ports: requests, probes, metrics.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use super::{
    BUFFER_LIMIT_BYTES,
    clusters::ADMIN_CLUSTER,
    http::{connection_manager, filter_chain, router, wallarm_filter},
};
use crate::{
    APP_CLUSTER, FILTER_NAME, HEALTH_PATHS, METRICS_PATH, Sidecar,
    message::{
        any::Any,
        connection_manager::{
            AccessLogLine, HeaderMutation, HttpConnectionManager, LogFormat, Mutation, RemoveOnMatch, StdoutAccessLog,
            TrustedCidrs, UpgradeConfig, XffConfig,
        },
        core::{Address, CidrRange, DataSource, Duration, Extension, RegexMatcher, StringMatcher},
        listener::Listener,
        route::{Action, DirectResponse, FilterConfig, Route, RouteAction, RouteMatch, VirtualHost},
    },
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

/// Requests to the application.
pub(super) fn ingress(sidecar: &Sidecar) -> Listener {
    let everything = Route {
        matches: RouteMatch::everything(),
        action: Action::Route(RouteAction {
            cluster: APP_CLUSTER,
            prefix_rewrite: None,
            // The caller owns the deadline; only silence ends a stream.
            timeout: Duration::seconds(0),
            idle_timeout: Some(Duration::seconds(300)),
        }),
        typed_per_filter_config: BTreeMap::new(),
    };
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
            "ingress",
            VirtualHost {
                request_body_buffer_limit: Some(REQUEST_BODY_BUFFER_LIMIT_BYTES),
                ..virtual_host("app", vec![everything])
            },
            vec![wallarm_filter(sidecar), router()],
        )
    };
    Listener {
        name: "ingress",
        address: Address::listen(sidecar.listen_address, sidecar.ports.ingress),
        per_connection_buffer_limit_bytes: BUFFER_LIMIT_BYTES,
        bypass_overload_manager: false,
        ignore_global_conn_limit: false,
        filter_chains: [filter_chain(manager)],
    }
}

/// Probes. The answer comes through the same filter as requests do: while the module or its configuration cannot be
/// loaded, Envoy answers 500 here as it does there, and so the pod does not get ready.
pub(super) fn status(sidecar: &Sidecar) -> Listener {
    let healthy = |path| Route {
        matches: RouteMatch::get(path),
        action: answer(200, "OK\n"),
        typed_per_filter_config: BTreeMap::new(),
    };
    // Other paths are nobody's business: the filter neither inspects nor reports them.
    let nothing_else = Route {
        matches: RouteMatch::everything(),
        action: answer(404, "not found\n"),
        typed_per_filter_config: BTreeMap::from([(FILTER_NAME, Any::FilterConfig(FilterConfig { disabled: true }))]),
    };
    let routes = HEALTH_PATHS.into_iter().map(healthy).chain([nothing_else]).collect();
    // Probes say nothing in their headers. Without them a scan of this port is no attack on the application.
    let every_header = Mutation::RemoveOnMatch(RemoveOnMatch {
        key_matcher: StringMatcher::SafeRegex(RegexMatcher { regex: "[^:].*" }),
    });
    let manager = HttpConnectionManager {
        early_header_mutation_extensions: vec![early_mutation(vec![every_header])],
        ..connection_manager(
            "status",
            virtual_host("status", routes),
            vec![wallarm_filter(sidecar), router()],
        )
    };
    side_listener("status", sidecar.listen_address, sidecar.ports.status, manager)
}

/// Prometheus: one path of the admin interface and no other.
pub(super) fn metrics(sidecar: &Sidecar) -> Listener {
    let prometheus = Route {
        matches: RouteMatch::get(METRICS_PATH),
        action: Action::Route(RouteAction {
            cluster: ADMIN_CLUSTER,
            prefix_rewrite: Some("/stats/prometheus"),
            timeout: Duration::seconds(15),
            idle_timeout: None,
        }),
        typed_per_filter_config: BTreeMap::new(),
    };
    let nothing_else = Route {
        matches: RouteMatch::everything(),
        action: answer(404, "not found\n"),
        typed_per_filter_config: BTreeMap::new(),
    };
    let manager = connection_manager(
        "metrics",
        virtual_host("metrics", vec![prometheus, nothing_else]),
        vec![router()],
    );
    side_listener("metrics", sidecar.listen_address, sidecar.ports.metrics, manager)
}

/// A listener that must answer while load is shed.
fn side_listener(name: &'static str, address: IpAddr, port: u16, manager: HttpConnectionManager) -> Listener {
    Listener {
        name,
        address: Address::listen(address, port),
        per_connection_buffer_limit_bytes: 64 * 1024,
        bypass_overload_manager: true,
        ignore_global_conn_limit: true,
        filter_chains: [filter_chain(manager)],
    }
}

fn virtual_host(name: &'static str, routes: Vec<Route>) -> VirtualHost {
    VirtualHost {
        name,
        domains: ["*"],
        routes,
        request_body_buffer_limit: None,
    }
}

fn answer(status: u16, body: &str) -> Action {
    Action::DirectResponse(DirectResponse {
        status,
        body: DataSource::InlineString(body.to_owned()),
    })
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

/// Changes request headers before any filter or route sees them.
fn early_mutation(mutations: Vec<Mutation>) -> Extension {
    Extension {
        name: "envoy.http.early_header_mutation.header_mutation",
        typed_config: Any::EarlyHeaderMutation(HeaderMutation { mutations }),
    }
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
