//! `serve`: the arguments, and how the parts of the webhook are put together.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use kube::{Client, Config};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    args::Listen,
    certs::{
        keeper::{self, Place},
        plan::Lifetimes,
    },
    cluster::Cluster,
    events,
    leader::{self, Seat},
    metrics::Metrics,
    reload::{self, Watched, parse_settings, serve_certificate},
    server::{Inputs, Limits, Server, ServingKey},
    settings::Settings,
};

/// How often the version of the cluster is asked for: it changes with an upgrade of the control plane.
const VERSION_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Longest that the first question for the version may hold up the start.
const VERSION_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest that queued Events may hold up the end.
const EVENTS_TIMEOUT: Duration = Duration::from_secs(2);

/// Arguments of `serve`.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// Address to listen on; `:8443` means port 8443 of every address.
    #[arg(long, env = "LISTEN", default_value = ":8443")]
    pub listen: Listen,
    /// Address of a second port without TLS for /healthz, /readyz and /metrics. Without: only the first port has them.
    #[arg(long, env = "STATUS_LISTEN")]
    pub status_listen: Option<Listen>,
    /// Settings, YAML. Read again when they change.
    #[arg(long, env = "CONFIG", default_value = "/etc/controller/config.yaml")]
    pub config: PathBuf,
    /// Where the certificate comes from.
    #[arg(long, env = "TLS_SOURCE", value_enum, default_value = "self-issued")]
    pub tls_source: TlsSource,
    /// Certificate chain, PEM, for the source `files`. Read again when it changes.
    #[arg(long, env = "TLS_CERT_FILE", default_value = "/etc/controller/tls/tls.crt")]
    pub tls_cert_file: PathBuf,
    /// Private key, PEM, for the source `files`. Read again when it changes.
    #[arg(long, env = "TLS_KEY_FILE", default_value = "/etc/controller/tls/tls.key")]
    pub tls_key_file: PathBuf,
    /// Host names and addresses that API servers call the webhook by, for the source `self-issued`.
    #[arg(long, env = "TLS_NAMES", value_delimiter = ',')]
    pub tls_names: Vec<String>,
    /// Name of the Secret for the source `self-issued`.
    #[arg(long, env = "TLS_SECRET", default_value = "wallarm-sidecar-admission-tls")]
    pub tls_secret: String,
    /// How long a self-issued certificate lasts, such as 90d. It is replaced when about a third is left.
    #[arg(long, env = "TLS_LIFETIME", default_value = "90d")]
    pub tls_lifetime: Span,
    /// How long a self-issued authority lasts, at least four times as long. It is replaced about halfway.
    #[arg(long, env = "TLS_AUTHORITY_LIFETIME", default_value = "730d")]
    pub tls_authority_lifetime: Span,
    /// How long a new authority is trusted before anything needs it.
    #[arg(long, env = "TLS_SETTLE", default_value = "5m")]
    pub tls_settle: Span,
    /// Name of the `MutatingWebhookConfiguration` whose caBundle is kept, for the source `self-issued`.
    #[arg(long, env = "WEBHOOK", default_value = "wallarm-sidecar")]
    pub webhook: String,
    /// Name of the Lease that the replica which writes holds, for the source `self-issued`.
    #[arg(long, env = "LEASE", default_value = "wallarm-sidecar-controller")]
    pub lease: String,
    /// Namespace of Secret and Lease. Without: that of the cluster's configuration.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: Option<String>,
    /// Name of this replica.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,
    /// Never asks a cluster: no Events, and the newest version is assumed. Only with the source `files`.
    #[arg(long)]
    pub offline: bool,
    /// How often files are looked at for changes.
    #[arg(long, env = "RELOAD_INTERVAL", default_value = "5s")]
    pub reload_interval: Span,
    /// From the signal to stop to the end of accepting, while not ready: endpoints need time to notice.
    #[arg(long, env = "DRAIN_DELAY", default_value = "5s")]
    pub drain_delay: Span,
}

/// Where the certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TlsSource {
    /// Files that somebody else writes: cert-manager, or a Secret of the operator.
    Files,
    /// A Secret that the replicas write and replace themselves.
    SelfIssued,
}

