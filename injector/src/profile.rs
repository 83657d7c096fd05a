//! TLS profiles: what the operator wrote for NGINX, as certificates of Envoy.
//!
//! Source: Wallarm documentation, "SSL/TLS termination" of the Sidecar.

use std::collections::BTreeMap;

use envoy::{CIPHER_SUITES, TlsServer, TlsVersion};
use serde::Deserialize;
use serde_json::Value;

use crate::snippet::parse_line;

/// `profiles`, by name.
pub type Profiles = BTreeMap<String, Profile>;

/// One profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Profile {
    /// Where the certificates are.
    pub sidecar: ProfileSidecar,
    /// What is done with them.
    pub nginx: ProfileNginx,
}

/// `profiles.NAME.sidecar`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProfileSidecar {
    /// Volumes of the pod, as Kubernetes has them.
    pub volumes: Vec<Value>,
    /// Mounts of `sidecar-proxy`, as Kubernetes has them.
    pub volume_mounts: Vec<Value>,
}

/// `profiles.NAME.nginx`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProfileNginx {
    /// One entry per certificate.
    pub servers: Vec<ProfileServer>,
}

/// `profiles.NAME.nginx.servers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProfileServer {
    /// `ssl` or `ssl http2`.
    pub listen: String,
    /// Directives of NGINX, one per item.
    pub include: Vec<String>,
}

/// Most servers of one profile.
const MAX_SERVERS: usize = 32;

/// The profile of a pod: its certificates.
///
/// Errors: everything that cannot be used, each with what is allowed.
pub(crate) fn servers(
    name: &str,
    profiles: &Profiles,
    warnings: &mut Vec<String>,
) -> Result<Vec<TlsServer>, Vec<String>> {
    let Some(profile) = profiles.get(name) else {
        let known = profiles.keys().map(String::as_str).collect::<Vec<_>>();
        return Err(vec![match known.is_empty() {
            true => format!("profile {name:?} does not exist; the operator has set no config.profiles"),
            false => format!("profile {name:?} does not exist (allowed: {})", known.join(", ")),
        }]);
    };
    let servers = &profile.nginx.servers;
    if servers.is_empty() || servers.len() > MAX_SERVERS {
        return Err(vec![format!(
            "profile {name:?} has {} servers (allowed: 1 to {MAX_SERVERS})",
            servers.len()
        )]);
    }
    let (mut read, mut problems) = (Vec::new(), Vec::new());
    for server in servers {
        match server.read(warnings) {
            Ok(server) => read.push(server),
            Err(found) => problems.extend(found.into_iter().map(|problem| format!("profile {name:?}: {problem}"))),
        }
    }
    let mut names = read.iter().flat_map(|server| &server.names).collect::<Vec<_>>();
    names.sort();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        problems.push(format!("profile {name:?}: server_name {} stands there twice", twice[0]));
    }
    if problems.is_empty() { Ok(read) } else { Err(problems) }
}

// === impl ProfileServer ===

impl ProfileServer {
    fn read(&self, warnings: &mut Vec<String>) -> Result<TlsServer, Vec<String>> {
        let mut problems = Vec::new();
        let http2 = match self.listen.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["ssl"] => false,
            ["ssl", "http2"] => true,
            _ => {
                problems.push(format!(
                    "listen {:?} is not allowed (allowed: ssl, ssl http2)",
                    self.listen
                ));
                false
            }
        };
        let mut server = TlsServer {
            names: Vec::new(),
            certificate: String::new(),
            key: String::new(),
            min_version: TlsVersion::V1_2,
            max_version: TlsVersion::V1_3,
            cipher_suites: Vec::new(),
            http2,
        };
        for line in &self.include {
            let outcome = parse_line(line).and_then(|words| {
                let words = words.iter().map(String::as_str).collect::<Vec<_>>();
                directive(&words, &mut server)
            });
            match outcome {
                Ok(None) => {}
                Ok(Some(why)) => warnings.push(format!("{line:?} of the profile has no effect: {why}")),
                Err(problem) => problems.push(format!("{line:?}: {problem}")),
            }
        }
        for (directive, file) in [
            ("ssl_certificate", &server.certificate),
            ("ssl_certificate_key", &server.key),
        ] {
            if file.is_empty() {
                problems.push(format!("a server has no {directive}"));
            }
        }
        if problems.is_empty() { Ok(server) } else { Err(problems) }
    }
}

