//! The webhook over real TLS, with well-behaved and other clients.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use injector::{
    cluster::Cluster,
    metrics::Metrics,
    server::{Inputs, Limits, Server, ServingKey},
    settings::Settings,
};
use rcgen::{CertifiedKey, KeyPair};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};

/// Longest that anything here may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

fn certificate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// Limits without the delay that clients of a Service need.
fn quick() -> Limits {
    Limits {
        drain_delay: Duration::ZERO,
        ..Limits::default()
    }
}

/// A server in this process. It drains when dropped.
struct Webhook {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Webhook {
    fn start(limits: Limits) -> Self {
        let CertifiedKey { cert, signing_key } = certificate();
        let certificate = cert.der().clone();
        let serving = ServingKey::default();
        serving
            .replace_pem(cert.pem().as_bytes(), signing_key.serialize_pem().as_bytes())
            .unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let inputs = Inputs::fixed(Settings::default(), Cluster::default());
        let server = Server::new(listener, serving, inputs, Arc::new(Metrics::default()), limits);
        let (shutdown, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let shutdown = async {
                // A dropped sender ends the server as well.
                let _ = stopped.await;
            };
            runtime.block_on(server.serve(shutdown)).unwrap();
        });
        Webhook {
            address,
            certificate,
            shutdown: Some(shutdown),
            thread: Some(thread),
        }
    }

    fn client(&self) -> Client {
        Client::connect(self.address, self.certificate.clone())
    }

    /// One request on a connection of its own.
    fn ask(&self, head: &str, body: &[u8]) -> Answer {
        self.client().ask(head, body)
    }

    fn post(&self, body: &[u8]) -> Answer {
        self.ask("POST /inject HTTP/1.1\r\ncontent-type: application/json\r\n", body)
    }

    fn metrics(&self) -> String {
        self.ask("GET /metrics HTTP/1.1\r\n", b"").body
    }

    fn begin_shutdown(&mut self) {
        self.shutdown.take();
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.begin_shutdown();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

struct Answer {
    status: u16,
    body: String,
}

impl Client {
    fn connect(address: SocketAddr, certificate: CertificateDer<'static>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Client(BufReader::new(StreamOwned::new(tls, stream)))
    }

    fn send(&mut self, bytes: &[u8]) {
        let stream = self.0.get_mut();
        stream.write_all(bytes).unwrap();
        stream.flush().unwrap();
    }

    fn receive(&mut self) -> Answer {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let line = line.trim_end().to_lowercase();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let length = lines.iter().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.expect("an answer has a length").parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        Answer {
            status: lines[0].split(' ').nth(1).unwrap().parse().unwrap(),
            body: String::from_utf8(body).unwrap(),
        }
    }

    fn ask(&mut self, head: &str, body: &[u8]) -> Answer {
        self.send(format!("{head}host: localhost\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
        self.send(body);
        self.receive()
    }

    /// Whether the server has ended the connection without another byte.
    fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(n_bytes) => n_bytes == 0,
            Err(error) => {
                assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "still open");
                true
            }
        }
    }
}

fn review() -> Value {
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "userInfo": {},
            "object": {
                "metadata": {"labels": {"wallarm-sidecar": "enabled"}},
                "spec": {"containers": [{"name": "app"}]},
            },
        },
    })
}

#[test]
fn reviews_are_answered_and_counted() {
    let webhook = Webhook::start(quick());
    let mut client = webhook.client();
    for _ in 0..2 {
        let head = "POST /inject HTTP/1.1\r\ncontent-type: application/json; charset=utf-8\r\n";
        let answer = client.ask(head, review().to_string().as_bytes());
        assert_eq!(answer.status, 200);
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer["response"]["allowed"], true);
        assert_eq!(answer["response"]["patchType"], "JSONPatch");
    }
    assert_eq!(webhook.ask("GET /healthz HTTP/1.1\r\n", b"").body, "OK\n");
    let metrics = webhook.metrics();
    assert!(
        metrics.contains("wallarm_injector_admissions_total{decision=\"injected\"} 2\n"),
        "{metrics}"
    );
}