/// A time such as `90d`, `12h`, `5m`, `30s` or `500ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// Everything that can be checked before the first connection.
#[derive(Debug)]
pub struct Service {
    listener: TcpListener,
    status: Option<TcpListener>,
    settings: Settings,
    settings_file: Watched,
    certificate_files: Option<Watched>,
    serving: ServingKey,
    metrics: Arc<Metrics>,
    limits: Limits,
    arguments: Serve,
}

// === impl Serve ===

impl Serve {
    /// Reads settings and certificate and binds the ports.
    ///
    /// Errors: any of these cannot be used; the message names it.
    pub fn prepare(self) -> anyhow::Result<Service> {
        let mut settings_file = Watched::new([self.config.clone()]);
        let contents = settings_file.changed()?.unwrap_or_default();
        let settings = parse_settings(contents).with_context(|| format!("in {}", self.config.display()))?;
        let (metrics, serving) = (Arc::new(Metrics::default()), ServingKey::default());
        let certificate_files = match self.tls_source {
            TlsSource::Files => {
                let (chain, key) = (&self.tls_cert_file, &self.tls_key_file);
                let mut files = Watched::new([chain.clone(), key.clone()]);
                let contents = files.changed()?.unwrap_or_default();
                serve_certificate(contents, &serving, &metrics)
                    .with_context(|| format!("using {} and {}", chain.display(), key.display()))?;
                Some(files)
            }
            TlsSource::SelfIssued => {
                ensure!(!self.offline, "--offline needs --tls-source files");
                ensure!(
                    !self.tls_names.iter().all(String::is_empty),
                    "--tls-names is empty: it must name what API servers call the webhook by, such as SERVICE.NAMESPACE.svc"
                );
                let (authority, serving) = (self.tls_authority_lifetime.0, self.tls_lifetime.0);
                ensure!(
                    authority >= 4 * serving,
                    "--tls-authority-lifetime {authority:?} is less than four times --tls-lifetime {serving:?}"
                );
                None
            }
        };
        let bind = |Listen(address)| bind(address).with_context(|| format!("listening on {address}"));
        Ok(Service {
            listener: bind(self.listen)?,
            status: self.status_listen.map(bind).transpose()?,
            settings,
            settings_file,
            certificate_files,
            serving,
            metrics,
            limits: Limits {
                drain_delay: self.drain_delay.0,
                ..Limits::default()
            },
            arguments: self,
        })
    }
}

/// Binds an address. Nodes without IPv6 get the IPv4 form of "every address".
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).or_else(|error| {
        if address.ip().is_unspecified() && address.is_ipv6() && error.kind() != io::ErrorKind::AddrInUse {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port()))
        } else {
            Err(error)
        }
    })
}

// === impl Service ===

impl Service {
    /// Serves until SIGTERM or SIGINT, then until the last answer is out.
    ///
    /// Errors: the operating system gives no threads or signals, or the source of certificates needs a cluster and none
    /// is configured.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<()> {
        let Service {
            listener,
            status,
            settings,
            settings_file,
            certificate_files,
            serving,
            metrics,
            limits,
            arguments,
        } = self;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let interval = arguments.reload_interval.0;
        // Ends with this function.
        let mut tasks = JoinSet::new();
        let (settings, settings_in_force) = watch::channel(Arc::new(settings));
        tasks.spawn(reload::follow_settings(
            settings_file,
            interval,
            settings,
            metrics.clone(),
        ));
        if let Some(files) = certificate_files {
            tasks.spawn(reload::follow_certificate(
                files,
                interval,
                serving.clone(),
                metrics.clone(),
            ));
        }

