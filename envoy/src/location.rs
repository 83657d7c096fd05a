//! Parts of an application that have a filter of their own.

use waf_policy::FilterConfig;

use crate::{FILTER_FILE, FILTER_NAME, Sidecar};

/// Requests whose path matches are filtered in a way of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Which requests.
    pub path: PathMatch,
    /// What the filter does with them. [`FilterConfig::hold_headers`] is set by [`crate::filter_configs`].
    pub filter: FilterConfig,
}

/// Which paths, without their query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// This one.
    Exact(String),
    /// Those that begin so.
    Prefix(String),
    /// Those in which a regular expression of RE2 finds something.
    Regex(String),
}

/// One filter of a sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Name in the filter chain.
    pub(crate) name: String,
    /// Name of its file below [`crate::Paths::config_dir`].
    pub(crate) file: String,
    pub(crate) config: FilterConfig,
}

/// Paths that some servers read as another path: dot segments, doubled and escaped separators, escaped letters. With
/// them a request could choose the location that suits it and still reach what it wants.
pub(crate) const AMBIGUOUS_PATH: &str =
    r"(?i).*(//|\\|;|/\.\.?(/|$)|%(2[def]|3[0-9b]|[46][0-9a-f]|5[0-9acf]|7[0-9ae]|25|c0|c1|e0|f0)).*";

/// Every filter: the one of the whole application, one per location, and one that is as strict as the strictest of them
/// for paths that could belong to any.
pub(crate) fn filters(sidecar: &Sidecar) -> Vec<Filter> {
    let whole = &sidecar.filter;
    let mut configs = vec![whole.clone()];
    if !sidecar.locations.is_empty() {
        configs.extend(sidecar.locations.iter().map(|location| location.filter.clone()));
        // Modes are ordered by severity.
        let strictest = configs.iter().map(|config| config.mode).max().unwrap_or_default();
        configs.push(FilterConfig {
            mode: strictest,
            disabled_parsers: Default::default(),
            ..whole.clone()
        });
    }
    let filter = |(idx, config)| Filter {
        name: filter_name(idx),
        file: filter_file(idx),
        config,
    };
    configs.into_iter().enumerate().map(filter).collect()
}

fn filter_name(idx: usize) -> String {
    match idx {
        0 => FILTER_NAME.to_owned(),
        _ => format!("{FILTER_NAME}_{idx}"),
    }
}

fn filter_file(idx: usize) -> String {
    match idx {
        0 => FILTER_FILE.to_owned(),
        _ => format!("filter-{idx}.json"),
    }
}
