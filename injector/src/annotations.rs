//! What the owner of a pod set: its annotations.
//!
//! Everything is in [`TABLE`]: names, what is allowed, what it means and how it is read. The documentation is made of
//! the same table, so neither can say what the other does not.

mod table;

mod value;

mod page;

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    num::{NonZeroU16, NonZeroU32},
};

use envoy::{Compression, HttpFragment, RouteFragment, VirtualHostFragment};
use k8s_openapi::api::core::v1::VolumeMount;
use serde_json::Value;
use waf_policy::{Application, Mode, ParserSet};

pub use self::{
    page::page,
    table::{Annotation, Group, TABLE},
};
use self::{table::Read, value::Reject};
use crate::{
    settings::{Concurrency, Resources},
    snippet::{self, Snippet},
};

/// Names of the annotations that injection writes, without the prefix.
pub mod written {
    /// Envoy's bootstrap.
    pub const BOOTSTRAP: &str = "bootstrap";
    /// The filter resource. Further ones and those of certificates have a name with a number behind a dash.
    pub const FILTER_CONFIG: &str = "filter-config";
    /// Where a certificate is, with a number behind a dash.
    pub const TLS: &str = "tls";
    /// Marks an injected pod.
    pub const STATUS: &str = "status";

    /// Whether injection writes an annotation of this name, without the prefix.
    pub fn is_written(name: &str) -> bool {
        let (stem, number) = match name.rsplit_once('-') {
            Some((stem, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => (stem, true),
            _ => (name, false),
        };
        match stem {
            BOOTSTRAP | STATUS => !number,
            FILTER_CONFIG => true,
            TLS => number,
            _ => false,
        }
    }
}

/// Longest part of a value that a message repeats, in characters.
const MAX_SHOWN_CHARS: usize = 64;

/// Most letters by which a name may differ from the one that was meant.
const MAX_TYPOS: usize = 3;

/// Annotations of one pod. Absent ones leave the decision to the settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// `sidecar-injection-iptables-enable`.
    pub iptables_enable: Option<bool>,
    /// `sidecar-injection-native-enable`.
    pub native_enable: Option<bool>,
    /// `application-port`. Empty: discovered.
    pub application_ports: Vec<NonZeroU16>,
    /// `application-address`.
    pub application_address: Option<IpAddr>,
    /// `profile`.
    pub profile: Option<String>,
    /// `proxy-image`.
    pub image: Option<String>,
    /// `proxy-extra-volumes`.
    pub extra_volumes: Vec<Value>,
    /// `proxy-extra-volume-mounts`.
    pub extra_volume_mounts: Vec<VolumeMount>,
    /// `proxy-cpu` and its likes.
    pub proxy_resources: Resources,
    /// `init-iptables-cpu` and its likes.
    pub iptables_resources: Resources,
    /// `proxy-listen-port`, one per application port. Empty: left to the settings.
    pub listen_ports: Vec<NonZeroU16>,
    /// `proxy-listen-address`.
    pub listen_address: Option<IpAddr>,
    /// `proxy-status-port`.
    pub status_port: Option<NonZeroU16>,
    /// `proxy-status-path`.
    pub status_path: Option<String>,
    /// `proxy-health-path`.
    pub health_path: Option<String>,
    /// `proxy-metrics-port`.
    pub metrics_port: Option<NonZeroU16>,
    /// `proxy-metrics-path`.
    pub metrics_path: Option<String>,
    /// `proxy-concurrency`.
    pub concurrency: Option<Concurrency>,
    /// `proxy-worker-connections`.
    pub worker_connections: Option<NonZeroU32>,
    /// What the filter does.
    pub filtering: Filtering,
    /// `envoy-http-snippet`.
    pub http: HttpFragment,
    /// `envoy-virtual-host-snippet`.
    pub virtual_host: VirtualHostFragment,
    /// `envoy-route-snippet`.
    pub route: RouteFragment,
    /// `nginx-http-snippet`, `nginx-server-snippet` and `nginx-location-snippet`, the widest first.
    pub snippets: [Snippet; 3],
    /// `envoy-extra-filters`.
    pub compressions: Vec<Compression>,
}

/// What may be said about filtering, for a whole pod or a part of its application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filtering {
    /// `wallarm-mode`.
    pub mode: Option<Mode>,
    /// `wallarm-application`.
    pub application: Option<Application>,
    /// `wallarm-parser-disable`.
    pub disabled_parsers: Option<ParserSet>,
    /// `wallarm-enable-libdetection`.
    pub enable_libdetection: Option<bool>,
}

/// An annotation that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The whole key, cut when long.
    pub key: String,
    /// The value and what is wrong with it, or what else is wrong.
    pub problem: String,
}

/// What is read so far, and what there is to say about it.
#[derive(Debug, Default)]
struct Reader {
    read: Annotations,
    mistakes: Vec<Mistake>,
    warnings: Vec<String>,
}

