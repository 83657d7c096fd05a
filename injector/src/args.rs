//! The command line.

use std::{fs, net::SocketAddr, path::PathBuf, str::FromStr};

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing::Level;

use crate::{
    cluster::Cluster,
    render::{Format, RenderError, render},
    serve::Serve,
    settings::Settings,
};

/// Adds the Wallarm sidecar to labelled pods.
#[derive(Debug, Parser)]
#[command(name = "injector", version)]
pub struct Cli {
    /// How much is logged.
    #[arg(long, env = "LOG_LEVEL", value_enum, default_value = "info", global = true)]
    pub log_level: LogLevel,
    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answers the Kubernetes API server.
    Serve(Box<Serve>),
    /// Prints a manifest as the webhook would change it.
    Render(Render),
}

/// Arguments of `render`.
#[derive(Debug, Args)]
pub struct Render {
    /// Manifest of one or more YAML documents; `-` reads the standard input.
    pub file: PathBuf,
    /// Settings, YAML. Without: the defaults.
    #[arg(long, env = "CONFIG")]
    pub config: Option<PathBuf>,
    /// Version of the cluster that the manifest is for, such as 1.31. Without: one that is still maintained.
    #[arg(long)]
    pub kube_version: Option<KubeVersion>,
    /// Output format.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Format,
}

/// What a cluster of a given version can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KubeVersion(pub Cluster);

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// An operator must act.
    Error,
    /// Unexpected but handled.
    Warn,
    /// Life cycle and one line per pod.
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Plain text.
    Text,
    /// Text with colours.
    TextColor,
    /// One JSON object per line.
    Json,
}

/// Reads settings from a file.
pub fn read_settings(path: &PathBuf) -> anyhow::Result<Settings> {
    let yaml = fs::read_to_string(path).with_context(|| format!("reading settings {}", path.display()))?;
    Settings::from_yaml(&yaml).with_context(|| format!("in {}", path.display()))
}

// === impl Render ===

impl Render {
    /// The text for the standard output, and warnings for the standard error.
    ///
    /// Errors: [`RenderError`] for pods that cannot be injected, anything else for unusable input.
    pub fn run(self) -> anyhow::Result<(String, Vec<String>)> {
        let Render {
            file,
            config,
            kube_version,
            output,
        } = self;
        let cluster = kube_version.map_or_else(Cluster::default, |version| version.0);
        let settings = config.as_ref().map(read_settings).transpose()?.unwrap_or_default();
        let manifest = if file.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            fs::read_to_string(&file)
        };
        let manifest = manifest.with_context(|| format!("reading manifest {}", file.display()))?;
        let rendered = render(&manifest, &settings, cluster).map_err(|error| match error {
            RenderError::Syntax { .. } => anyhow::Error::new(error).context(format!("in {}", file.display())),
            RenderError::Denied(_) => error.into(),
        })?;
        Ok((rendered.to_text(output), rendered.warnings))
    }
}

// === impl KubeVersion ===

impl FromStr for KubeVersion {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let version = text.strip_prefix('v').unwrap_or(text);
        match version.split_once('.') {
            Some((major, minor))
                if [major, minor]
                    .iter()
                    .all(|part| part.starts_with(|c: char| c.is_ascii_digit())) =>
            {
                Ok(KubeVersion(Cluster::of_version(major, minor)))
            }
            _ => bail!("{text:?} is not a version of Kubernetes such as 1.31"),
        }
    }
}

// === impl Listen ===

impl FromStr for Listen {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let address = match text.strip_prefix(':') {
            Some(port) => format!("[::]:{port}").parse(),
            None => text.parse(),
        };
        match address {
            Ok(address) => Ok(Listen(address)),
            Err(_) => bail!("{text:?} is neither ADDRESS:PORT nor :PORT"),
        }
    }
}

// === impl LogLevel ===

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Level::ERROR,
            LogLevel::Warn => Level::WARN,
            LogLevel::Info => Level::INFO,
            LogLevel::Debug => Level::DEBUG,
            LogLevel::Trace => Level::TRACE,
        }
    }
}
