//! What an admission costs: reviews over TLS on connections that stay open, to a webhook process on loopback.
//!
//! The program `injector` is taken from the folder of this one, so that both are of one profile.

use std::{
    env, fs,
    io::Write as _,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use e2e::{cluster::Authority, poll};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// Longest that 99 of 100 reviews may take.
const BUDGET_P99: Duration = Duration::from_millis(5);

/// Measures what an admission costs.
#[derive(Debug, Parser)]
struct Args {
    /// Reviews per line of the table.
    #[arg(long, default_value_t = 20_000)]
    reviews: usize,
    /// Connections that send one review after the other; a line for each number.
    #[arg(long, value_delimiter = ',', default_value = "1,4,16")]
    connections: Vec<usize>,
}

/// The webhook; killed when dropped.
struct Webhook {
    child: Child,
    address: SocketAddr,
}

impl Drop for Webhook {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    ensure!(
        !args.connections.contains(&0),
        "--connections 0: at least one connection is needed"
    );
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(run(args))
}

async fn run(args: Args) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new("webhook")?;
    authority.server(&["127.0.0.1"])?.write(folder.path(), "tls")?;
    let webhook = start(folder.path()).await?;
    let connector = connector(authority.pem())?;
    let pid = webhook.child.id();

    // The first connection shows that it serves; what it uses then is what a replica at rest uses.
    drive(connector.clone(), webhook.address, &request(&labelled()), 1).await?;
    let at_rest = resident_bytes(pid)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<22} {:>11} {:>10} {:>9} {:>9} {:>9}",
        "review", "connections", "reviews/s", "p50", "p99", "max"
    )?;
    let mut worst = Duration::ZERO;
    for (name, pod) in [("labelled pod", labelled()), ("pod without the label", plain())] {
        let request: Arc<[u8]> = request(&pod).into();
        for &connections in &args.connections {
            let per_connection = args.reviews.div_ceil(connections);
            let mut workers = JoinSet::new();
            let started = Instant::now();
            for _ in 0..connections {
                let (connector, request) = (connector.clone(), request.clone());
                let address = webhook.address;
                workers.spawn(async move { drive(connector, address, &request, per_connection).await });
            }
            let mut latencies = Vec::with_capacity(per_connection * connections);
            while let Some(worker) = workers.join_next().await {
                latencies.extend(worker??);
            }
            let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
            latencies.sort_unstable();
            let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
            writeln!(
                out,
                "{name:<22} {connections:>11} {rate:>10.0} {:>9.2?} {:>9.2?} {:>9.2?}",
                at(0.5),
                at(0.99),
                at(1.0)
            )?;
            worst = worst.max(at(0.99));
        }
    }
    let mebibytes = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    writeln!(
        out,
        "memory: {:.1} MiB at rest, {:.1} MiB after all reviews",
        mebibytes(at_rest),
        mebibytes(resident_bytes(pid)?)
    )?;
    writeln!(
        out,
        "p99: {worst:.2?} at most, budget {BUDGET_P99:?}: {}",
        if worst < BUDGET_P99 { "kept" } else { "EXCEEDED" }
    )?;
    Ok(())
}

async fn start(folder: &Path) -> anyhow::Result<Webhook> {
    fs::write(folder.join("config.yaml"), "")?;
    let (log, program) = (folder.join("log"), env::current_exe()?.with_file_name("injector"));
    let file = |name: &str| folder.join(name).display().to_string();
    let mut child = Command::new(&program)
        .env_clear()
        .args(["serve", "--offline", "--tls-source=files", "--listen=127.0.0.1:0"])
        // One line per pod goes to a file, as in a cluster.
        .args(["--log-format=json"])
        .arg(format!("--config={}", file("config.yaml")))
        .arg(format!("--tls-cert-file={}", file("tls.crt")))
        .arg(format!("--tls-key-file={}", file("tls.key")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log)?)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let address = poll::until("the injector", async || {
        let text = fs::read_to_string(&log)?;
        if let Some(status) = child.try_wait()? {
            bail!("the injector ended ({status}):\n{text}");
        }
        Ok(text.lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["fields"]["address"].as_str()?.parse().ok()
        }))
    })
    .await?;
    Ok(Webhook { child, address })
}

fn connector(authority: &str) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Sends the same request so often over one connection; the time that each answer took.
async fn drive(
    connector: TlsConnector,
    address: SocketAddr,
    request: &[u8],
    n_requests: usize,
) -> anyhow::Result<Vec<Duration>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = connector.connect(ServerName::from(address.ip()), stream).await?;
    let mut latencies = Vec::with_capacity(n_requests);
    let mut answer = Vec::with_capacity(64 * 1024);
    for _ in 0..n_requests {
        let started = Instant::now();
        stream.write_all(request).await?;
        stream.flush().await?;
        answer.clear();
        while !is_whole(&answer)? {
            ensure!(stream.read_buf(&mut answer).await? > 0, "closed by the webhook");
        }
        latencies.push(started.elapsed());
        ensure!(
            answer.starts_with(b"HTTP/1.1 200"),
            "unexpected answer: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    Ok(latencies)
}

/// Whether head and body are there.
fn is_whole(answer: &[u8]) -> anyhow::Result<bool> {
    let Some(head_end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = std::str::from_utf8(&answer[..head_end])?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>())
    });
    Ok(answer.len() >= head_end + 4 + length.context("an answer without a length")??)
}

fn request(pod: &Value) -> Vec<u8> {
    let review = json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": pod,
            "oldObject": null,
            "dryRun": false,
        },
    })
    .to_string();
    let head = format!(
        "POST /inject?timeout=5s HTTP/1.1\r\nhost: webhook\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        review.len()
    );
    [head.as_bytes(), review.as_bytes()].concat()
}

/// A pod as a ReplicaSet makes it and the API server completes it: two containers, probes, volumes.
fn labelled() -> Value {
    let container = |name: &str, port: u16| {
        json!({
            "name": name,
            "image": format!("registry.example/{name}:1.2.3"),
            "ports": [{"containerPort": port, "protocol": "TCP"}],
            "env": (0..20).map(|idx| json!({"name": format!("VARIABLE_{idx}"), "value": "value"})).collect::<Vec<_>>(),
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": port}, "periodSeconds": 10},
            "livenessProbe": {"httpGet": {"path": "/alive", "port": port}, "periodSeconds": 10},
            "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
            "terminationMessagePath": "/dev/termination-log",
            "imagePullPolicy": "IfNotPresent",
        })
    };
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "generateName": "myapp-5d4b8c7d9f-",
            "labels": {"wallarm-sidecar": "enabled", "app": "myapp", "pod-template-hash": "5d4b8c7d9f"},
            "annotations": {"sidecar.wallarm.io/wallarm-mode": "block"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "myapp-5d4b8c7d9f", "uid": "1", "controller": true}],
        },
        "spec": {
            "containers": [container("myapp", 8080), container("exporter", 9100)],
            "volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
            "serviceAccountName": "myapp",
        },
    })
}

fn plain() -> Value {
    let mut pod = labelled();
    pod["metadata"]["labels"] = json!({"app": "myapp"});
    pod
}

/// Resident memory, in bytes. Source: proc(5).
fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("no VmRSS")?
        .trim()
        .parse()?;
    Ok(kib * 1024)
}
