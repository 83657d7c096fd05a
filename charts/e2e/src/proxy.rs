//! A real Envoy with the configuration of a sidecar.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, bail};
use envoy::{Paths, Ports, Postanalytics, Sidecar};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::UnixStream;
use waf_policy::FilterConfig;

use crate::{
    client::http1::Connection,
    module::{Module, envoy_binary},
    poll,
};

/// What to start.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where requests go.
    pub app: SocketAddr,
    /// Where reports go.
    pub postanalytics: SocketAddr,
    /// The filter's configuration.
    pub filter: FilterConfig,
    /// The module.
    pub module: Module,
    /// Worker threads.
    pub concurrency: usize,
    /// Plugin configuration in place of [`Setup::filter`], for what its type cannot express.
    pub raw_filter: Option<String>,
    /// Whether `allow_on_headers_stop_iteration` is set and the filter told so. False is how a mesh runs the filter.
    pub hold_headers: bool,
}

impl Setup {
    /// One worker, the shipped module, headers held, no postanalytics anywhere.
    pub fn new(app: SocketAddr, filter: FilterConfig) -> Setup {
        Setup {
            app,
            // Port 1 (tcpmux) is not in use on loopback: connections are refused at once.
            postanalytics: (Ipv4Addr::LOCALHOST, 1).into(),
            filter,
            module: Module::Shipped,
            concurrency: 1,
            raw_filter: None,
            hold_headers: true,
        }
    }
}

/// A running Envoy; killed when dropped.
#[derive(Debug)]
pub struct Proxy {
    setup: Setup,
    sidecar: Sidecar,
    folder: TempDir,
    child: Child,
}

impl Proxy {
    /// Starts Envoy and waits until requests pass the filter.
    pub async fn start(setup: Setup) -> anyhow::Result<Proxy> {
        let mut proxy = Proxy::start_unready(setup, |_| {})?;
        proxy.wait_for_status("/healthz", 200).await?;
        Ok(proxy)
    }

