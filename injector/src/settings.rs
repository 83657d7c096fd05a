//! What the operator set: the `config` tree of the chart's values, key for key.

mod concurrency;

mod quantity;

mod read;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    num::{NonZeroU16, NonZeroU32},
};

use envoy::Cidr;
use serde::Deserialize;
use waf_policy::Mode;

use crate::profile::Profiles;

pub use self::{
    concurrency::Concurrency,
    quantity::Quantity,
    read::{InvalidSettings, Mistake},
};

/// Settings of the webhook. Unset keys keep their defaults, unknown keys are errors.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Prefix of all pod annotations, without the slash.
    pub annotation_prefix: String,
    /// How traffic gets to the sidecar.
    pub injection_strategy: InjectionStrategy,
    /// Ports and trusted proxies. The name is that of the Wallarm Sidecar, so that existing values keep working.
    pub nginx: Nginx,
    /// Where hits are reported to.
    pub postanalytics: Postanalytics,
    /// TLS that pods may ask for by annotation `profile`.
    pub profiles: Profiles,
    /// The injected containers.
    pub sidecar: Sidecar,
    /// What the filter does.
    pub wallarm: Wallarm,
}

/// `injectionStrategy`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InjectionStrategy {
    /// Whether an init container redirects the application's port to the sidecar. Without it a Service must name the
    /// container port `proxy`.
    pub iptables_enable: bool,
    /// How the sidecar runs along with the application.
    pub native_sidecar: NativeSidecar,
}

/// `injectionStrategy.nativeSidecar`: whether the sidecar is an init container that keeps running. It then starts before
/// the application, ends after it, and does not keep a Job from completing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum NativeSidecar {
    /// `auto`: where the cluster can, that is from Kubernetes 1.29 on.
    #[default]
    Auto,
    /// `true`.
    Always,
    /// `false`: one more container like those of the application.
    Never,
}

/// `on` and `off`, or a truth value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Switch(pub bool);

/// A truth value or a word. YAML 1.1, which Helm reads, takes `on` and `off` for truth values.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Flag(bool),
    Word(String),
}

/// `nginx`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Nginx {
    /// Application port of pods that neither declare one nor are annotated with one.
    pub application_port: NonZeroU16,
    /// Port that the sidecar takes requests on.
    pub listen_port: NonZeroU16,
    /// Port of the probes.
    pub status_port: NonZeroU16,
    /// Path of Envoy's statistics on that port.
    pub status_path: String,
    /// One more path of the probes, besides `/healthz` and `/health`.
    pub health_path: String,
    /// Port of the Prometheus metrics.
    pub wallarm_metrics_port: NonZeroU16,
    /// Path of the Prometheus metrics.
    pub wallarm_metrics_path: String,
    /// Worker threads of Envoy.
    pub worker_processes: Concurrency,
    /// Client connections per worker thread; more are closed at once.
    pub worker_connections: NonZeroU32,
    /// Proxies whose `X-Forwarded-For` is believed. Empty: none.
    pub set_real_ip_from: Vec<Cidr>,
}

/// `postanalytics`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Postanalytics {
    /// Host name or address.
    pub host: String,
    /// gRPC port.
    pub port: NonZeroU16,
}

/// `sidecar`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Sidecar {
    /// Image of all injected containers.
    pub image: Image,
    /// Containers that run along with the application.
    pub containers: Containers,
    /// Containers that run before it.
    pub init_containers: InitContainers,
    /// Address that the sidecar's ports are bound to. `::` takes IPv4 as well; nodes without IPv6 need `0.0.0.0`.
    pub listen_address: IpAddr,
    /// Where things are inside the sidecar's container. Changed only to run it outside of one.
    pub paths: Paths,
}

/// `sidecar.image`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Image {
    /// Host of the registry. Empty: the cluster's default.
    pub registry: String,
    /// Repository.
    pub image: String,
    /// Tag.
    pub tag: String,
    /// When nodes fetch the image.
    pub pull_policy: PullPolicy,
    /// A whole reference, for example with a digest; the other parts are then ignored. Empty: not used.
    pub fullname: String,
}

/// `imagePullPolicy` of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum PullPolicy {
    /// At every start.
    Always,
    /// When the node has none.
    IfNotPresent,
    /// Never.
    Never,
}

/// `sidecar.containers`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Containers {
    /// The container `sidecar-proxy`.
    pub proxy: Container,
}

/// `sidecar.initContainers`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InitContainers {
    /// The container `sidecar-init-iptables`.
    pub iptables: Container,
}

/// Settings of one injected container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    /// Requests and limits. Replaces the default as a whole.
    pub resources: Resources,
}

/// Resources of one container. Empty: left to the namespace's `LimitRange`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// What the scheduler reserves.
    pub requests: BTreeMap<String, Quantity>,
    /// What the container may use. A memory limit also makes the sidecar shed load before it is reached.
    pub limits: BTreeMap<String, Quantity>,
}

/// `sidecar.paths`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Paths {
    /// The Envoy executable.
    pub envoy: String,
    /// Folder that bootstrap and filter configuration appear in.
    pub config_dir: String,
    /// Folder of the admin socket.
    pub run_dir: String,
    /// The detection module.
    pub module: String,
}

