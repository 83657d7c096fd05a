//! The certificate that the server shows, replaced while it serves.

use std::sync::{Arc, PoisonError, RwLock};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// The certificate chain and key in use. Clones share them; connections that are open keep theirs.
#[derive(Clone, Debug, Default)]
pub struct ServingKey(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

/// A certificate that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum UnusableKey {
    /// The chain is empty or no PEM.
    #[error("the certificate chain is not usable: {0}")]
    Chain(String),
    /// The key is absent or no PEM.
    #[error("the key is not usable: {0}")]
    Key(String),
    /// The two do not fit, or their kind is not supported.
    #[error("certificate and key cannot be used together: {0}")]
    Pair(rustls::Error),
}

// === impl ServingKey ===

impl ServingKey {
    /// Serves this chain from the next connection on.
    ///
    /// Errors: not PEM, or a key that is not the certificate's. What was served before is served on.
    pub fn replace_pem(&self, chain: &[u8], key: &[u8]) -> Result<(), UnusableKey> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| UnusableKey::Chain(error.to_string()))?;
        if chain.is_empty() {
            return Err(UnusableKey::Chain("no certificate in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| UnusableKey::Key(error.to_string()))?;
        let pair = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(UnusableKey::Pair)?;
        // A panic elsewhere cannot leave half a pointer.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(pair));
        Ok(())
    }

    /// Whether there is anything to serve yet.
    pub fn is_set(&self) -> bool {
        self.get().is_some()
    }

    fn get(&self) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// TLS 1.2 and 1.3 with this certificate, HTTP/1.1 only.
    ///
    /// Errors: never with the provider that is compiled in.
    pub(super) fn tls_config(&self) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for ServingKey {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.get()
    }
}
