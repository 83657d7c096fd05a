//! Certificates that the sidecar terminates TLS with.

use serde::Serialize;

use crate::{
    Sidecar,
    message::{
        any::Any,
        core::{ConfigSource, DataSource, Duration, PathConfigSource, WatchedDirectory},
        tls::{
            CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret, TlsCertificate, TlsParameters,
            TransportSocket,
        },
    },
};

/// One certificate and the names that it answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsServer {
    /// Names of the TLS extension SNI, `*.` at the beginning stands for any labels. Empty: every name.
    pub names: Vec<String>,
    /// File of the certificate chain, PEM. Envoy watches its folder and takes a new certificate without a restart.
    pub certificate: String,
    /// File of the private key, PEM.
    pub key: String,
    /// Oldest version of TLS.
    pub min_version: TlsVersion,
    /// Newest version of TLS.
    pub max_version: TlsVersion,
    /// Cipher suites up to TLS 1.2, of [`CIPHER_SUITES`]. Empty: Envoy's choice.
    pub cipher_suites: Vec<&'static str>,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0.
    V1_0,
    /// TLS 1.1.
    V1_1,
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// Cipher suites that Envoy can be given. Those of TLS 1.3 cannot be chosen.
///
/// Source: Envoy API, `TlsParameters.cipher_suites`.
pub const CIPHER_SUITES: [&str; 14] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES128-SHA",
    "AES256-GCM-SHA384",
    "AES256-SHA",
];

/// A file that tells Envoy where one certificate is. It holds paths and no secret.
#[derive(Clone, Debug, Serialize)]
pub struct TlsResource {
    /// Name below [`crate::Paths::config_dir`].
    #[serde(skip)]
    pub file: String,
    resources: [Any; 1],
}

/// One file per certificate, ready to be put into [`crate::Paths::config_dir`].
pub fn tls_resources(sidecar: &Sidecar) -> Vec<TlsResource> {
    let resource = |(idx, server): (usize, &TlsServer)| TlsResource {
        file: file(idx),
        resources: [Any::Secret(Secret {
            name: name(idx),
            tls_certificate: TlsCertificate {
                certificate_chain: DataSource::Filename(server.certificate.clone()),
                private_key: DataSource::Filename(server.key.clone()),
                // Kubernetes replaces the files of a Secret by moving a symbolic link in their folder.
                watched_directory: WatchedDirectory {
                    path: folder(&server.certificate).to_owned(),
                },
            },
        })],
    };
    sidecar.tls.iter().enumerate().map(resource).collect()
}

/// What makes a filter chain speak TLS with the certificate of this index.
pub(crate) fn transport_socket(sidecar: &Sidecar, idx: usize, server: &TlsServer) -> TransportSocket {
    let config_dir = &sidecar.paths.config_dir;
    let context = DownstreamTlsContext {
        common_tls_context: CommonTlsContext {
            tls_params: TlsParameters {
                tls_minimum_protocol_version: server.min_version.as_str(),
                tls_maximum_protocol_version: server.max_version.as_str(),
                cipher_suites: server.cipher_suites.clone(),
            },
            tls_certificate_sds_secret_configs: [SdsSecretConfig {
                name: name(idx),
                sds_config: ConfigSource {
                    path_config_source: PathConfigSource {
                        path: format!("{config_dir}/{}", file(idx)),
                        watched_directory: WatchedDirectory {
                            path: config_dir.clone(),
                        },
                    },
                    initial_fetch_timeout: Duration::seconds(15),
                },
            }],
            alpn_protocols: if server.http2 {
                vec!["h2", "http/1.1"]
            } else {
                vec!["http/1.1"]
            },
        },
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls",
        typed_config: Any::DownstreamTlsContext(Box::new(context)),
    }
}

fn name(idx: usize) -> String {
    format!("tls_{idx}")
}

fn file(idx: usize) -> String {
    format!("tls-{idx}.json")
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

// === impl TlsVersion ===

impl TlsVersion {
    fn as_str(self) -> &'static str {
        match self {
            TlsVersion::V1_0 => "TLSv1_0",
            TlsVersion::V1_1 => "TLSv1_1",
            TlsVersion::V1_2 => "TLSv1_2",
            TlsVersion::V1_3 => "TLSv1_3",
        }
    }
}

// === impl TlsResource ===

impl TlsResource {
    /// The document, compact and with keys in a fixed order.
    pub fn to_json(&self) -> String {
        // Structs of strings always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}
