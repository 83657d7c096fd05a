//! `envoy.config.route.v3`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    any::Any,
    core::{DataSource, Duration},
};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RouteConfiguration {
    pub(crate) name: &'static str,
    pub(crate) virtual_hosts: [VirtualHost; 1],
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct VirtualHost {
    pub(crate) name: &'static str,
    pub(crate) domains: [&'static str; 1],
    pub(crate) routes: Vec<Route>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_body_buffer_limit: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Route {
    #[serde(rename = "match")]
    pub(crate) matches: RouteMatch,
    #[serde(flatten)]
    pub(crate) action: Action,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) typed_per_filter_config: BTreeMap<&'static str, Any>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RouteMatch {
    Path(&'static str),
    Prefix(&'static str),
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Route(RouteAction),
    DirectResponse(DirectResponse),
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RouteAction {
    pub(crate) cluster: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix_rewrite: Option<&'static str>,
    pub(crate) timeout: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle_timeout: Option<Duration>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct DirectResponse {
    pub(crate) status: u16,
    pub(crate) body: DataSource,
}

/// Per-route switch of an HTTP filter.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FilterConfig {
    pub(crate) disabled: bool,
}