/// `wallarm`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Wallarm {
    /// Filtration mode of pods without an annotation.
    pub mode: Mode,
    /// Whether SQL injection needs a second opinion.
    pub enable_lib_detection: Switch,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Settings {
            annotation_prefix: "sidecar.wallarm.io".to_owned(),
            injection_strategy: InjectionStrategy::default(),
            nginx: Nginx::default(),
            postanalytics: Postanalytics::default(),
            profiles: Profiles::new(),
            sidecar: Sidecar::default(),
            wallarm: Wallarm::default(),
        }
    }
}

impl Default for InjectionStrategy {
    fn default() -> Self {
        InjectionStrategy {
            iptables_enable: true,
            native_sidecar: NativeSidecar::default(),
        }
    }
}

impl Default for Nginx {
    fn default() -> Self {
        Nginx {
            application_port: port(80),
            listen_port: port(26001),
            status_port: port(10246),
            status_path: envoy::STATISTICS_PATH.to_owned(),
            health_path: envoy::HEALTH_PATHS[1].to_owned(),
            wallarm_metrics_port: port(18080),
            wallarm_metrics_path: envoy::METRICS_PATH.to_owned(),
            worker_processes: Concurrency::Auto,
            worker_connections: NonZeroU32::MIN.saturating_add(4095),
            set_real_ip_from: Cidr::private_networks(),
        }
    }
}

impl Default for Postanalytics {
    fn default() -> Self {
        Postanalytics {
            host: "wallarm-postanalytics.wallarm.svc".to_owned(),
            port: port(3313),
        }
    }
}

impl Default for Sidecar {
    fn default() -> Self {
        Sidecar {
            image: Image::default(),
            containers: Containers::default(),
            init_containers: InitContainers::default(),
            listen_address: Ipv6Addr::UNSPECIFIED.into(),
            paths: Paths::default(),
        }
    }
}

impl Default for Image {
    fn default() -> Self {
        Image {
            registry: String::new(),
            image: "wallarm-sidecar/proxy".to_owned(),
            // The sidecar that was built and tested together with this webhook.
            tag: env!("CARGO_PKG_VERSION").to_owned(),
            pull_policy: PullPolicy::IfNotPresent,
            fullname: String::new(),
        }
    }
}

impl Default for Containers {
    fn default() -> Self {
        Containers {
            proxy: Container {
                resources: Resources {
                    requests: quantities(&[("cpu", "100m"), ("memory", "128Mi")]),
                    // No CPU limit: compiling the module at start would take ten times as long under a small one.
                    limits: quantities(&[("memory", "256Mi")]),
                },
            },
        }
    }
}

impl Default for InitContainers {
    fn default() -> Self {
        InitContainers {
            iptables: Container {
                resources: Resources {
                    requests: quantities(&[("cpu", "10m"), ("memory", "16Mi")]),
                    limits: quantities(&[("memory", "64Mi")]),
                },
            },
        }
    }
}

impl Default for Paths {
    fn default() -> Self {
        let envoy::Paths {
            config_dir,
            run_dir,
            module,
        } = envoy::Paths::default();
        Paths {
            envoy: "/usr/local/bin/envoy".to_owned(),
            config_dir,
            run_dir,
            module,
        }
    }
}

impl Default for Wallarm {
    fn default() -> Self {
        Wallarm {
            mode: Mode::Monitoring,
            enable_lib_detection: Switch(true),
        }
    }
}

/// A port that is known not to be 0.
const fn port(number: u16) -> NonZeroU16 {
    match NonZeroU16::new(number) {
        Some(port) => port,
        None => NonZeroU16::MAX,
    }
}

fn quantities(pairs: &[(&str, &str)]) -> BTreeMap<String, Quantity> {
    let own = |(name, amount): &(&str, &str)| ((*name).to_owned(), Quantity((*amount).to_owned()));
    pairs.iter().map(own).collect()
}

// === impl NativeSidecar ===

impl TryFrom<Written> for NativeSidecar {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Flag(true) => Ok(NativeSidecar::Always),
            Written::Flag(false) => Ok(NativeSidecar::Never),
            Written::Word(word) if word == "auto" => Ok(NativeSidecar::Auto),
            Written::Word(word) => Err(format!("{word:?} is not one of auto, true, false")),
        }
    }
}

// === impl Switch ===

impl TryFrom<Written> for Switch {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Flag(on) => Ok(Switch(on)),
            Written::Word(word) if word == "on" => Ok(Switch(true)),
            Written::Word(word) if word == "off" => Ok(Switch(false)),
            Written::Word(word) => Err(format!("{word:?} is not one of on, off")),
        }
    }
}

// === impl Image ===

impl Image {
    /// The reference that a container names.
    pub fn reference(&self) -> String {
        let Image {
            registry,
            image,
            tag,
            pull_policy: _,
            fullname,
        } = self;
        match (fullname.as_str(), registry.as_str()) {
            ("", "") => format!("{image}:{tag}"),
            ("", registry) => format!("{registry}/{image}:{tag}"),
            (fullname, _) => fullname.to_owned(),
        }
    }
}

// === impl PullPolicy ===

impl PullPolicy {
    /// The word that Kubernetes uses.
    pub fn as_str(self) -> &'static str {
        match self {
            PullPolicy::Always => "Always",
            PullPolicy::IfNotPresent => "IfNotPresent",
            PullPolicy::Never => "Never",
        }
    }
}

#[cfg(test)]
mod tests;
