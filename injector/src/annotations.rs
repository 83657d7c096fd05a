//! What the owner of a pod set: its annotations.

use std::{collections::BTreeMap, fmt, num::NonZeroU16};

use waf_policy::{Application, Mode};

/// Names of the annotations that injection writes, without the prefix.
pub mod written {
    /// Envoy's bootstrap.
    pub const BOOTSTRAP: &str = "bootstrap";
    /// The filter resource.
    pub const FILTER_CONFIG: &str = "filter-config";
    /// Marks an injected pod.
    pub const STATUS: &str = "status";
}

/// Longest part of a value that a message repeats, in characters.
const MAX_SHOWN_CHARS: usize = 64;

/// Annotations of one pod. Absent ones leave the decision to the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `wallarm-mode`.
    pub mode: Option<Mode>,
    /// `wallarm-application`.
    pub application: Option<Application>,
    /// `application-port`.
    pub application_port: Option<NonZeroU16>,
    /// `proxy-listen-port`, or its older name `nginx-listen-port`.
    pub listen_port: Option<NonZeroU16>,
    /// `sidecar-injection-iptables-enable`.
    pub iptables_enable: Option<bool>,
    /// `sidecar-injection-native-enable`.
    pub native_enable: Option<bool>,
}

/// A value that an annotation does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The whole key.
    pub key: String,
    /// The value, cut when long.
    pub value: String,
    /// What is allowed, to be read after "allowed:".
    pub allowed: String,
}

impl Annotations {
    /// Reads all annotations under `prefix`, and reports every mistake rather than the first.
    ///
    /// The second part of a success are warnings for the pod's owner.
    pub fn read(all: &BTreeMap<String, String>, prefix: &str) -> Result<(Annotations, Vec<String>), Vec<Mistake>> {
        let mut read = Annotations::default();
        let mut mistakes = Vec::new();
        let mut warnings = Vec::new();
        let mut old_listen_port = None;
        for (key, value) in all {
            let Some(name) = key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) else {
                continue;
            };
            let mistake = |allowed: &str| Mistake {
                key: key.clone(),
                value: shown(value),
                allowed: allowed.to_owned(),
            };
            let as_port = || value.parse().map_err(|_| mistake("a port number from 1 to 65535"));
            let outcome = match name {
                "wallarm-mode" => value
                    .parse()
                    .map(|mode| read.mode = Some(mode))
                    .map_err(|_| mistake(&Mode::ALL.map(Mode::as_str).join(", "))),
                "wallarm-application" => parse_application(value)
                    .map(|application| read.application = Some(application))
                    .ok_or_else(|| mistake("a positive number, or -1 for the default application")),
                "application-port" => as_port().map(|port| read.application_port = Some(port)),
                "proxy-listen-port" => as_port().map(|port| read.listen_port = Some(port)),
                "nginx-listen-port" => as_port().map(|port| old_listen_port = Some((port, mistake("")))),
                "sidecar-injection-iptables-enable" => value
                    .parse()
                    .map(|enable| read.iptables_enable = Some(enable))
                    .map_err(|_| mistake("true, false")),
                "sidecar-injection-native-enable" => value
                    .parse()
                    .map(|enable| read.native_enable = Some(enable))
                    .map_err(|_| mistake("true, false")),
                // A leftover of a copied manifest; injection writes its own.
                written::STATUS | written::BOOTSTRAP | written::FILTER_CONFIG => Ok(()),
                _ => {
                    warnings.push(format!("annotation {} is unknown and has no effect", shown(key)));
                    Ok(())
                }
            };
            mistakes.extend(outcome.err());
        }
        if let Some((port, mistake)) = old_listen_port {
            warnings.push(format!(
                "annotation {} is outdated: use {prefix}/proxy-listen-port",
                mistake.key
            ));
            match read.listen_port {
                Some(newer) if newer != port => mistakes.push(Mistake {
                    allowed: format!("{newer}, as {prefix}/proxy-listen-port says, or no such annotation"),
                    ..mistake
                }),
                _ => read.listen_port = Some(port),
            }
        }
        if mistakes.is_empty() {
            Ok((read, warnings))
        } else {
            Err(mistakes)
        }
    }
}

fn parse_application(value: &str) -> Option<Application> {
    value.parse::<i32>().ok()?.try_into().ok()
}

