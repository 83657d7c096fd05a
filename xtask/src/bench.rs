//! `cargo xtask bench`: the measurements behind the numbers in our commit messages.

use anyhow::Result;
use xshell::cmd;

use crate::flags::{Bench, Subject};
use crate::project::Project;
use crate::setup;

/// Runs the benchmarks one after another: side by side they would measure each other.
pub(crate) fn run(project: &Project, flags: Bench) -> Result<()> {
    let Bench { what } = flags;
    setup::ensure(project)?;
    let shell = project.shell()?;
    let wants = |subject| what.is_none_or(|what| what == subject);
    if wants(Subject::Engine) {
        cmd!(shell, "cargo bench --locked -p waf-engine --bench stages").run()?;
    }
    if wants(Subject::Work) {
        cmd!(shell, "cargo bench --locked -p waf-engine --bench work").run()?;
    }
    if wants(Subject::Envoy) {
        for package in ["wasm-filter", "empty-filter"] {
            cmd!(
                shell,
                "cargo build --locked -p {package} --profile wasm --target wasm32-wasip1"
            )
            .run()?;
        }
        cmd!(shell, "cargo run --locked --release -p e2e --bin bench-envoy").run()?;
    }
    if wants(Subject::Admission) {
        cmd!(shell, "cargo build --locked --release -p injector").run()?;
        cmd!(shell, "cargo run --locked --release -p e2e --bin bench-admission").run()?;
    }
    Ok(())
}