        let (cluster, cluster_now) = watch::channel(Cluster::default());
        let mut inputs = Inputs {
            settings: settings_in_force,
            cluster: cluster_now,
            notices: None,
        };
        let (mut candidate, mut publisher) = (None, None);
        if let Some((client, namespace)) = connect(&arguments).await? {
            let identity = arguments
                .pod_name
                .clone()
                .unwrap_or_else(|| format!("process-{}", std::process::id()));
            if timeout(VERSION_TIMEOUT, ask_version(&client, &cluster)).await.is_err() {
                warn!("The cluster does not tell its version in time.");
            }
            tasks.spawn(follow_version(client.clone(), cluster));
            let (notices, publish) = events::publisher(client.clone(), identity.clone(), metrics.clone());
            inputs.notices = Some(notices);
            publisher = Some(tokio::spawn(publish));
            if arguments.tls_source == TlsSource::SelfIssued {
                let place = Place {
                    namespace: namespace.clone(),
                    secret: arguments.tls_secret,
                    webhook: arguments.webhook,
                    names: arguments
                        .tls_names
                        .into_iter()
                        .filter(|name| !name.is_empty())
                        .collect::<BTreeSet<_>>(),
                    lifetimes: Lifetimes {
                        authority: arguments.tls_authority_lifetime.0,
                        serving: arguments.tls_lifetime.0,
                        settle: arguments.tls_settle.0,
                    },
                };
                let seat = Seat {
                    namespace,
                    lease: arguments.lease,
                    identity,
                };
                let (standing, leads) = leader::stand(client.clone(), seat, metrics.clone());
                candidate = Some(standing);
                tasks.spawn(keeper::keep(client, place, leads, serving.clone(), metrics.clone()));
            }
        }

        info!(address = %listener.local_addr()?, "Listening.");
        let mut server = Server::new(listener, serving, inputs, metrics, limits);
        if let Some(status) = status {
            info!(status_address = %status.local_addr()?, "Listening.");
            server = server.with_status(status);
        }
        server.serve(shutdown).await?;
        if let Some(candidate) = candidate {
            candidate.resign().await;
        }
        if let Some(publisher) = publisher {
            // What is not out by then is not worth a longer wait.
            let _ = timeout(EVENTS_TIMEOUT, publisher).await;
        }
        info!("Stopped.");
        Ok(())
    }
}

/// The cluster that this process runs in or that `KUBECONFIG` names, and the namespace in it.
///
/// Errors: there is none, and the source of certificates needs one.
async fn connect(arguments: &Serve) -> anyhow::Result<Option<(Client, String)>> {
    if arguments.offline {
        return Ok(None);
    }
    let config = match Config::infer().await {
        Ok(config) => config,
        Err(error) if arguments.tls_source == TlsSource::Files => {
            info!(%error, "No cluster to ask: no Events, and the newest version is assumed.");
            return Ok(None);
        }
        Err(error) => return Err(error).context("--tls-source self-issued needs a cluster"),
    };
    let namespace = arguments
        .namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).context("using the configuration of the cluster")?;
    Ok(Some((client, namespace)))
}

async fn follow_version(client: Client, cluster: watch::Sender<Cluster>) {
    loop {
        sleep(VERSION_INTERVAL).await;
        ask_version(&client, &cluster).await;
    }
}

/// Asks once; without an answer, what was known stays.
async fn ask_version(client: &Client, cluster: &watch::Sender<Cluster>) {
    match client.apiserver_version().await {
        Ok(version) => {
            let now = Cluster::of_version(&version.major, &version.minor);
            let is_new = cluster.send_replace(now) != now;
            if is_new {
                info!(
                    version = version.git_version,
                    ?now,
                    "The cluster can do something else."
                );
            }
        }
        Err(error) => warn!(%error, "The cluster does not tell its version."),
    }
}

// === impl Span ===

impl FromStr for Span {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits_end);
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            "d" => 24 * 60 * 60 * 1000,
            _ => bail!("{text:?} is not a time such as 90d, 12h, 5m, 30s or 500ms"),
        };
        // A million days are a limit, too: times are added to the present.
        match number.parse::<u32>() {
            Ok(number) if u64::from(number) * milliseconds <= 86_400_000_000_000 => {
                Ok(Span(Duration::from_millis(u64::from(number) * milliseconds)))
            }
            _ => bail!("{text:?} is not a time such as 90d, 12h, 5m, 30s or 500ms"),
        }
    }
}
