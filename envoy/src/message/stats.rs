//! `envoy.config.metrics.v3`.

use serde::Serialize;

use super::core::StringMatcher;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatsConfig {
    pub(crate) stats_tags: Vec<TagSpecifier>,
    pub(crate) stats_matcher: StatsMatcher,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct TagSpecifier {
    pub(crate) tag_name: &'static str,
    pub(crate) regex: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatsMatcher {
    pub(crate) inclusion_list: ListStringMatcher,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ListStringMatcher {
    pub(crate) patterns: Vec<StringMatcher>,
}
