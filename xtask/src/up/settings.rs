//! Where this differs from a cluster, all in one place.
//!
//! In a cluster the sidecar has a file system and a network of its own. Here it shares ours, so paths, ports and the
//! address of postanalytics must be other ones. Nearly all of that are settings of the injector, so the pod is rendered
//! by the real injection code with the values below and then run exactly as rendered. One thing is not a setting: the
//! port of the application comes from the manifest, where it is often 80, which only root may listen on. The bootstrap
//! is changed for it, by [`move_application`], and in no other way.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::flags::Up;
use crate::project::Project;

/// Ports on loopback, each with the flag that changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) sidecar: u16,
    pub(super) status: u16,
    pub(super) metrics: u16,
    pub(super) app: u16,
    pub(super) analytics: u16,
    pub(super) analytics_metrics: u16,
}

// === impl Ports ===

impl Ports {
    pub(super) fn from_flags(flags: &Up) -> Ports {
        Ports {
            sidecar: flags.port,
            status: flags.status_port,
            metrics: flags.metrics_port,
            app: flags.app_port,
            analytics: flags.analytics_port,
            analytics_metrics: flags.analytics_metrics_port,
        }
    }

    /// Every port, what it is for, and its flag.
    pub(super) fn named(&self) -> [(u16, &'static str, &'static str); 6] {
        [
            (self.sidecar, "the sidecar", "--port"),
            (self.status, "the sidecar's status", "--status-port"),
            (self.metrics, "the sidecar's metrics", "--metrics-port"),
            (self.app, "the application", "--app-port"),
            (self.analytics, "postanalytics", "--analytics-port"),
            (
                self.analytics_metrics,
                "postanalytics' metrics",
                "--analytics-metrics-port",
            ),
        ]
    }
}

/// Folders of one run, below the target folder.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    state: PathBuf,
}

// === impl Folders ===

impl Folders {
    pub(super) fn new(state: PathBuf) -> Folders {
        Folders { state }
    }

    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    /// Logs of everything that runs.
    pub(super) fn logs(&self) -> &Path {
        &self.state
    }

    /// The only folder that volumes of the pod may be mounted in.
    pub(super) fn pod(&self) -> PathBuf {
        self.state.join("pod")
    }

    pub(super) fn run(&self) -> PathBuf {
        self.pod().join("run")
    }

    /// What postanalytics keeps from one start to the next.
    pub(super) fn data(&self) -> PathBuf {
        self.state.join("data")
    }

    pub(super) fn settings(&self) -> PathBuf {
        self.state.join("settings.yaml")
    }
}

/// Settings of the injector for a pod on this machine: the keys that differ from a cluster's, and why.
pub(super) fn settings(project: &Project, folders: &Folders, ports: &Ports) -> Value {
    json!({
        // The network is this machine's: no rule of its firewall is touched; clients call the sidecar's port.
        "injectionStrategy": { "iptablesEnable": false },
        "nginx": {
            "listenPort": ports.sidecar,
            "statusPort": ports.status,
            "wallarmMetricsPort": ports.metrics,
        },
        "postanalytics": { "host": "127.0.0.1", "port": ports.analytics },
        "sidecar": {
            // Nobody else's business.
            "listenAddress": "127.0.0.1",
            "paths": {
                "envoy": project.envoy(),
                "configDir": folders.pod().join("config"),
                "runDir": folders.run(),
                "module": project.wasm_module(),
            },
            // No memory limit: the memory group that Envoy would measure is not the pod's own here.
            "containers": { "proxy": { "resources": {} } },
        },
    })
}

/// Points the cluster `app` of a bootstrap to the port where the application listens here.
///
/// Returns the new bootstrap and the port that the manifest names.
pub(super) fn move_application(bootstrap: &str, port: u16) -> Result<(String, u64)> {
    let mut document = serde_json::from_str::<Value>(bootstrap).context("the bootstrap is no JSON")?;
    let declared = document
        .pointer_mut("/static_resources/clusters")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .find(|cluster| cluster["name"] == "app")
        .and_then(|cluster| {
            cluster
                .pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value")
        })
        .context("the bootstrap has no cluster `app` with a port")?;
    let before = declared
        .as_u64()
        .context("the port of the cluster `app` is no number")?;
    *declared = port.into();
    Ok((document.to_string(), before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str, port: u16) -> Value {
        json!({ "name": name, "load_assignment": { "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } } } },
        ]}]}})
    }

    #[test]
    fn only_the_application_moves() {
        let bootstrap =
            |app| json!({ "static_resources": { "clusters": [cluster("other", 80), cluster("app", app)] } });
        let (moved, declared) = move_application(&bootstrap(80).to_string(), 8080).unwrap();
        assert_eq!(declared, 80);
        assert_eq!(serde_json::from_str::<Value>(&moved).unwrap(), bootstrap(8080));
    }

    #[test]
    fn a_bootstrap_without_application_is_an_error() {
        let bootstrap = json!({ "static_resources": { "clusters": [cluster("other", 80)] } });
        assert!(move_application(&bootstrap.to_string(), 8080).is_err());
        assert!(move_application("no json", 8080).is_err());
    }
}
