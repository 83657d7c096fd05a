//! Which statistics exist and how Prometheus names them.

use crate::message::{
    core::StringMatcher,
    stats::{ListStringMatcher, StatsConfig, StatsMatcher, TagSpecifier},
};

/// Parts of a metric's name that become labels: `wallarm_hits_total.type=sqli` is printed as
/// `wallarm_hits_total{type="sqli"}`.
const TAGS: [&str; 6] = ["action", "app", "class", "mode", "reason", "type"];

/// Statistics that are kept; every other one costs memory and is never made.
const KEPT_PREFIXES: [&str; 8] = [
    "wasm",
    "http.ingress",
    "cluster.app",
    "cluster.wallarm",
    "server",
    "overload",
    "extension_config_discovery",
    "listener_manager",
];

pub(super) fn config() -> StatsConfig {
    let tag = |tag_name| TagSpecifier {
        tag_name,
        regex: format!(r"(\.{tag_name}=([^.]+))"),
    };
    StatsConfig {
        stats_tags: TAGS.into_iter().map(tag).collect(),
        stats_matcher: StatsMatcher {
            inclusion_list: ListStringMatcher {
                patterns: KEPT_PREFIXES.into_iter().map(StringMatcher::Prefix).collect(),
            },
        },
    }
}
