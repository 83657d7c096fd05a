//! The webhook over real TLS, with well-behaved and other clients.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
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
use rcgen::CertifiedKey;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::client::{Answer, Client, DEADLINE, certificate, review};

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