    /// Starts Envoy with an edited bootstrap and waits for nothing.
    pub fn start_unready(setup: Setup, edit_bootstrap: impl FnOnce(&mut Value)) -> anyhow::Result<Proxy> {
        let folder = tempfile::Builder::new().prefix("waf-").tempdir()?;
        let below = |name: &str| folder.path().join(name).display().to_string();
        let sidecar = Sidecar {
            ports: free_ports()?,
            app: setup.app,
            postanalytics: Postanalytics {
                host: setup.postanalytics.ip().to_string(),
                port: setup.postanalytics.port(),
            },
            trusted_proxies: Vec::new(),
            paths: Paths {
                config_dir: below("etc"),
                run_dir: below("run"),
                module: setup.module.path()?.display().to_string(),
            },
            filter: setup.filter.clone(),
            ..Sidecar::default()
        };
        fs::create_dir(&sidecar.paths.config_dir)?;
        fs::create_dir(&sidecar.paths.run_dir)?;
        let mut bootstrap: Value = serde_json::from_str(&envoy::bootstrap(&sidecar).to_json())?;
        edit_bootstrap(&mut bootstrap);
        fs::write(sidecar.paths.bootstrap(), bootstrap.to_string())?;
        match &setup.raw_filter {
            Some(text) => write_raw_filter(&folder, &sidecar, setup.hold_headers, text)?,
            None => write_filter(&folder, &sidecar, setup.hold_headers)?,
        }
        let child = Command::new(envoy_binary()?)
            .args(["--config-path", &sidecar.paths.bootstrap()])
            .args(["--service-node", "node-of-the-test"])
            .args(["--concurrency", &setup.concurrency.to_string()])
            // The access log is asked for right after a request.
            .args([
                "--file-flush-interval-msec",
                "50",
                "--disable-hot-restart",
                "--log-level",
                "warn",
            ])
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("access.log"))?)
            .stderr(File::create(folder.path().join("envoy.log"))?)
            .spawn()
            .context("starting Envoy")?;
        Ok(Proxy {
            setup,
            sidecar,
            folder,
            child,
        })
    }

    /// Where clients connect.
    pub fn ingress(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.sidecar.ports.ingress).into()
    }

    /// Envoy's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether Envoy has ended by itself.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Connects a client to the ingress.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.ingress()).await
    }

    /// Waits until the status listener answers a path with a status.
    pub async fn wait_for_status(&mut self, path: &str, status: u16) -> anyhow::Result<()> {
        let address = (Ipv4Addr::LOCALHOST, self.sidecar.ports.status).into();
        let what = format!("{status} on {path}");
        let result = poll::until(&what, async || {
            if self.has_ended()? {
                bail!("Envoy has ended");
            }
            let Ok(mut connection) = Connection::open(address).await else {
                return Ok(None);
            };
            let answer = connection.get(path).await;
            Ok(answer.is_ok_and(|answer| answer.status == status).then_some(()))
        })
        .await;
        result.with_context(|| self.log())
    }

    /// Puts another configuration of the filter into force; Envoy notices by itself.
    pub fn update(&mut self, change: impl FnOnce(&mut FilterConfig)) -> anyhow::Result<()> {
        change(&mut self.sidecar.filter);
        write_filter(&self.folder, &self.sidecar, self.setup.hold_headers)
    }

    /// Puts a document into force that our own types cannot express.
    pub fn update_raw(&self, plugin_configuration: &str) -> anyhow::Result<()> {
        write_raw_filter(
            &self.folder,
            &self.sidecar,
            self.setup.hold_headers,
            plugin_configuration,
        )
    }

    /// Asks the admin interface.
    pub async fn admin(&self, path: &str) -> anyhow::Result<String> {
        let stream = UnixStream::connect(self.sidecar.paths.admin_socket()).await?;
        let answer = Connection::over(stream).get(path).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// The value of a statistic; 0 when it does not exist.
    pub async fn stat(&self, name: &str) -> anyhow::Result<u64> {
        let stats = self.admin("/stats").await?;
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Ok(line.unwrap_or("0").parse()?)
    }

    /// Waits until a statistic has at least a value.
    pub async fn wait_for_stat(&self, name: &str, at_least: u64) -> anyhow::Result<u64> {
        let what = format!("{name} to reach {at_least}");
        let result = poll::until(&what, async || {
            let value = self.stat(name).await?;
            Ok((value >= at_least).then_some(value))
        });
        result.await.with_context(|| self.log())
    }

    /// The access log's line of the request with this path (and no query), once it is written.
    pub async fn access_log(&self, path: &str) -> anyhow::Result<Value> {
        let what = format!("the access log of {path}");
        let result = poll::until(&what, async || {
            let log = fs::read_to_string(self.folder.path().join("access.log"))?;
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            Ok(lines.rfind(|line| line["path"] == path))
        });
        result.await.with_context(|| self.log())
    }

    /// What Envoy has said, and the end of its access log.
    pub fn log(&self) -> String {
        let read = |name| fs::read(self.folder.path().join(name)).unwrap_or_default();
        let access = read("access.log");
        let tail = &access[access.len().saturating_sub(4096)..];
        String::from_utf8_lossy(&[read("envoy.log").as_slice(), tail].concat()).into_owned()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn filter_document(sidecar: &Sidecar, hold_headers: bool) -> anyhow::Result<Value> {
    let mut resource: Value = serde_json::from_str(&envoy::filter_config(sidecar).to_json())?;
    if !hold_headers {
        let config = &mut resource["resources"][0]["typed_config"]["config"];
        config["allow_on_headers_stop_iteration"] = false.into();
        let mut filter = sidecar.filter.clone();
        filter.hold_headers = false;
        config["configuration"]["value"] = filter.to_json().into();
    }
    Ok(resource)
}

fn write_filter(folder: &TempDir, sidecar: &Sidecar, hold_headers: bool) -> anyhow::Result<()> {
    move_in(folder, sidecar, &filter_document(sidecar, hold_headers)?)
}

fn write_raw_filter(folder: &TempDir, sidecar: &Sidecar, hold_headers: bool, text: &str) -> anyhow::Result<()> {
    let mut resource = filter_document(sidecar, hold_headers)?;
    resource["resources"][0]["typed_config"]["config"]["configuration"]["value"] = text.into();
    move_in(folder, sidecar, &resource)
}

/// Moves a filter resource to where Envoy watches, as Kubernetes does.
fn move_in(folder: &TempDir, sidecar: &Sidecar, resource: &Value) -> anyhow::Result<()> {
    let staged = folder.path().join("staged.json");
    fs::write(&staged, resource.to_string())?;
    fs::rename(staged, sidecar.paths.filter())?;
    Ok(())
}

/// Ports that nobody uses at this moment.
fn free_ports() -> anyhow::Result<Ports> {
    let bind = || TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0));
    let listeners = [bind()?, bind()?, bind()?];
    let [ingress, status, metrics] = listeners.map(|listener| listener.local_addr().map(|address| address.port()));
    Ok(Ports {
        ingress: ingress?,
        status: status?,
        metrics: metrics?,
    })
}
