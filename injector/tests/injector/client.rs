//! A client of the webhook, its certificates and its requests.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rcgen::{CertifiedKey, KeyPair};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};

/// Longest that anything here may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn certificate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

pub(crate) struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// All lines in lower case.
    pub(crate) head: Vec<String>,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, certificate: CertificateDer<'static>) -> Self {
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

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let stream = self.0.get_mut();
        stream.write_all(bytes).unwrap();
        stream.flush().unwrap();
    }

    pub(crate) fn receive(&mut self) -> Answer {
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
            head: lines,
            body: String::from_utf8(body).unwrap(),
        }
    }

    pub(crate) fn ask(&mut self, head: &str, body: &[u8]) -> Answer {
        self.send(format!("{head}host: localhost\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
        self.send(body);
        self.receive()
    }

    /// Whether the server has ended the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(n_bytes) => n_bytes == 0,
            Err(error) => {
                assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "still open");
                true
            }
        }
    }
}

pub(crate) fn review() -> Value {
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