impl Annotations {
    /// Reads all annotations under `prefix`, and reports every mistake rather than the first.
    ///
    /// The second part of a success are warnings for the pod's owner.
    pub fn read(all: &BTreeMap<String, String>, prefix: &str) -> Result<(Annotations, Vec<String>), Vec<Mistake>> {
        let own = |key: &'_ str| key.strip_prefix(prefix)?.strip_prefix('/').map(str::to_owned);
        let mut reader = Reader::default();
        for (key, value) in all {
            let Some(name) = own(key).filter(|name| !written::is_written(name)) else {
                continue;
            };
            match table::find(&name) {
                Some(annotation) => {
                    if name != annotation.name && !reader.replace_older(annotation, key, value, all, prefix) {
                        continue;
                    }
                    reader.take(annotation, key, value);
                }
                None => reader.unknown(key, &name),
            }
        }
        if reader.mistakes.is_empty() {
            Ok((reader.read, reader.warnings))
        } else {
            Err(reader.mistakes)
        }
    }
}

impl Reader {
    fn take(&mut self, annotation: &Annotation, key: &str, value: &str) {
        let rejected = match annotation.read {
            Read::Set(set) => set(&mut self.read, value),
            Read::NotYet { check, already, why } => {
                let rejected = check(value);
                if rejected.is_ok() && !already.contains(&value) {
                    self.warnings.push(format!("annotation {key} has no effect yet: {why}"));
                }
                rejected
            }
        };
        let value = shown(value);
        let problem = match rejected {
            Ok(warnings) => {
                let warning = |warning| format!("annotation {key}: {warning}");
                self.warnings.extend(warnings.into_iter().map(warning));
                return;
            }
            Err(Reject::NotAllowed) => format!("{value:?} is not allowed (allowed: {})", annotation.allowed),
            Err(Reject::Because(reason)) => {
                format!("{value:?} is not allowed: {reason} (allowed: {})", annotation.allowed)
            }
        };
        let key = shown(key);
        self.mistakes.push(Mistake { key, problem });
    }

    /// An older name gives way to the present one. False: that one is there as well, so there is nothing left to read.
    fn replace_older(
        &mut self,
        annotation: &Annotation,
        key: &str,
        value: &str,
        all: &BTreeMap<String, String>,
        prefix: &str,
    ) -> bool {
        let name = annotation.name;
        self.warnings
            .push(format!("annotation {key} is outdated: use {prefix}/{name}"));
        let Some(newer) = all.get(&format!("{prefix}/{name}")) else {
            return true;
        };
        if newer != value {
            let (value, newer) = (shown(value), shown(newer));
            let problem = format!(
                "{value:?} is not allowed (allowed: {newer:?}, as {prefix}/{name} says, or no such annotation)"
            );
            let key = key.to_owned();
            self.mistakes.push(Mistake { key, problem });
        }
        false
    }

    fn unknown(&mut self, key: &str, name: &str) {
        let names = TABLE.iter().map(|annotation| annotation.name);
        let near = names
            .map(|known| (strsim::levenshtein(known, &shown(name)), known))
            .min()
            .filter(|(typos, _)| *typos <= MAX_TYPOS);
        let problem = match near {
            Some((_, known)) => format!("there is no such annotation; did you mean {known}?"),
            None => "there is no such annotation; docs/annotations.md lists all".to_owned(),
        };
        let key = shown(key);
        self.mistakes.push(Mistake { key, problem });
    }
}

/// Reads a directive of NGINX as the annotation of the same meaning, `wallarm_mode` as `wallarm-mode`.
///
/// None: there is no such annotation. A success may say why there is no effect yet.
pub(crate) fn apply_directive(
    name: &str,
    arguments: &[String],
    filtering: &mut Filtering,
) -> Option<Result<Option<String>, String>> {
    let name = match name {
        // Its name until version 4.
        "wallarm_instance" => "wallarm-application".to_owned(),
        name => name.replace('_', "-"),
    };
    let annotation = table::find(&name).filter(|annotation| annotation.group == Group::Filtering)?;
    let value = match annotation.name {
        "wallarm-parser-disable" => arguments.join(";"),
        _ => arguments.join(" "),
    };
    let mut read = Annotations::default();
    let outcome = match annotation.read {
        Read::Set(set) => set(&mut read, &value).map(|_| None),
        Read::NotYet { check, already, why } => {
            let why = (!already.contains(&value.as_str())).then(|| why.to_owned());
            check(&value).map(|_| why)
        }
    };
    Some(match outcome {
        Ok(why) => {
            let disabled_parsers = snippet::joined(read.filtering.disabled_parsers, filtering.disabled_parsers);
            *filtering = read.filtering.or(*filtering);
            filtering.disabled_parsers = disabled_parsers;
            Ok(why)
        }
        Err(Reject::NotAllowed) => Err(format!(
            "{:?} is not allowed (allowed: {})",
            shown(&value),
            annotation.allowed
        )),
        Err(Reject::Because(reason)) => Err(reason),
    })
}

/// A value as a message may repeat it.
fn shown(value: &str) -> String {
    match value.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((cut, _)) => format!("{}…", &value[..cut]),
        None => value.to_owned(),
    }
}

// === impl Filtering ===

impl Filtering {
    /// What is said here, and where nothing is, what `wider` says.
    pub fn or(self, wider: Filtering) -> Filtering {
        let Filtering {
            mode,
            application,
            disabled_parsers,
            enable_libdetection,
        } = self;
        Filtering {
            mode: mode.or(wider.mode),
            application: application.or(wider.application),
            disabled_parsers: disabled_parsers.or(wider.disabled_parsers),
            enable_libdetection: enable_libdetection.or(wider.enable_libdetection),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { key, problem } = self;
        write!(f, "annotation {key}: {problem}")
    }
}

#[cfg(test)]
mod tests;
