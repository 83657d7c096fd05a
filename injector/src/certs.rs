//! The certificates of the webhook when it issues them itself.
//!
//! An API server trusts the authorities in the `caBundle` of the webhook configuration. Everything else stands in one
//! Secret, which all replicas watch: the authorities (`ca.crt`, newest first), the key of the newest one (`ca.key`), and
//! the certificate that is served (`tls.crt`, `tls.key`).
//! [`plan`] decides what is to be done, without a clock or a cluster; [`material`] makes it; [`keeper`] does it.
//!
//! No admission fails while an authority is replaced: the new one is announced in the `caBundle` first, serves only
//! after every API server had time to notice, and the old one stays in the bundle until it expires.

pub mod plan;

pub mod material;

pub mod keeper;

use rustls_pki_types::{CertificateDer, pem::PemObject};

/// When the first certificate of a PEM chain ends, in seconds since 1970; 0 when there is none.
pub fn expiry(chain: &[u8]) -> i64 {
    let parse = |chain: &[u8]| {
        let der = CertificateDer::from_pem_slice(chain).ok()?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
        Some(certificate.validity().not_after.timestamp())
    };
    parse(chain).unwrap_or_default()
}
