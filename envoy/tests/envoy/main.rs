//! Golden files of the documents, and the real Envoy reading them.

mod golden;
mod live;
mod module;
mod process;

use std::net::Ipv4Addr;

use envoy::{Compression, Ingress, Location, PathMatch, Ports, Sidecar, TlsServer, TlsVersion};

/// Every deployment that is worth a golden file.
fn scenarios() -> Vec<(&'static str, Sidecar)> {
    let block = waf_policy::FilterConfig {
        mode: waf_policy::Mode::Block,
        application: 7.try_into().unwrap(),
        ..Default::default()
    };
    let certificate = |names: &[&str], http2| TlsServer {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        certificate: "/certs/a/tls.crt".to_owned(),
        key: "/certs/a/tls.key".to_owned(),
        min_version: TlsVersion::V1_2,
        max_version: TlsVersion::V1_3,
        cipher_suites: Vec::new(),
        http2,
    };
    let location = |path| Location {
        path,
        filter: block.clone(),
    };
    let fragment = r#"{"timeout":"15s","request_headers_to_add":[{"header":{"key":"x-ip","value":"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}]}"#;
    vec![
        (
            "several-ports",
            Sidecar {
                more_ingresses: vec![Ingress {
                    port: 26002,
                    app: "127.0.0.1:8081".parse().unwrap(),
                }],
                health_path: "/alive".to_owned(),
                metrics_path: "/metrics".to_owned(),
                ..Sidecar::default()
            },
        ),
        (
            "tls",
            Sidecar {
                tls: vec![
                    TlsServer {
                        cipher_suites: envoy::CIPHER_SUITES.into(),
                        ..certificate(&["a.example", "*.a.example"], true)
                    },
                    TlsServer {
                        min_version: TlsVersion::V1_0,
                        max_version: TlsVersion::V1_1,
                        ..certificate(&["b.example"], false)
                    },
                ],
                ..Sidecar::default()
            },
        ),
        (
            "locations",
            Sidecar {
                locations: vec![
                    location(PathMatch::Exact("/a".to_owned())),
                    location(PathMatch::Regex(r"^/b/[0-9]+".to_owned())),
                    location(PathMatch::Prefix("/c".to_owned())),
                ],
                ..Sidecar::default()
            },
        ),
        (
            "fragments",
            Sidecar {
                compressions: vec![Compression::Brotli, Compression::Gzip],
                http: serde_json::from_str(
                    r#"{"idle_timeout":"60s","max_request_headers_kb":96,"max_concurrent_streams":7}"#,
                )
                .unwrap(),
                virtual_host: serde_json::from_str(r#"{"response_headers_to_remove":["server"]}"#).unwrap(),
                route: serde_json::from_str(fragment).unwrap(),
                ..Sidecar::default()
            },
        ),
        ("default", Sidecar::default()),
        (
            "memory-limit",
            Sidecar {
                shed_near_memory_limit: true,
                filter: block.clone(),
                ..Sidecar::default()
            },
        ),
        (
            "ipv4-only",
            Sidecar {
                listen_address: Ipv4Addr::UNSPECIFIED.into(),
                ports: Ports {
                    ingress: 1,
                    status: 2,
                    metrics: 3,
                },
                app: "[::1]:8080".parse().unwrap(),
                trusted_proxies: Vec::new(),
                ..Sidecar::default()
            },
        ),
    ]
}