#[test]
fn malformed_requests_are_refused_and_counted() {
    let webhook = Webhook::start(quick());
    for body in [&b""[..], b"{", b"\0\xff", b"{}", b"[[[[", b"\"AdmissionReview\""] {
        let answer = webhook.post(body);
        assert_eq!(answer.status, 400);
        assert!(answer.body.starts_with("not an AdmissionReview: "), "{}", answer.body);
    }
    let denial = webhook.post(br#"{"request": {"uid": "7", "object": []}}"#);
    let denial: Value = serde_json::from_str(&denial.body).unwrap();
    assert_eq!(
        (&denial["response"]["uid"], &denial["response"]["allowed"]),
        (&json!("7"), &json!(false))
    );

    for content_type in [
        "content-type: text/plain\r\n",
        "content-type: application/jsonx\r\n",
        "",
    ] {
        let head = format!("POST /inject HTTP/1.1\r\n{content_type}");
        assert_eq!(webhook.ask(&head, review().to_string().as_bytes()).status, 415);
    }
    assert_eq!(webhook.ask("GET /inject HTTP/1.1\r\n", b"").status, 405);
    assert_eq!(webhook.ask("GET / HTTP/1.1\r\n", b"").status, 404);
    let metrics = webhook.metrics();
    assert!(
        metrics.contains("wallarm_injector_refused_requests_total{status=\"400\"} 6\n"),
        "{metrics}"
    );
}

#[test]
fn large_bodies_are_refused() {
    let limits = Limits {
        max_body_bytes: 10_000,
        ..quick()
    };
    let webhook = Webhook::start(limits);
    let head = "POST /inject HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    // Announced: refused before the first byte of it.
    let mut client = webhook.client();
    client.send(format!("{head}content-length: 10001\r\n\r\n").as_bytes());
    assert_eq!(client.receive().status, 413);
    // Not announced: refused once it is too long.
    let mut client = webhook.client();
    client.send(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes());
    client.send(format!("2711\r\n{}\r\n", " ".repeat(10_001)).as_bytes());
    assert_eq!(client.receive().status, 413);
    // In chunks, but small enough.
    let mut client = webhook.client();
    client.send(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes());
    client.send(format!("270f\r\n{:<9999}\r\n0\r\n\r\n", review().to_string()).as_bytes());
    assert_eq!(client.receive().status, 200);
}

#[test]
fn slow_clients_are_cut_off() {
    let short = Duration::from_millis(200);
    let webhook = Webhook::start(Limits {
        handshake_timeout: short,
        header_timeout: short,
        body_timeout: short,
        ..quick()
    });
    // No handshake.
    let mut silent = TcpStream::connect(webhook.address).unwrap();
    silent.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    // No request, half a request.
    for head in ["", "POST /inject HTTP/1.1\r\nhost:"] {
        let mut client = webhook.client();
        client.send(head.as_bytes());
        assert!(client.is_closed());
    }
    // Half a body.
    let mut client = webhook.client();
    client.send(
        b"POST /inject HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    );
    assert_eq!(client.receive().status, 408);
    assert!(
        webhook
            .metrics()
            .contains("wallarm_injector_failed_handshakes_total 1\n")
    );
}

#[test]
fn plain_http_on_the_tls_port_harms_nobody() {
    let webhook = Webhook::start(quick());
    let mut plain = TcpStream::connect(webhook.address).unwrap();
    plain.set_read_timeout(Some(DEADLINE)).unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // A reset is as good as an end.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(webhook.ask("GET /healthz HTTP/1.1\r\n", b"").status, 200);
    assert!(
        webhook
            .metrics()
            .contains("wallarm_injector_failed_handshakes_total 1\n")
    );
}

#[test]
fn more_clients_than_connections_are_served_in_turn() {
    let webhook = Webhook::start(Limits {
        max_connections: 1,
        drain_delay: Duration::ZERO,
        ..quick()
    });
    let mut first = webhook.client();
    assert_eq!(first.ask("GET /healthz HTTP/1.1\r\n", b"").status, 200);
    thread::scope(|scope| {
        let second = scope.spawn(|| webhook.ask("GET /healthz HTTP/1.1\r\n", b"").status);
        assert_eq!(first.ask("GET /healthz HTTP/1.1\r\n", b"").status, 200);
        drop(first);
        assert_eq!(second.join().unwrap(), 200);
    });
}

#[test]
fn shutdown_waits_for_answers() {
    let mut webhook = Webhook::start(quick());
    let body = review().to_string();
    let (first, rest) = body.split_at(10);
    let mut client = webhook.client();
    let length = body.len();
    client.send(
        format!("POST /inject HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{first}")
            .as_bytes(),
    );
    // Another connection being answered shows that the first one is being read.
    assert_eq!(webhook.ask("GET /healthz HTTP/1.1\r\n", b"").status, 200);
    webhook.begin_shutdown();
    let started = Instant::now();
    while TcpStream::connect(webhook.address).is_ok() {
        assert!(started.elapsed() < DEADLINE, "still listening");
        thread::sleep(Duration::from_millis(10));
    }
    client.send(rest.as_bytes());
    assert_eq!(client.receive().status, 200);
    assert!(client.is_closed());
}

/// The files of `serve` in a folder, and the program.
fn serve(settings: &str, key: &str, cert: &str, listen: &str) -> (tempfile::TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_injector"));
    command
        .env_clear()
        .args([
            "serve",
            "--offline",
            "--tls-source=files",
            "--drain-delay=0s",
            "--reload-interval=20ms",
        ])
        .env("LISTEN", listen);
    for (name, variable, content) in [
        ("config.yaml", "CONFIG", settings),
        ("tls.crt", "TLS_CERT_FILE", cert),
        ("tls.key", "TLS_KEY_FILE", key),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        command.env(variable, path);
    }
    (folder, command)
}

#[test]
fn program_serves_until_it_is_told_to_stop() {
    let CertifiedKey { cert, signing_key } = certificate();
    let (_folder, mut command) = serve("", &signing_key.serialize_pem(), &cert.pem(), "127.0.0.1:0");
    let mut child = command
        .env("LOG_FORMAT", "json")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(|line| {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        line["fields"].clone()
    });
    let identity = log.next().unwrap();
    assert_eq!(
        (&identity["message"], &identity["version"]),
        (&json!("Injector."), &json!(env!("CARGO_PKG_VERSION")))
    );
    let address = log.find_map(|fields| fields["address"].as_str()?.parse().ok()).unwrap();

    let mut client = Client::connect(address, cert.der().clone());
    assert_eq!(client.ask("GET /healthz HTTP/1.1\r\n", b"").status, 200);
    assert!(
        Command::new("kill")
            .arg(child.id().to_string())
            .status()
            .unwrap()
            .success()
    );
    assert!(log.any(|fields| fields["message"] == "Stopped."));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn program_refuses_what_it_cannot_use() {
    let CertifiedKey { cert, signing_key } = certificate();
    let (cert, key) = (cert.pem(), signing_key.serialize_pem());
    let other_key = certificate().signing_key.serialize_pem();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (settings, key, cert, listen, named) in [
        ("wallarm: {mode: blocking}", &key, &cert, "127.0.0.1:0", "wallarm.mode"),
        ("", &other_key, &cert, "127.0.0.1:0", "tls.key"),
        ("", &String::new(), &cert, "127.0.0.1:0", "tls.key"),
        ("", &key, &"nonsense".to_owned(), "127.0.0.1:0", "tls.crt"),
        ("", &key, &cert, taken.as_str(), taken.as_str()),
        ("", &key, &cert, "localhost", "ADDRESS:PORT"),
    ] {
        let (_folder, mut command) = serve(settings, key, cert, listen);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(text.contains(named), "{named}: {text}");
    }
}
