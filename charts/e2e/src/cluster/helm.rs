//! Real Helm, with nothing of the user's configuration.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use super::programs::find;

/// Runs Helm with settings and caches of its own.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    kubeconfig: Option<PathBuf>,
    home: TempDir,
}

impl Helm {
    /// Helm for a cluster, or without one for `lint` and `template`.
    pub fn new(kubeconfig: Option<&Path>) -> anyhow::Result<Helm> {
        Ok(Helm {
            program: find("helm")?,
            kubeconfig: kubeconfig.map(Path::to_owned),
            home: tempfile::Builder::new().prefix("waf-helm-").tempdir()?,
        })
    }

    /// Runs `helm ARGUMENTS` and returns its standard output. Errors carry the standard error, and nothing else of what
    /// Helm said.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        for (name, folder) in [
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_DATA_HOME", "data"),
        ] {
            command.env(name, self.home.path().join(folder));
        }
        // An unset kubeconfig means the user's own cluster.
        let none = self.home.path().join("no-cluster");
        command.env("KUBECONFIG", self.kubeconfig.as_ref().unwrap_or(&none));
        for name in ["HELM_NAMESPACE", "HELM_KUBECONTEXT", "HELM_DEBUG", "HELM_DRIVER"] {
            command.env_remove(name);
        }
        let output = command.output().context("running helm")?;
        let (out, error) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr),
        );
        ensure!(
            output.status.success(),
            "helm {}: {}",
            arguments.first().unwrap_or(&""),
            // `helm lint` complains on its standard output.
            format!(
                "{error}{}",
                if error.contains("[ERROR]") || error.trim().is_empty() {
                    &out
                } else {
                    ""
                }
            )
            .trim()
        );
        Ok(out)
    }
}
