//! A stored pod's sidecar on this machine: the command, arguments, environment and files that the API server holds.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{control_plane::free_port, programs::Program, release::wait_for_ok};
use crate::{
    client::http1::Connection,
    module::{Module, envoy_binary},
};

/// The container that runs Envoy.
const PROXY: &str = "sidecar-proxy";

/// Paths and ports of one sidecar on this machine, to be set as values of the chart: outside of a container, sidecars
/// share a file system and a network.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    listen: u16,
    status: u16,
    metrics: u16,
}

/// A running sidecar; killed when dropped.
pub struct RunningPod {
    config_dir: PathBuf,
    ingress: SocketAddr,
    generation: u32,
    // Ends when it is dropped.
    proxy: Program,
}

impl Place {
    /// Free ports and an empty folder.
    pub fn new() -> anyhow::Result<Place> {
        let folder = tempfile::Builder::new().prefix("waf-pod-").tempdir()?;
        fs::create_dir(folder.path().join("etc"))?;
        fs::create_dir(folder.path().join("run"))?;
        Ok(Place {
            folder,
            listen: free_port()?,
            status: free_port()?,
            metrics: free_port()?,
        })
    }

    /// Deletes what a sidecar that has ended left, so that another one can run here.
    pub fn clear(&self) -> anyhow::Result<()> {
        for name in ["etc", "run"] {
            let folder = self.folder.path().join(name);
            fs::remove_dir_all(&folder)?;
            fs::create_dir(folder)?;
        }
        Ok(())
    }

    /// Values of the chart for this place, and for postanalytics at an address.
    pub fn values(&self, postanalytics: SocketAddr) -> anyhow::Result<Value> {
        let below = |name: &str| self.folder.path().join(name).display().to_string();
        Ok(json!({
            "config": {
                "nginx": {
                    "listenPort": self.listen,
                    "statusPort": self.status,
                    "wallarmMetricsPort": self.metrics,
                },
                "sidecar": {
                    "listenAddress": "127.0.0.1",
                    "paths": {
                        "envoy": envoy_binary()?.display().to_string(),
                        "module": Module::Shipped.path()?.display().to_string(),
                        "configDir": below("etc"),
                        "runDir": below("run"),
                    },
                },
            },
            "postanalytics": {"external": {
                "enabled": true,
                "host": postanalytics.ip().to_string(),
                "port": postanalytics.port(),
            }},
        }))
    }
}

impl RunningPod {
    /// Runs the sidecar of a stored pod and waits until its own start-up probe is content.
    pub async fn start(pod: &Pod, place: &Place) -> anyhow::Result<RunningPod> {
        let spec = pod.spec.as_ref().context("a pod without a spec")?;
        let container = sidecar(spec)?;
        let environment = environment(container, pod)?;
        let expanded = |text: &String| {
            environment.iter().fold(text.clone(), |text, (name, value)| {
                text.replace(&format!("$({name})"), value)
            })
        };
        let command = container.command.clone().unwrap_or_default();
        let program = command.first().context("the sidecar has no command")?;
        let arguments = command[1..].iter().chain(container.args.iter().flatten()).map(expanded);
        let config_dir = place.folder.path().join("etc");
        project(pod, &config_dir, 0)?;
        let arguments = arguments.collect::<Vec<_>>();
        let pairs = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect::<Vec<_>>();
        let proxy = Program::start_at("envoy", Path::new(program), &arguments, &pairs, place.folder.path())?;
        let mut running = RunningPod {
            config_dir,
            ingress: (Ipv4Addr::LOCALHOST, port(container, "proxy")?).into(),
            generation: 0,
            proxy,
        };
        let probe = container
            .startup_probe
            .as_ref()
            .and_then(|probe| probe.http_get.as_ref());
        let path = probe.and_then(|get| get.path.as_deref()).context("no start-up probe")?;
        let status = (Ipv4Addr::LOCALHOST, port(container, "status")?).into();
        let proxy = &mut running.proxy;
        wait_for_ok(status, path, || proxy.check_alive())
            .await
            .with_context(|| running.log())?;
        Ok(running)
    }

