//! Golden files of the documents, and the real Envoy reading them.

mod golden;
mod live;
mod module;
mod process;

use std::net::Ipv4Addr;

use envoy::{Ports, Sidecar};

/// Every deployment that is worth a golden file.
fn scenarios() -> Vec<(&'static str, Sidecar)> {
    let block = waf_policy::FilterConfig {
        mode: waf_policy::Mode::Block,
        application: 7.try_into().unwrap(),
        ..Default::default()
    };
    vec![
        ("default", Sidecar::default()),
        (
            "memory-limit",
            Sidecar {
                shed_near_memory_limit: true,
                filter: block,
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
