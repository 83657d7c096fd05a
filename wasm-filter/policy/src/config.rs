//! The plugin configuration: what a person, a mesh or the injector hands to the filter.

use std::fmt;

use crate::{Limits, Mode, ParserSet};

/// The JSON that Envoy passes to the module as its plugin configuration.
///
/// The same in a sidecar, in Istio and in Envoy Gateway. It crosses versions (the injector and the module are upgraded
/// apart), so unknown keys are ignored and named; known keys with a wrong value are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct FilterConfig {
    /// Filtration mode of every request. Unset: `monitoring`.
    pub mode: Mode,
    /// Application that every hit is recorded for. Unset: the default application, -1.
    pub application: Application,
    /// Name of this node in reports, usually the pod's name. Unset or empty: Envoy's node id.
    pub node: String,
    /// Envoy cluster that reports go to. Unset: `wallarm_postanalytics`. Empty: nothing is reported.
    pub postanalytics_cluster: String,
    /// Whether Envoy was told `allow_on_headers_stop_iteration`, so that request headers may be held until the body is
    /// judged. Unset: false, the safe choice under a configuration that is not ours.
    pub hold_headers: bool,
    /// Limits on the work that one request may cause. Unset keys keep their defaults.
    pub limits: Limits,
    /// Parsers that read nothing, by name; what they would have read is judged as it stands. Unset or empty: all parsers
    /// work. Source: Wallarm documentation, annotation `wallarm-parser-disable`.
    pub disabled_parsers: ParserSet,
    /// Whether a sign of SQL injection counts only when a grammar agrees. Unset: true. False finds more and is wrong more
    /// often. Source: Wallarm documentation, "libdetection" and `wallarm_enable_libdetection`.
    pub enable_libdetection: bool,
}

impl Default for FilterConfig {
    fn default() -> Self {
        FilterConfig {
            mode: Mode::default(),
            application: Application::default(),
            node: String::new(),
            postanalytics_cluster: "wallarm_postanalytics".to_owned(),
            hold_headers: false,
            limits: Limits::default(),
            disabled_parsers: ParserSet::EMPTY,
            enable_libdetection: true,
        }
    }
}

/// Identifies an application (a host, a path prefix, a pod) in hits, rules and IP lists.
///
/// Positive, or -1 for the default application. Source: Wallarm documentation, `wallarm_application`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "i32")
)]
pub struct Application(i32);

impl Application {
    /// The application of traffic that nobody assigned to one.
    pub const DEFAULT: Application = Application(-1);

    /// The number used in reports and rules.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl Default for Application {
    fn default() -> Self {
        Application::DEFAULT
    }
}

impl TryFrom<i32> for Application {
    type Error = InvalidApplication;

    fn try_from(id: i32) -> Result<Self, InvalidApplication> {
        if id > 0 || id == -1 {
            Ok(Application(id))
        } else {
            Err(InvalidApplication(id))
        }
    }
}

impl fmt::Display for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that names no application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("application {0} is neither positive nor -1 (the default application)")]
pub struct InvalidApplication(pub i32);

#[cfg(feature = "serde")]
mod json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::FilterConfig;
    use crate::Mode;

    impl Serialize for Mode {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(self.as_str())
        }
    }

    impl<'de> Deserialize<'de> for Mode {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            String::deserialize(deserializer)?
                .parse()
                .map_err(serde::de::Error::custom)
        }
    }

    /// A plugin configuration that cannot be used.
    #[derive(Debug, thiserror::Error)]
    #[error("plugin configuration, key {key}: {reason}")]
    pub struct ConfigError {
        /// Path of the key, `.` for the document itself.
        pub key: String,
        /// What is wrong with its value, and what is allowed.
        pub reason: String,
    }

    impl FilterConfig {
        /// Reads the plugin configuration. An empty document means all defaults.
        ///
        /// Returns the configuration and the top-level keys that this version does not know.
        pub fn from_json(json: &[u8]) -> Result<(FilterConfig, Vec<String>), ConfigError> {
            if json.iter().all(u8::is_ascii_whitespace) {
                return Ok((FilterConfig::default(), Vec::new()));
            }
            let mut unknown = Vec::new();
            let whole = |error: serde_json::Error| ConfigError {
                key: ".".to_owned(),
                reason: error.to_string(),
            };
            let mut document: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(json).map_err(whole)?;
            let known = serde_json::to_value(FilterConfig::default()).map_err(whole)?;
            document.retain(|key, _| {
                let is_known = known.get(key).is_some();
                if !is_known {
                    unknown.push(key.clone());
                }
                is_known
            });
            let config =
                serde_path_to_error::deserialize(serde_json::Value::Object(document)).map_err(|error| ConfigError {
                    key: error.path().to_string(),
                    reason: error.inner().to_string(),
                })?;
            Ok((config, unknown))
        }

        /// The document that [`FilterConfig::from_json`] reads back.
        pub fn to_json(&self) -> String {
            // A struct of numbers and strings always serialises.
            serde_json::to_string(self).unwrap_or_default()
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::Parser;

        fn check_error(json: &str, expected: &str) {
            assert_eq!(
                FilterConfig::from_json(json.as_bytes()).unwrap_err().to_string(),
                expected
            );
        }

        #[test]
        fn empty_means_defaults() {
            for json in ["", " \n", "{}"] {
                assert_eq!(
                    FilterConfig::from_json(json.as_bytes()).unwrap(),
                    (FilterConfig::default(), vec![])
                );
            }
        }

        #[test]
        fn round_trips() {
            let config = FilterConfig {
                mode: Mode::Block,
                application: 7.try_into().unwrap(),
                enable_libdetection: false,
                disabled_parsers: [Parser::Gzip, Parser::Jwt].into_iter().collect(),
                ..Default::default()
            };
            assert_eq!(
                FilterConfig::from_json(config.to_json().as_bytes()).unwrap(),
                (config, vec![])
            );
        }

        #[test]
        fn unknown_keys_are_named_not_refused() {
            let (config, unknown) = FilterConfig::from_json(br#"{"mode":"block","from_the_future":1}"#).unwrap();
            assert_eq!(
                (config.mode, unknown),
                (Mode::Block, vec!["from_the_future".to_owned()])
            );
        }

        #[test]
        fn errors_name_key_and_allowed_values() {
            check_error(
                r#"{"mode":"blocking"}"#,
                r#"plugin configuration, key mode: mode "blocking" is not one of off, monitoring, safe_blocking, block"#,
            );
            check_error(
                r#"{"application":0}"#,
                "plugin configuration, key application: application 0 is neither positive nor -1 (the default application)",
            );
            check_error(
                r#"{"enable_libdetection":"yes"}"#,
                r#"plugin configuration, key enable_libdetection: invalid type: string "yes", expected a boolean"#,
            );
            check_error(
                r#"{"disabled_parsers":["json","yaml"]}"#,
                "plugin configuration, key disabled_parsers[1]: parser \"yaml\" is not one of base64, cookie, \
                 form_urlencoded, gql, grpc, gzip, hex, htmljs, json_doc, jwt, multipart, percent, protobuf, viewstate, xml \
                 (also zlib, json, urlenc)",
            );
            check_error(
                r#"{"limits":{"max_points":"many"}}"#,
                r#"plugin configuration, key limits.max_points: invalid type: string "many", expected usize"#,
            );
        }
    }
}

#[cfg(feature = "serde")]
pub use json::ConfigError;
