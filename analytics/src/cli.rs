//! The command line.

mod client;
mod table;
mod tail;

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use crate::{
    quantity,
    server::{self, Options},
    store::{Retention, postgres::Server as Database},
};

/// Postanalytics of the Wallarm sidecar: takes hits, groups them into attacks, answers queries.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(Box<Serve>),
    /// List attacks, the most recently active first
    Attacks(List),
    /// List hits, newest first
    Hits(ListHits),
    /// Show one attack and its latest hits
    Attack(Show),
    /// Show hits as they come, each on a line
    Tail(Tail),
}

#[derive(Debug, Args)]
struct Serve {
    /// Address of gRPC: reports from sidecars, queries, health, reflection
    #[arg(long, env = "ANALYTICS_LISTEN", default_value = "0.0.0.0:3313")]
    listen: SocketAddr,
    /// Address of HTTP: /metrics for Prometheus and /healthz
    #[arg(long, env = "ANALYTICS_METRICS_LISTEN", default_value = "0.0.0.0:3314")]
    metrics_listen: SocketAddr,
    /// Folder for the spool and the embedded store; created where missing, on a local disk or block volume
    #[arg(long, env = "ANALYTICS_DATA", default_value = "/var/lib/analytics")]
    data: PathBuf,
    /// Store in PostgreSQL 15 or newer, which several replicas may share, and not in the data folder:
    /// postgres://USER:PASSWORD@HOST/DATABASE?sslmode=require
    #[arg(long, env = "ANALYTICS_DATABASE", hide_env_values = true, value_name = "URL")]
    // Parsed later: an error of clap would repeat the password.
    database: Option<String>,
    /// File with certificates in PEM to trust for the database; without it, those of the system
    #[arg(long, env = "ANALYTICS_DATABASE_CA", requires = "database", value_name = "FILE")]
    database_ca: Option<PathBuf>,
    /// Largest spool, for example 512MiB: batches taken but not yet in the store. Beyond it, reports are refused
    #[arg(long, env = "ANALYTICS_MAX_SPOOL", default_value = "1GiB", value_parser = quantity::bytes)]
    max_spool: u64,
    /// Largest store, for example 10GiB. Beyond it, the oldest hits are deleted
    #[arg(long, env = "ANALYTICS_MAX_STORE", default_value = "10GiB", value_parser = quantity::bytes)]
    max_store: u64,
    /// Greatest age of hits, for example 30d. Older ones are deleted
    #[arg(long, env = "ANALYTICS_MAX_AGE", default_value = "30d", value_parser = quantity::duration)]
    max_age: Duration,
    /// Whether repetitions of hits are only counted in their attack while load is high
    #[arg(long, env = "ANALYTICS_SAMPLING", default_value = "auto")]
    sampling: Sampling,
    /// Longest time to finish requests and empty the spool when stopping
    #[arg(long, env = "ANALYTICS_DRAIN_TIMEOUT", default_value = "20s", value_parser = quantity::duration)]
    drain_timeout: Duration,
    /// Form of log lines
    #[arg(long, env = "ANALYTICS_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// What is logged, in the language of tracing-subscriber's EnvFilter
    #[arg(long, env = "ANALYTICS_LOG", default_value = "info")]
    log: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sampling {
    /// As load demands
    Auto,
    /// Every hit is kept
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
struct Server {
    /// Address of the service
    #[arg(long, env = "ANALYTICS_SERVER", default_value = "http://127.0.0.1:3313")]
    server: String,
    /// Form of the answer
    #[arg(short, long, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    server: Server,
    /// What to look for, for example: type:sqli ip:203.0.113.0/24 since:1h !blocked
    ///
    /// Words: type:CODE[,CODE], host:HOST, ip:ADDRESS or ip:NETWORK, since:TIME, until:TIME, blocked. All must hold. A time
    /// is how long ago (30m, 1h, 7d), a day (2026-11-23) or an instant (2026-11-23T10:00:00Z). In front of type and blocked,
    /// ! means the opposite.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Attack type, for example sqli; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Host, compared without case
    #[arg(long)]
    host: Option<String>,
    /// Source address or network
    #[arg(long)]
    ip: Option<String>,
    /// How far back, for example 30m, 1h or 7d
    #[arg(long, value_parser = quantity::duration)]
    since: Option<Duration>,
    /// Most entries to show
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Args)]
struct ListHits {
    #[command(flatten)]
    list: List,
    /// Only hits of the attack with this id
    #[arg(long)]
    attack: Option<String>,
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    server: Server,
    /// Identifier of the attack
    id: String,
}

#[derive(Debug, Args)]
struct Tail {
    #[command(flatten)]
    server: Server,
    /// Which hits, for example: type:sqli ip:203.0.113.0/24 !blocked; see attacks --help
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
}

// === impl Cli ===

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> anyhow::Result<()> {
        let Cli { command } = self;
        match command {
            Command::Serve(serve) => serve.run(),
            Command::Attacks(list) => ask(client::attacks(list)),
            Command::Hits(list) => ask(client::hits(list)),
            Command::Attack(show) => ask(client::attack(show)),
            Command::Tail(options) => client_runtime()?.block_on(tail::run(options)),
        }
    }
}

/// Runs a question; its answer goes to standard output.
fn ask(question: impl Future<Output = anyhow::Result<client::Answer>>) -> anyhow::Result<()> {
    client_runtime()?.block_on(question)?.print()
}

fn client_runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

// === impl Serve ===

impl Serve {
    fn run(self) -> anyhow::Result<()> {
        let Serve {
            listen,
            metrics_listen,
            data,
            database,
            database_ca,
            max_spool,
            max_store,
            max_age,
            sampling,
            drain_timeout,
            log_format,
            log,
        } = self;
        let filter = EnvFilter::try_new(&log).with_context(|| format!("--log {log:?} is not understood"))?;
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr);
        match log_format {
            LogFormat::Text => subscriber.init(),
            LogFormat::Json => subscriber.json().flatten_event(true).init(),
        }
        let database = match database {
            None => None,
            Some(url) => Some(url.parse::<Database>().context("--database")?.with_ca(database_ca)),
        };
        let options = Options {
            listen,
            metrics_listen,
            data,
            database,
            max_spool_bytes: max_spool,
            retention: Retention {
                max_bytes: max_store,
                max_age,
            },
            sampling: sampling == Sampling::Auto,
            drain_timeout,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let stop = server::stop_signal().context("watching for signals")?;
            Ok(server::serve(options, stop).await?)
        })
    }
}

// === impl List ===

impl List {
    fn since(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.since?;
        Some(now.checked_sub(since).unwrap_or(Timestamp::MIN))
    }
}
