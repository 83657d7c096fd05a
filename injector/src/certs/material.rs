//! Certificates and keys: read from the Secret, made, and written back.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate, time::ASN1Time};

use super::plan::{Authority, Facts, Id, Lifetimes, MAX_AUTHORITIES, Serving, Validity};
use crate::server::ServingKey;

/// How long before its making a certificate may be used: clocks of nodes differ.
const BACKDATE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the Secret holds.
#[derive(Clone, Debug, Default)]
pub struct Material {
    /// Trusted authorities, newest first.
    authorities: Vec<CertificateDer<'static>>,
    /// Key of the newest one.
    authority_key: Option<PrivatePem>,
    /// The chain that is served and its key.
    serving: Option<(String, PrivatePem)>,
}

/// A private key in PEM, which never shows in a log.
#[derive(Clone)]
struct PrivatePem(String);

impl fmt::Debug for PrivatePem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivatePem({} bytes)", self.0.len())
    }
}

// === impl Material ===

impl Material {
    /// What can be used of a Secret. Anything else in it is as good as absent.
    pub fn read(data: &BTreeMap<String, ByteString>) -> Self {
        let text = |key: &str| {
            let bytes = &data.get(key)?.0;
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        };
        let authorities = text("ca.crt").map_or_else(Vec::new, |bundle| read_bundle(bundle.as_bytes()));
        let serving = text("tls.crt").zip(text("tls.key"));
        Material {
            authorities,
            authority_key: text("ca.key").map(PrivatePem),
            serving: serving
                .filter(|(chain, key)| {
                    ServingKey::default()
                        .replace_pem(chain.as_bytes(), key.as_bytes())
                        .is_ok()
                })
                .map(|(chain, key)| (chain, PrivatePem(key))),
        }
    }

    /// The data of the Secret.
    pub fn write(&self) -> BTreeMap<String, ByteString> {
        let mut data = BTreeMap::from([("ca.crt".to_owned(), ByteString(self.bundle().into_bytes()))]);
        let mut put = |name: &str, text: &str| data.insert(name.to_owned(), ByteString(text.as_bytes().to_vec()));
        if let Some(PrivatePem(key)) = &self.authority_key {
            put("ca.key", key);
        }
        if let Some((chain, PrivatePem(key))) = &self.serving {
            put("tls.crt", chain);
            put("tls.key", key);
        }
        data
    }

    /// What is to be known to decide what to do.
    pub fn facts(&self) -> Facts {
        let authorities: Vec<_> = self
            .authorities
            .iter()
            .filter_map(|der| {
                let (_, certificate) = parse_x509_certificate(der).ok()?;
                Some(Authority {
                    id: id(der),
                    validity: validity(&certificate),
                })
            })
            .collect();
        Facts {
            authorities,
            can_sign: self.signing_key().is_some(),
            serving: self.serving_facts(),
        }
    }

