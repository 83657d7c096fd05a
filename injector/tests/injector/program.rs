//! The program `serve`: arguments, files that change, signals.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use rcgen::{CertifiedKey, KeyPair};
use serde_json::{Value, json};

use crate::client::{Answer, Client, DEADLINE, certificate, review};

/// The files of `serve` in a folder, and the program.
fn serve(settings: &str, key: &str, cert: &str, listen: &str) -> (tempfile::TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_injector"));
    command
        .env_clear()
        .args(["serve", "--offline", "--tls-source=files", "--reload-interval=20ms"])
        .env("LISTEN", listen);
    command.env("DRAIN_DELAY", "0s");
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

/// The program `serve`; killed when dropped.
struct Program {
    folder: tempfile::TempDir,
    child: Child,
    log: Box<dyn Iterator<Item = Value>>,
    address: SocketAddr,
}

impl Program {
    fn start(certificate: &CertifiedKey<KeyPair>, arguments: &[&str]) -> Program {
        let CertifiedKey { cert, signing_key } = certificate;
        let (folder, mut command) = serve("", &signing_key.serialize_pem(), &cert.pem(), "127.0.0.1:0");
        let mut child = command
            .args(arguments)
            .env("LOG_FORMAT", "json")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut log = Box::new(lines.map(|line| {
            let line = line.unwrap();
            let parsed: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            parsed["fields"].clone()
        }));
        let address = log.find_map(|fields| fields["address"].as_str()?.parse().ok()).unwrap();
        Program {
            folder,
            child,
            log,
            address,
        }
    }

    /// Reads on in the log until a message.
    fn wait_for(&mut self, message: &str) -> Value {
        self.log.find(|fields| fields["message"] == message).unwrap()
    }

    /// Replaces a file as an editor does.
    fn write(&self, name: &str, content: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.folder.path().join(name)).unwrap();
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The operations of the answer's patch.
fn patch(answer: &Answer) -> String {
    let review: Value = serde_json::from_str(&answer.body).unwrap();
    let patch = review["response"]["patch"].as_str().unwrap();
    String::from_utf8(BASE64_STANDARD.decode(patch).unwrap()).unwrap()
}

const POST: &str = "POST /inject HTTP/1.1\r\ncontent-type: application/json\r\n";

#[test]
fn settings_are_read_again_when_they_change() {
    let certificate = certificate();
    let mut program = Program::start(&certificate, &[]);
    let mut client = Client::connect(program.address, certificate.cert.der().clone());
    let body = review().to_string();
    assert!(patch(&client.ask(POST, body.as_bytes())).contains("sidecar.wallarm.io/status"));

    program.write("config.yaml", "annotationPrefix: waf.example");
    program.wait_for("Settings reloaded.");
    assert!(patch(&client.ask(POST, body.as_bytes())).contains("waf.example/status"));

    program.write("config.yaml", "{annotationPrefix: a/b, wallarm: {mode: blocking}}");
    let line = program.wait_for("New settings cannot be used, the old ones stay in force.");
    let error = line["error"].as_str().unwrap();
    assert!(
        error.contains("annotationPrefix") && error.contains("wallarm.mode"),
        "{error}"
    );
    assert!(patch(&client.ask(POST, body.as_bytes())).contains("waf.example/status"));
    let metrics = client.ask("GET /metrics HTTP/1.1\r\n", b"").body;
    for line in [
        "wallarm_injector_settings_generation 2\n",
        "wallarm_injector_settings_reloads_total{result=\"accepted\"} 1\n",
        "wallarm_injector_settings_reloads_total{result=\"rejected\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
fn certificates_are_read_again_when_they_change() {
    let (old, new) = (certificate(), certificate());
    let mut program = Program::start(&old, &[]);
    let mut before = Client::connect(program.address, old.cert.der().clone());
    assert_eq!(before.ask("GET /healthz HTTP/1.1\r\n", b"").status, 200);

    // One file after the other: the pair does not fit in between.
    program.write("tls.crt", &new.cert.pem());
    program.wait_for("New certificate cannot be used, the old one is served on.");
    let mut client = Client::connect(program.address, old.cert.der().clone());
    assert_eq!(client.ask("GET /healthz HTTP/1.1\r\n", b"").status, 200);
    program.write("tls.key", &new.signing_key.serialize_pem());
    program.wait_for("Certificate reloaded.");
    let mut after = Client::connect(program.address, new.cert.der().clone());
    assert_eq!(after.ask("GET /healthz HTTP/1.1\r\n", b"").status, 200);
    // Open connections stay.
    let metrics = before.ask("GET /metrics HTTP/1.1\r\n", b"").body;
    assert!(
        metrics.contains("wallarm_injector_certificate_expiry_timestamp_seconds{certificate=\"serving\"} 67"),
        "{metrics}"
    );
}

#[test]
fn a_draining_program_says_so_and_answers_on() {
    let certificate = certificate();
    // A delay that does not end while this test looks.
    let mut program = Program::start(&certificate, &["--drain-delay=10m", "--status-listen=127.0.0.1:0"]);
    let status = program
        .log
        .find_map(|fields| fields["status_address"].as_str()?.parse().ok());
    let status: SocketAddr = status.unwrap();
    let ask_status = |path: &str| {
        let mut plain = TcpStream::connect(status).unwrap();
        plain.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(
            plain,
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        plain.read_to_string(&mut answer).unwrap();
        answer
    };
    let mut open = Client::connect(program.address, certificate.cert.der().clone());
    let answer = open.ask(POST, review().to_string().as_bytes());
    assert_eq!(answer.status, 200);
    assert!(
        !answer.head.contains(&"connection: close".to_owned()),
        "{:?}",
        answer.head
    );
    assert!(ask_status("/readyz").starts_with("HTTP/1.1 200 "));

    program.terminate();
    program.wait_for("Not ready any more, still answering.");
    let answer = ask_status("/readyz");
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("draining\n"),
        "{answer}"
    );
    assert!(ask_status("/healthz").starts_with("HTTP/1.1 200 "));
    assert!(ask_status("/metrics").contains("wallarm_injector_admissions_total{decision=\"injected\"} 1\n"));
    // Connections that are open and new ones: answered, and told to go.
    let new = Client::connect(program.address, certificate.cert.der().clone());
    for mut client in [open, new] {
        let answer = client.ask(POST, review().to_string().as_bytes());
        assert_eq!(answer.status, 200);
        assert!(
            answer.head.contains(&"connection: close".to_owned()),
            "{:?}",
            answer.head
        );
        assert!(client.is_closed());
    }
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
