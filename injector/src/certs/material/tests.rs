//! Secrets: written, read back, broken.

use std::sync::Arc;

use rustls_pki_types::{ServerName, UnixTime};
use tokio_rustls::rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::ring,
};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn now() -> SystemTime {
    UNIX_EPOCH + 20_000 * DAY
}

fn names() -> BTreeSet<String> {
    ["webhook.wallarm.svc", "127.0.0.1", "::1"].map(str::to_owned).into()
}

fn started() -> Material {
    let lifetimes = Lifetimes::default();
    let material = Material::default().with_authority(now(), &lifetimes).unwrap();
    material.with_serving(now(), &names(), &lifetimes).unwrap()
}

/// What a client with this `caBundle` says.
fn is_accepted(served: &Material, bundle: &str, name: &str, at: SystemTime) -> bool {
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(der.unwrap()).unwrap();
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider())).build();
    let der = CertificateDer::from_pem_slice(served.serving().unwrap().0.as_bytes()).unwrap();
    let at = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap());
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.unwrap().verify_server_cert(&der, &[], &name, &[], at).is_ok()
}

#[test]
fn what_is_made_is_accepted_by_clients() {
    let material = started();
    let bundle = material.bundle();
    for name in names() {
        assert!(is_accepted(&material, &bundle, &name, now()), "{name}");
        // Clocks that are behind.
        assert!(is_accepted(&material, &bundle, &name, now() - DAY / 2), "{name}");
    }
    assert!(!is_accepted(&material, &bundle, "other.wallarm.svc", now()));
    assert!(!is_accepted(
        &material,
        &bundle,
        "webhook.wallarm.svc",
        now() + 91 * DAY
    ));
    assert!(!is_accepted(
        &material,
        &started().bundle(),
        "webhook.wallarm.svc",
        now()
    ));
}

#[test]
fn facts_survive_the_secret() {
    let material = started();
    let facts = material.facts();
    assert!(facts.can_sign);
    assert_eq!(facts.authorities[0].validity.not_after, now() + 730 * DAY);
    let serving = facts.serving.clone().unwrap();
    assert_eq!(serving.issuer, Some(facts.authorities[0].id));
    assert_eq!(serving.names, names());
    assert_eq!(serving.validity.not_after, now() + 90 * DAY);
    assert_eq!(Material::read(&material.write()).facts(), facts);
    assert_eq!(
        bundle_ids(material.bundle().as_bytes()),
        [facts.authorities[0].id].into()
    );
}

#[test]
fn old_and_new_certificates_are_accepted_during_a_rotation() {
    let (old, lifetimes) = (started(), Lifetimes::default());
    let announced = old.clone().with_authority(now() + DAY, &lifetimes).unwrap();
    assert_eq!(announced.serving(), old.serving());
    let facts = announced.facts();
    assert_eq!(facts.serving.unwrap().issuer, Some(facts.authorities[1].id));
    let new = announced
        .clone()
        .with_serving(now() + DAY, &names(), &lifetimes)
        .unwrap();
    for served in [&old, &new] {
        assert!(is_accepted(
            served,
            &new.bundle(),
            "webhook.wallarm.svc",
            now() + 2 * DAY
        ));
    }
    assert_eq!(new.clone().pruned(now() + 730 * DAY).facts().authorities.len(), 1);
}

#[test]
fn a_certificate_does_not_outlive_its_authority() {
    let lifetimes = Lifetimes {
        authority: 10 * DAY,
        ..Lifetimes::default()
    };
    let material = Material::default().with_authority(now(), &lifetimes).unwrap();
    let material = material.with_serving(now(), &names(), &lifetimes).unwrap();
    assert_eq!(material.facts().serving.unwrap().validity.not_after, now() + 10 * DAY);
}

#[test]
fn the_number_of_authorities_is_bounded() {
    let lifetimes = Lifetimes::default();
    let mut material = started();
    for _ in 0..2 * MAX_AUTHORITIES {
        material = material.with_authority(now(), &lifetimes).unwrap();
        let facts = material.facts();
        assert!(facts.authorities.len() <= MAX_AUTHORITIES);
        assert!(facts.can_sign);
        // What is served is still trusted.
        assert!(facts.serving.unwrap().issuer.is_some());
    }
    assert_eq!(material.facts().authorities.len(), MAX_AUTHORITIES);
}

#[test]
fn broken_secrets_are_as_good_as_absent_ones() {
    let (good, other) = (started().write(), started().write());
    let with = |key: &str, value: &[u8]| {
        let mut data = good.clone();
        data.insert(key.to_owned(), ByteString(value.to_vec()));
        Material::read(&data).facts()
    };
    for garbage in [
        &b""[..],
        b"\xff\xfe",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        assert!(!with("ca.key", garbage).can_sign);
        assert_eq!(with("ca.crt", garbage).authorities, []);
        assert_eq!(with("tls.crt", garbage).serving, None);
        assert_eq!(with("tls.key", garbage).serving, None);
    }
    // Keys of others.
    assert!(!with("ca.key", &other["ca.key"].0).can_sign);
    assert_eq!(with("tls.key", &other["tls.key"].0).serving, None);
    // A certificate of another authority.
    assert_eq!(with("ca.crt", &other["ca.crt"].0).serving.unwrap().issuer, None);
    assert_eq!(Material::read(&BTreeMap::new()).facts(), Facts::default());
    // A hostile bundle.
    let many = started().bundle().repeat(1000) + &(0..20).map(|_| started().bundle()).collect::<String>();
    assert_eq!(with("ca.crt", many.as_bytes()).authorities.len(), MAX_AUTHORITIES);
}

#[test]
fn keys_never_show() {
    let material = started();
    let shown = format!("{material:?}");
    assert!(!shown.contains("PRIVATE"), "{shown}");
    assert!(shown.contains("PrivatePem("), "{shown}");
}
