//! One process of the injector.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context, bail};
use e2e::{module::injector_binary, poll};
use serde_json::Value;

use super::balancer::{Endpoint, get};

/// A running replica; killed when dropped.
pub(super) struct Replica {
    child: Child,
    log: PathBuf,
    pub(super) endpoint: Endpoint,
}

impl Replica {
    /// Starts it and waits until it listens; it is ready later.
    pub(super) async fn start(
        name: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
        folder: &Path,
    ) -> anyhow::Result<Replica> {
        let log = folder.join(format!("{name}.log"));
        let mut child = Command::new(injector_binary()?)
            .env_clear()
            .args(arguments)
            .args([
                "--listen=127.0.0.1:0",
                "--status-listen=127.0.0.1:0",
                "--log-format=json",
            ])
            .args(["--drain-delay=1s"])
            .env("POD_NAME", name)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("starting the injector")?;
        let endpoint = poll::until("the injector", async || {
            let text = fs::read_to_string(&log)?;
            if let Some(status) = child.try_wait()? {
                bail!("the injector ended ({status}):\n{text}");
            }
            Ok(endpoint(&text))
        })
        .await?;
        Ok(Replica { child, log, endpoint })
    }

    /// Tells it to stop, and waits until it has.
    pub(super) async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        poll::until("the end of the injector", async || Ok(self.child.try_wait()?)).await
    }

    /// The value of a metric without labels, or the sum over all labels that contain `label`.
    pub(super) async fn metric(&self, name: &str, label: &str) -> anyhow::Result<u64> {
        let (_, page) = get(self.endpoint.status, "/metrics").await?;
        let value = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (series_name, labels) = series.split_once('{').unwrap_or((series, ""));
            (series_name == name && labels.contains(label)).then(|| value.parse::<u64>().ok())?
        };
        Ok(page.lines().filter_map(value).sum())
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both addresses, once both are in the log.
fn endpoint(log: &str) -> Option<Endpoint> {
    let find = |key: &str| {
        log.lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["fields"][key].as_str()?.parse().ok()
        })
    };
    Some(Endpoint {
        webhook: find("address")?,
        status: find("status_address")?,
    })
}
