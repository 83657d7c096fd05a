//! From the manifest to the injected pod, by the injector itself.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::up::pod::Pod;

/// Runs `injector render` on a manifest. The error of a denied pod is what the webhook would have answered.
pub(super) fn render(project: &Project, manifest: &Path, settings: &Path) -> Result<Pod> {
    let output = Command::new(project.binary("injector"))
        .arg("render")
        .arg("--config")
        .arg(settings)
        .args(["--output", "json"])
        .arg(manifest)
        .output()
        .context("starting the injector")?;
    let messages = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}", messages.trim());
    }
    // Advice about annotations, as `kubectl apply` would show it.
    for line in messages.lines() {
        println!("{line}");
    }
    let rendered = serde_json::from_slice(&output.stdout).context("reading what the injector rendered")?;
    Pod::find(&rendered)
}
