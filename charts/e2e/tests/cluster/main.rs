//! Scenarios on a real API server. One control plane serves all of them; each makes namespaces of its own.

mod chart;
mod control_plane;

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use e2e::cluster::Cluster;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::{Builder, Runtime};

/// What scenarios share.
struct Bed {
    cluster: Cluster,
    runtime: Runtime,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // Nobody reads a closed standard error.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::from_args();
    let scenarios = [control_plane::scenarios(), chart::scenarios()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
    let is_wanted = |name: &str| {
        let Arguments { filter, exact, .. } = &arguments;
        filter
            .as_ref()
            .is_none_or(|filter| if *exact { name == filter } else { name.contains(filter) })
    };
    // Started from this thread, which outlives all tests: its end ends the control plane.
    let bed = if !arguments.list && scenarios.iter().any(|scenario| is_wanted(scenario.name)) {
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let cluster = runtime.block_on(Cluster::start()).context("starting a control plane")?;
        Some(Arc::new(Bed { cluster, runtime }))
    } else {
        None
    };
    let trials = scenarios.into_iter().map(|scenario| {
        let bed = bed.clone();
        Trial::test(scenario.name, move || {
            let bed = bed.ok_or("no control plane")?;
            (scenario.run)(&bed).map_err(|error| Failed::from(format!("{error:#}")))
        })
    });
    Ok(libtest_mimic::run(&arguments, trials.collect()).exit_code())
}

type Run = dyn FnOnce(&Bed) -> anyhow::Result<()> + Send;

/// A named test.
struct Scenario {
    name: &'static str,
    run: Box<Run>,
}

impl Scenario {
    /// A scenario that is an async function of the cluster.
    fn new<F>(name: &'static str, run: F) -> Scenario
    where
        F: AsyncFnOnce(&Cluster) -> anyhow::Result<()> + Send + 'static,
    {
        Scenario {
            name,
            run: Box::new(move |bed| bed.runtime.block_on(run(&bed.cluster))),
        }
    }
}