/// A value as a message may repeat it.
fn shown(value: &str) -> String {
    match value.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((cut, _)) => format!("{}…", &value[..cut]),
        None => value.to_owned(),
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { key, value, allowed } = self;
        write!(f, "annotation {key}: {value:?} is not allowed (allowed: {allowed})")
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(pairs: &[(&str, &str)], expected: Expect) {
        let all = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let text = match Annotations::read(&all, "sidecar.wallarm.io") {
            Ok((read, warnings)) => format!("{read:?}\n{}", warnings.join("\n")),
            Err(mistakes) => mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n"),
        };
        expected.assert_eq(text.trim_end());
    }

    #[test]
    fn others_are_none_of_our_business() {
        check(
            &[
                ("a", "b"),
                ("sidecar.wallarm.iowallarm-mode", "x"),
                ("wallarm-mode", "x"),
                ("", ""),
            ],
            expect![
                "Annotations { mode: None, application: None, application_port: None, listen_port: None, iptables_enable: None, native_enable: None }"
            ],
        );
    }

    #[test]
    fn all_known_are_read() {
        check(
            &[
                ("sidecar.wallarm.io/wallarm-mode", "block"),
                ("sidecar.wallarm.io/wallarm-application", "7"),
                ("sidecar.wallarm.io/application-port", "8080"),
                ("sidecar.wallarm.io/proxy-listen-port", "26002"),
                ("sidecar.wallarm.io/sidecar-injection-iptables-enable", "false"),
            ],
            expect![
                "Annotations { mode: Some(Block), application: Some(Application(7)), application_port: Some(8080), listen_port: Some(26002), iptables_enable: Some(false), native_enable: None }"
            ],
        );
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        check(
            &[
                ("sidecar.wallarm.io/wallarm-mode", "blocking"),
                ("sidecar.wallarm.io/wallarm-application", "0"),
                ("sidecar.wallarm.io/application-port", "http"),
                ("sidecar.wallarm.io/proxy-listen-port", "0"),
                ("sidecar.wallarm.io/sidecar-injection-iptables-enable", "yes"),
            ],
            expect![[r#"
                annotation sidecar.wallarm.io/application-port: "http" is not allowed (allowed: a port number from 1 to 65535)
                annotation sidecar.wallarm.io/proxy-listen-port: "0" is not allowed (allowed: a port number from 1 to 65535)
                annotation sidecar.wallarm.io/sidecar-injection-iptables-enable: "yes" is not allowed (allowed: true, false)
                annotation sidecar.wallarm.io/wallarm-application: "0" is not allowed (allowed: a positive number, or -1 for the default application)
                annotation sidecar.wallarm.io/wallarm-mode: "blocking" is not allowed (allowed: off, monitoring, safe_blocking, block)"#]],
        );
    }

    #[test]
    fn older_name_still_works() {
        check(
            &[("sidecar.wallarm.io/nginx-listen-port", "26002")],
            expect![[r#"
            Annotations { mode: None, application: None, application_port: None, listen_port: Some(26002), iptables_enable: None, native_enable: None }
            annotation sidecar.wallarm.io/nginx-listen-port is outdated: use sidecar.wallarm.io/proxy-listen-port"#]],
        );
        let both = |older| {
            [
                ("sidecar.wallarm.io/nginx-listen-port", older),
                ("sidecar.wallarm.io/proxy-listen-port", "26002"),
            ]
        };
        check(
            &both("26002"),
            expect![[r#"
            Annotations { mode: None, application: None, application_port: None, listen_port: Some(26002), iptables_enable: None, native_enable: None }
            annotation sidecar.wallarm.io/nginx-listen-port is outdated: use sidecar.wallarm.io/proxy-listen-port"#]],
        );
        check(
            &both("26003"),
            expect![[
                r#"annotation sidecar.wallarm.io/nginx-listen-port: "26003" is not allowed (allowed: 26002, as sidecar.wallarm.io/proxy-listen-port says, or no such annotation)"#
            ]],
        );
    }

    #[test]
    fn unknown_names_are_warned_about() {
        check(
            &[("sidecar.wallarm.io/wallarm-mod", "block")],
            expect![[r#"
            Annotations { mode: None, application: None, application_port: None, listen_port: None, iptables_enable: None, native_enable: None }
            annotation sidecar.wallarm.io/wallarm-mod is unknown and has no effect"#]],
        );
    }

    #[test]
    fn hostile_values_are_quoted_and_cut() {
        let long = "é".repeat(1000);
        check(
            &[
                ("sidecar.wallarm.io/wallarm-mode", "a\"b\n\\c\u{1b}[31m"),
                ("sidecar.wallarm.io/application-port", &long),
            ],
            expect![[r#"
                annotation sidecar.wallarm.io/application-port: "éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé…" is not allowed (allowed: a port number from 1 to 65535)
                annotation sidecar.wallarm.io/wallarm-mode: "a\"b\n\\c\u{1b}[31m" is not allowed (allowed: off, monitoring, safe_blocking, block)"#]],
        );
    }
}
