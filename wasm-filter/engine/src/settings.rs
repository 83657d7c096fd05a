//! What an engine is compiled from.

use waf_policy::{FilterConfig, Limits, ParserSet};

/// What an engine is compiled from: the part of a filter's configuration that decides what is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Limits on the work that one request may cause.
    pub limits: Limits,
    /// Parsers that read nothing; what they would have read is judged as it stands.
    pub disabled_parsers: ParserSet,
    /// Whether SQL injection needs the second opinion of the grammar, which Wallarm calls libdetection.
    pub enable_libdetection: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::from(&FilterConfig::default())
    }
}

impl Settings {
    /// Parsers that read.
    pub fn parsers(&self) -> ParserSet {
        let all = ParserSet::ALL.iter();
        all.filter(|parser| !self.disabled_parsers.contains(*parser)).collect()
    }
}

impl From<&FilterConfig> for Settings {
    fn from(config: &FilterConfig) -> Settings {
        Settings {
            limits: config.limits,
            disabled_parsers: config.disabled_parsers,
            enable_libdetection: config.enable_libdetection,
        }
    }
}