    fn serving_facts(&self) -> Option<Serving> {
        let (chain, _) = self.serving.as_ref()?;
        let der = CertificateDer::from_pem_slice(chain.as_bytes()).ok()?;
        let (_, certificate) = parse_x509_certificate(&der).ok()?;
        let is_issuer = |authority: &&CertificateDer<'_>| {
            let Ok((_, authority)) = parse_x509_certificate(authority) else {
                return false;
            };
            certificate.verify_signature(Some(authority.public_key())).is_ok()
        };
        Some(Serving {
            id: id(&der),
            validity: validity(&certificate),
            issuer: self.authorities.iter().find(is_issuer).map(|authority| id(authority)),
            names: names(&certificate),
        })
    }

    /// The key of the newest authority, when it is that.
    fn signing_key(&self) -> Option<KeyPair> {
        let key = KeyPair::from_pem(&self.authority_key.as_ref()?.0).ok()?;
        let (_, newest) = parse_x509_certificate(self.authorities.first()?).ok()?;
        (newest.public_key().raw == key.subject_public_key_info()).then_some(key)
    }

    /// Chain and key to serve, in PEM.
    pub fn serving(&self) -> Option<(&str, &str)> {
        self.serving
            .as_ref()
            .map(|(chain, key)| (chain.as_str(), key.0.as_str()))
    }

    /// All trusted authorities in PEM: the `caBundle`.
    pub fn bundle(&self) -> String {
        self.authorities.iter().map(|der| pem(der)).collect()
    }

    /// The same without authorities that ended before `now`.
    #[must_use]
    pub fn pruned(mut self, now: SystemTime) -> Self {
        self.authorities.retain(|der| {
            parse_x509_certificate(der).is_ok_and(|(_, certificate)| now < validity(&certificate).not_after)
        });
        self
    }

    /// The same with a new authority in front, which signs from now on. The key of the previous one is forgotten.
    pub fn with_authority(self, now: SystemTime, lifetimes: &Lifetimes) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = ((now - BACKDATE).into(), (now + lifetimes.authority).into());
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // Authorities that are trusted at the same time should be told apart by people, too.
        let name = format!("Wallarm Sidecar webhook authority {seconds}");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = params.self_signed(&key)?;
        let mut material = self.pruned(now);
        let issuer = material.serving_facts().and_then(|serving| serving.issuer);
        // The issuer of what is served stays, however many others there are.
        let mut room = MAX_AUTHORITIES - 2;
        material.authorities.retain(|der| {
            let is_kept = Some(id(der)) == issuer || room > 0;
            room = room.saturating_sub(1);
            is_kept
        });
        material.authorities.insert(0, authority.der().clone());
        material.authority_key = Some(PrivatePem(key.serialize_pem()));
        Ok(material)
    }

    /// The same with a new certificate to serve, by the newest authority, which it does not outlive.
    ///
    /// Errors: there is no authority that can sign, or a name is neither a host name nor an address.
    pub fn with_serving(
        self,
        now: SystemTime,
        names: &BTreeSet<String>,
        lifetimes: &Lifetimes,
    ) -> Result<Self, rcgen::Error> {
        let (Some(signing_key), Some(authority)) = (self.signing_key(), self.authorities.first()) else {
            return Err(rcgen::Error::CouldNotParseCertificate);
        };
        let (_, parsed) = parse_x509_certificate(authority).map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
        let not_after = (now + lifetimes.serving).min(validity(&parsed).not_after);
        let issuer = Issuer::from_ca_cert_der(authority, signing_key)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
        (params.not_before, params.not_after) = ((now - BACKDATE).into(), not_after.into());
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "Wallarm Sidecar webhook");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Material {
            serving: Some((pem(certificate.der()), PrivatePem(key.serialize_pem()))),
            ..self
        })
    }
}

/// Fingerprints of the authorities in a `caBundle`.
pub fn bundle_ids(bundle: &[u8]) -> BTreeSet<Id> {
    read_bundle(bundle).iter().map(|der| id(der)).collect()
}

/// The certificates of a bundle that can be read, each once, at most as many as are ever written.
fn read_bundle(bundle: &[u8]) -> Vec<CertificateDer<'static>> {
    let mut seen = BTreeSet::new();
    CertificateDer::pem_slice_iter(bundle)
        .flatten()
        .filter(|der| parse_x509_certificate(der).is_ok() && seen.insert(id(der)))
        .take(MAX_AUTHORITIES)
        .collect()
}

fn id(der: &[u8]) -> Id {
    Sha256::digest(der).into()
}

fn validity(certificate: &X509Certificate<'_>) -> Validity {
    Validity {
        not_before: time(certificate.validity().not_before),
        not_after: time(certificate.validity().not_after),
    }
}

/// Times before 1970 count as 1970.
fn time(time: ASN1Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.timestamp().try_into().unwrap_or_default())
}

fn names(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return BTreeSet::new();
    };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    };
    names.value.general_names.iter().filter_map(text).collect()
}

/// PEM of one certificate. Source: RFC 7468, section 5.
fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let base64 = BASE64_STANDARD.encode(der);
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = next;
    }
    text + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests;