/// One directive. A success may say why there is no effect.
fn directive(words: &[&str], server: &mut TlsServer) -> Result<Option<String>, String> {
    let (name, arguments) = words.split_first().ok_or("it is empty")?;
    match (*name, arguments) {
        ("server_name", names) => {
            for name in names.iter().filter(|name| !["", "_"].contains(*name)) {
                let bare = name.strip_prefix("*.").unwrap_or(name);
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                if bare.is_empty() || bare.starts_with('.') || !bare.bytes().all(is_plain) {
                    return Err(format!("{name:?} is not a name such as a.example or *.a.example"));
                }
                server.names.push(name.to_ascii_lowercase());
            }
        }
        ("ssl_certificate", [file]) if is_file(file) => server.certificate = (*file).to_owned(),
        ("ssl_certificate_key", [file]) if is_file(file) => server.key = (*file).to_owned(),
        ("ssl_certificate" | "ssl_certificate_key", _) => return Err("it needs one absolute path".to_owned()),
        ("ssl_protocols", versions) => {
            let versions = versions.iter().map(|version| match *version {
                "TLSv1" => Ok(TlsVersion::V1_0),
                "TLSv1.1" => Ok(TlsVersion::V1_1),
                "TLSv1.2" => Ok(TlsVersion::V1_2),
                "TLSv1.3" => Ok(TlsVersion::V1_3),
                other => Err(format!("{other:?} is not one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3")),
            });
            let versions = versions.collect::<Result<Vec<_>, _>>()?;
            server.min_version = versions.iter().copied().min().ok_or("it names no version")?;
            server.max_version = versions.iter().copied().max().ok_or("it names no version")?;
        }
        ("ssl_ciphers", suites) => {
            let wanted = suites.iter().flat_map(|list| list.split([':', ',', ' ']));
            let (known, other): (Vec<_>, Vec<_>) = wanted
                .map(|name| CIPHER_SUITES.iter().find(|known| **known == name).copied().ok_or(name))
                .partition(Result::is_ok);
            server.cipher_suites = known.into_iter().flatten().collect();
            let other = other.into_iter().filter_map(Result::err).collect::<Vec<_>>();
            if !other.is_empty() {
                return Ok(Some(format!(
                    "Envoy has no cipher suites {}; the others count",
                    other.join(", ")
                )));
            }
        }
        ("ssl_conf_command" | "ssl_prefer_server_ciphers" | "ssl_session_cache" | "ssl_session_timeout", _) => {
            return Ok(Some("Envoy decides it by itself".to_owned()));
        }
        ("ssl_verify_client" | "ssl_client_certificate" | "ssl_trusted_certificate", _) => {
            return Err("certificates of clients are not supported".to_owned());
        }
        _ => {
            return Err(
                "it is not allowed (allowed: server_name, ssl_certificate, ssl_certificate_key, ssl_protocols, \
                        ssl_ciphers)"
                    .to_owned(),
            );
        }
    }
    Ok(None)
}

fn is_file(path: &str) -> bool {
    path.starts_with('/') && !path.ends_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<(Vec<TlsServer>, Vec<String>), Vec<String>> {
        let profiles = BTreeMap::from([("a".to_owned(), serde_norway::from_str(yaml).unwrap())]);
        let mut warnings = Vec::new();
        servers("a", &profiles, &mut warnings).map(|servers| (servers, warnings))
    }

    const FILES: &str = "'ssl_certificate /c/tls.crt', 'ssl_certificate_key /c/tls.key;'";

    #[test]
    fn servers_are_certificates() {
        let (servers, warnings) = read(&format!(
            "nginx: {{servers: [{{listen: ssl http2, include: ['server_name a.example *.B.example', {FILES}, \
             'ssl_protocols TLSv1.2 TLSv1.3', 'ssl_ciphers HIGH:ECDHE-RSA-AES128-GCM-SHA256:!aNULL', \
             'ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256']}}, {{listen: ssl, include: [{FILES}]}}]}}"
        ))
        .unwrap();
        assert_eq!(servers[0].names, ["a.example", "*.b.example"]);
        assert_eq!(servers[0].cipher_suites, ["ECDHE-RSA-AES128-GCM-SHA256"]);
        assert_eq!((servers[0].http2, servers[1].http2), (true, false));
        assert_eq!(servers[1].key, "/c/tls.key");
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }

    #[test]
    fn mistakes_are_named() {
        let problems = read(
            "nginx: {servers: [{listen: http, include: ['ssl_certificate tls.crt', 'server_name ~x', \
             'ssl_protocols SSLv3', 'ssl_verify_client on', 'gzip on']}]}",
        )
        .unwrap_err();
        for word in [
            "listen",
            "absolute path",
            "~x",
            "SSLv3",
            "clients",
            "gzip on",
            "no ssl_certificate_key",
        ] {
            assert!(
                problems.iter().any(|problem| problem.contains(word)),
                "{word}: {problems:?}"
            );
        }
        assert!(read("{}").unwrap_err()[0].contains("0 servers"));
        let twice = format!("{{listen: ssl, include: ['server_name a.example', {FILES}]}}");
        assert!(read(&format!("nginx: {{servers: [{twice}, {twice}]}}")).is_err());
        let none = servers("b", &Profiles::new(), &mut Vec::new()).unwrap_err();
        assert!(none[0].contains("no config.profiles"), "{none:?}");
    }
}
