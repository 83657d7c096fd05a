//! `envoy.extensions.transport_sockets.tls.v3`.

use serde::Serialize;

use super::{
    any::Any,
    core::{ConfigSource, DataSource, WatchedDirectory},
};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct TransportSocket {
    pub(crate) name: &'static str,
    pub(crate) typed_config: Any,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct DownstreamTlsContext {
    pub(crate) common_tls_context: CommonTlsContext,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct CommonTlsContext {
    pub(crate) tls_params: TlsParameters,
    pub(crate) tls_certificate_sds_secret_configs: [SdsSecretConfig; 1],
    pub(crate) alpn_protocols: Vec<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct TlsParameters {
    pub(crate) tls_minimum_protocol_version: &'static str,
    pub(crate) tls_maximum_protocol_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) cipher_suites: Vec<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct SdsSecretConfig {
    pub(crate) name: String,
    pub(crate) sds_config: ConfigSource,
}

/// A secret by reference: files, never their content.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) tls_certificate: TlsCertificate,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct TlsCertificate {
    pub(crate) certificate_chain: DataSource,
    pub(crate) private_key: DataSource,
    pub(crate) watched_directory: WatchedDirectory,
}
