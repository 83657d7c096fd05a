//! Scenarios on a real API server. One control plane serves all of them; each makes namespaces of its own.

mod chart;
mod control_plane;
mod injection;
mod readme;
mod traffic;
mod webhook;

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use e2e::cluster::{Cluster, Release};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::{
    runtime::{Builder, Runtime},
    sync::OnceCell,
};

/// What scenarios share.
struct Bed {
    cluster: Cluster,
    runtime: Runtime,
    /// The chart with its defaults, installed by the first scenario that needs it.
    release: OnceCell<Release>,
}

impl Bed {
    async fn release(&self) -> anyhow::Result<&Release> {
        self.release
            .get_or_try_init(|| Release::install(&self.cluster, serde_json::json!({})))
            .await
    }
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
    let scenarios = [
        control_plane::scenarios(),
        chart::scenarios(),
        injection::scenarios(),
        traffic::scenarios(),
        readme::scenarios(),
        webhook::scenarios(),
    ]
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
        Some(Arc::new(Bed {
            cluster,
            runtime,
            release: OnceCell::new(),
        }))
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

    /// A scenario on the chart with its defaults, in a namespace for applications.
    fn with_release<F>(name: &'static str, run: F) -> Scenario
    where
        F: AsyncFnOnce(&Cluster, &Release, &str) -> anyhow::Result<()> + Send + 'static,
    {
        let run = async move |bed: &Bed| {
            let release = bed.release().await.context("installing the chart")?;
            let namespace = release.application_namespace(&bed.cluster).await?;
            run(&bed.cluster, release, &namespace)
                .await
                .with_context(|| release.log())?;
            bed.cluster.delete_namespace(&namespace).await
        };
        Scenario {
            name,
            run: Box::new(move |bed| bed.runtime.block_on(run(bed))),
        }
    }
}
