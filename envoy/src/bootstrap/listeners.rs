//! Every port: requests, probes, metrics.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    clusters::ADMIN_CLUSTER,
    http::{connection_manager, early_mutation, filter_chain, router, virtual_host, wallarm_filter},
    ingress,
};
use crate::{
    FILTER_FILE, FILTER_NAME, HEALTH_PATHS, Sidecar,
    fragment::HeaderChanges,
    location::Filter,
    message::{
        any::Any,
        connection_manager::{HttpConnectionManager, Mutation, RemoveOnMatch},
        core::{Address, DataSource, Duration, RegexMatcher, StringMatcher},
        listener::Listener,
        route::{Action, DirectResponse, FilterConfig, Route, RouteAction, RouteMatch},
    },
};

pub(super) fn all(sidecar: &Sidecar) -> Vec<Listener> {
    let ingresses = sidecar.ingresses().enumerate();
    let ingresses = ingresses.map(|(idx, ingress)| ingress::listener(sidecar, idx, ingress));
    ingresses.chain([status(sidecar), metrics(sidecar)]).collect()
}

/// Probes. The answer comes through the same filter as requests do: while the module or its configuration cannot be
/// loaded, Envoy answers 500 here as it does there, and so the pod does not get ready.
fn status(sidecar: &Sidecar) -> Listener {
    let filter = Filter {
        name: FILTER_NAME.to_owned(),
        file: FILTER_FILE.to_owned(),
        config: sidecar.filter.clone(),
    };
    let healthy = |path| Route {
        matches: RouteMatch::get(path),
        action: answer(200, "OK\n"),
        headers: HeaderChanges::default(),
        typed_per_filter_config: BTreeMap::new(),
    };
    // Other paths are nobody's business: the filter neither inspects nor reports them.
    let unfiltered = || {
        let switch = FilterConfig { disabled: true };
        BTreeMap::from([(FILTER_NAME.to_owned(), Any::FilterConfig(switch))])
    };
    let statistics = Route {
        typed_per_filter_config: unfiltered(),
        ..admin_page(&sidecar.statistics_path, "/stats")
    };
    let nothing_else = Route {
        matches: RouteMatch::everything(),
        action: answer(404, "not found\n"),
        headers: HeaderChanges::default(),
        typed_per_filter_config: unfiltered(),
    };
    let own = Some(sidecar.health_path.as_str()).filter(|path| !HEALTH_PATHS.contains(path));
    let routes = HEALTH_PATHS.into_iter().chain(own).map(healthy);
    let routes = routes.chain([statistics, nothing_else]).collect();
    // Probes say nothing in their headers. Without them a scan of this port is no attack on the application.
    let every_header = Mutation::RemoveOnMatch(RemoveOnMatch {
        key_matcher: StringMatcher::SafeRegex(RegexMatcher { regex: "[^:].*" }),
    });
    let manager = HttpConnectionManager {
        early_header_mutation_extensions: vec![early_mutation(vec![every_header])],
        ..connection_manager(
            "status",
            virtual_host("status", routes),
            vec![wallarm_filter(sidecar, &filter), router()],
        )
    };
    side_listener("status", sidecar.listen_address, sidecar.ports.status, manager)
}

/// Prometheus: one path of the admin interface and no other.
fn metrics(sidecar: &Sidecar) -> Listener {
    let prometheus = admin_page(&sidecar.metrics_path, "/stats/prometheus");
    let nothing_else = Route {
        matches: RouteMatch::everything(),
        action: answer(404, "not found\n"),
        headers: HeaderChanges::default(),
        typed_per_filter_config: BTreeMap::new(),
    };
    let manager = connection_manager(
        "metrics",
        virtual_host("metrics", vec![prometheus, nothing_else]),
        vec![router()],
    );
    side_listener("metrics", sidecar.listen_address, sidecar.ports.metrics, manager)
}

/// One page of the admin interface under a path of ours.
fn admin_page(path: &str, page: &'static str) -> Route {
    Route {
        matches: RouteMatch::get(path),
        action: Action::Route(RouteAction {
            cluster: ADMIN_CLUSTER.to_owned(),
            prefix_rewrite: Some(page),
            timeout: Duration::seconds(15),
            idle_timeout: None,
        }),
        headers: HeaderChanges::default(),
        typed_per_filter_config: BTreeMap::new(),
    }
}

/// A listener that must answer while load is shed.
fn side_listener(name: &'static str, address: IpAddr, port: u16, manager: HttpConnectionManager) -> Listener {
    Listener {
        name: name.to_owned(),
        address: Address::listen(address, port),
        per_connection_buffer_limit_bytes: 64 * 1024,
        bypass_overload_manager: true,
        ignore_global_conn_limit: true,
        listener_filters: Vec::new(),
        filter_chains: vec![filter_chain(manager)],
        default_filter_chain: None,
    }
}

fn answer(status: u16, body: &str) -> Action {
    Action::DirectResponse(DirectResponse {
        status,
        body: DataSource::InlineString(body.to_owned()),
    })
}