    /// Shows a newer version of the pod's annotations to the sidecar, as a kubelet does.
    pub fn project(&mut self, pod: &Pod) -> anyhow::Result<()> {
        self.generation += 1;
        project(pod, &self.config_dir, self.generation)
    }

    /// Connects a client to the sidecar.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.ingress).await
    }

    /// Where clients connect.
    pub fn ingress(&self) -> SocketAddr {
        self.ingress
    }

    /// Process id of the sidecar.
    pub fn pid(&self) -> u32 {
        self.proxy.id()
    }

    /// The last that the sidecar has said.
    pub fn log(&self) -> String {
        self.proxy.log_tail()
    }
}

/// The sidecar of a pod, wherever it runs.
pub fn sidecar(spec: &PodSpec) -> anyhow::Result<&Container> {
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    containers
        .into_iter()
        .find(|container| container.name == PROXY)
        .context("the pod has no sidecar")
}

fn port(container: &Container, name: &str) -> anyhow::Result<u16> {
    let ports = container.ports.iter().flatten();
    let port = ports.into_iter().find(|port| port.name.as_deref() == Some(name));
    let port = port.with_context(|| format!("the sidecar has no port {name}"))?;
    Ok(u16::try_from(port.container_port)?)
}

fn environment(container: &Container, pod: &Pod) -> anyhow::Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (Some(value), _) => value.clone(),
            (None, Some(source)) => {
                let field = source.field_ref.as_ref().context("only fields are known here")?;
                field_of(pod, &field.field_path)?
            }
            (None, None) => String::new(),
        };
        all.insert(variable.name.clone(), value);
    }
    Ok(all)
}

/// A field as the downward API names it.
fn field_of(pod: &Pod, path: &str) -> anyhow::Result<String> {
    let meta = &pod.metadata;
    let annotation = path
        .strip_prefix("metadata.annotations['")
        .and_then(|rest| rest.strip_suffix("']"));
    Ok(match (path, annotation) {
        (_, Some(key)) => meta
            .annotations
            .iter()
            .flatten()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.clone())
            .unwrap_or_default(),
        ("metadata.name", _) => meta.name.clone().unwrap_or_default(),
        ("metadata.namespace", _) => meta.namespace.clone().unwrap_or_default(),
        ("metadata.uid", _) => meta.uid.clone().unwrap_or_default(),
        // Given by a kubelet.
        ("status.podIP" | "status.hostIP", _) => Ipv4Addr::LOCALHOST.to_string(),
        _ => bail!("the field {path} is not known here"),
    })
}

/// Writes the files of the downward API that the sidecar mounts at `folder`. As a kubelet does: a folder per version, and
/// the link `..data` moved from one to the next.
fn project(pod: &Pod, folder: &Path, generation: u32) -> anyhow::Result<()> {
    let spec = pod.spec.as_ref().context("a pod without a spec")?;
    let container = sidecar(spec)?;
    let mut mounts = container.volume_mounts.iter().flatten();
    let mount = mounts
        .find(|mount| Path::new(&mount.mount_path) == folder)
        .with_context(|| format!("nothing is mounted at {}", folder.display()))?;
    let mut volumes = spec.volumes.iter().flatten();
    let source = volumes
        .find(|volume| volume.name == mount.name)
        .and_then(|volume| volume.downward_api.as_ref())
        .context("the configuration is no volume of the downward API")?;
    let version = format!("..v{generation}");
    fs::create_dir(folder.join(&version))?;
    for item in source.items.iter().flatten() {
        let field = item.field_ref.as_ref().context("only fields are known here")?;
        let text = field_of(pod, &field.field_path)?;
        fs::write(folder.join(&version).join(&item.path), text)?;
        let link = folder.join(&item.path);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(&item.path), link)?;
        }
    }
    let staged = folder.join("..data_tmp");
    symlink(&version, &staged)?;
    fs::rename(staged, folder.join("..data"))?;
    Ok(())
}
