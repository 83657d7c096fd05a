//! `envoy.config.route.v3`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    any::Any,
    core::{DataSource, Duration},
};
use crate::fragment::HeaderChanges;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RouteConfiguration {
    pub(crate) name: String,
    pub(crate) virtual_hosts: [VirtualHost; 1],
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct VirtualHost {
    pub(crate) name: &'static str,
    pub(crate) domains: [&'static str; 1],
    pub(crate) routes: Vec<Route>,
    #[serde(flatten)]
    pub(crate) headers: HeaderChanges,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_body_buffer_limit: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Route {
    #[serde(rename = "match")]
    pub(crate) matches: RouteMatch,
    #[serde(flatten)]
    pub(crate) action: Action,
    #[serde(flatten)]
    pub(crate) headers: HeaderChanges,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) typed_per_filter_config: BTreeMap<String, Any>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RouteMatch {
    #[serde(flatten)]
    pub(crate) path: PathSpecifier,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) headers: Vec<HeaderMatcher>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PathSpecifier {
    /// The whole path, whatever the query.
    Path(String),
    Prefix(String),
    SafeRegex(OwnedRegex),
}

/// Matches the exact value of a header.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HeaderMatcher {
    pub(crate) name: &'static str,
    pub(crate) string_match: PathMatcher,
}

/// `StringMatcher` of one exact text.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PathMatcher {
    pub(crate) exact: String,
}

/// A regular expression of RE2 that must match as a whole.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OwnedRegex {
    pub(crate) regex: String,
}

impl RouteMatch {
    pub(crate) fn everything() -> Self {
        RouteMatch {
            path: PathSpecifier::Prefix("/".to_owned()),
            headers: Vec::new(),
        }
    }

    /// `GET` of a path without a query.
    pub(crate) fn get(path: &str) -> Self {
        let exact = |name, value: &str| HeaderMatcher {
            name,
            string_match: PathMatcher {
                exact: value.to_owned(),
            },
        };
        RouteMatch {
            path: PathSpecifier::Path(path.to_owned()),
            headers: vec![exact(":method", "GET"), exact(":path", path)],
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Route(RouteAction),
    DirectResponse(DirectResponse),
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RouteAction {
    pub(crate) cluster: String,
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
