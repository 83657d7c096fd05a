//! `cargo xtask e2e`: the scenarios on a real API server alone. `cargo xtask test` runs them with all other tests.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::flags::E2e;
use crate::project::Project;
use crate::{module, setup};

pub(crate) fn run(project: &Project, flags: E2e) -> Result<()> {
    let E2e { name } = flags;
    setup::ensure(project)?;
    setup::kubernetes::ensure(project)?;
    // Sidecars of stored pods load it.
    module::build(project, "wasm-filter")?;
    let status = Command::new("cargo")
        .args(["test", "--locked", "--package", "e2e", "--test", "cluster"])
        .args(name)
        .current_dir(project.root())
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "scenarios failed ({status})");
    Ok(())
}
