//! What the documents promise, asked of a running Envoy.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::mpsc,
    thread,
};

use envoy::Sidecar;
use waf_policy::FilterConfig;

use crate::{
    module::CONFIG_LIMIT_BYTES,
    process::{Deployment, free_ports, is_private},
};

/// An application that answers 200 to everything and passes on what it was asked. It ends with the test.
fn application() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, received) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let requests = requests.clone();
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                    head.push(byte[0]);
                }
                // The test may have ended meanwhile.
                let _ = requests.send(String::from_utf8_lossy(&head).into_owned());
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi");
            });
        }
    });
    (address, received)
}

fn sidecar(app: SocketAddr) -> Sidecar {
    Sidecar {
        ports: free_ports(),
        app,
        ..Sidecar::default()
    }
}

fn refused_config() -> FilterConfig {
    FilterConfig {
        node: "n".repeat(CONFIG_LIMIT_BYTES),
        ..FilterConfig::default()
    }
}

#[test]
fn healthy_sidecar() {
    let (app, requests) = application();
    let envoy = Deployment::new(sidecar(app)).start();
    let ports = envoy.deployment.sidecar.ports;

    for path in envoy::HEALTH_PATHS {
        let answer = envoy.get(ports.status, path, "");
        assert_eq!((answer.status, answer.body.as_str()), (200, "OK\n"), "{}", envoy.log());
    }
    for path in ["/stats", "/", "/healthz/", "/healthz?x=../../etc/passwd"] {
        assert_eq!(envoy.get(ports.status, path, "").status, 404, "{path}");
    }

    // The path arrives as the client wrote it, and headers that would steer the router do not arrive at all.
    let path = "/a/../b//c%2f..;/?q=../x";
    let steering = "x-envoy-retry-on: 5xx\r\nx-envoy-upstream-alt-stat-name: made_up\r\nx-kept: yes\r\n";
    assert_eq!(envoy.get(ports.ingress, path, steering).status, 200, "{}", envoy.log());
    let request = requests.recv().unwrap();
    assert!(request.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{request}");
    assert!(request.contains("x-kept: yes"), "{request}");
    assert!(!request.contains("x-envoy-"), "{request}");
    assert!(!envoy.admin("/stats").body.contains("made_up"));

    // Metrics are the only page of the admin interface that the network sees.
    let metrics = envoy.get(ports.metrics, envoy::METRICS_PATH, "");
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.contains("envoy_server_live"), "{}", metrics.body);
    for path in [
        "/",
        "/stats",
        "/config_dump",
        "/quitquitquit",
        "/wallarm-metrics/../config_dump",
    ] {
        assert_eq!(envoy.get(ports.metrics, path, "").status, 404, "{path}");
    }
    assert!(is_private(Path::new(&envoy.deployment.sidecar.paths.admin_socket())));
}

#[test]
fn status_listener_costs_no_further_vm() {
    let (app, _requests) = application();
    let both = Deployment::new(sidecar(app));
    let mut ingress_only = Deployment::new(sidecar(app));
    ingress_only.edit_bootstrap(|text| {
        let mut bootstrap: serde_json::Value = serde_json::from_str(&text).unwrap();
        let status = &mut bootstrap["static_resources"]["listeners"][1]["filter_chains"][0]["filters"][0];
        let removed = status["typed_config"]["http_filters"].as_array_mut().unwrap().remove(0);
        assert_eq!(removed["name"], "wallarm");
        bootstrap.to_string()
    });
    let n_vms = [both, ingress_only].map(|deployment| deployment.start().stat("wasm.wasm_vm_count").unwrap());
    assert_eq!(n_vms[0], n_vms[1]);
}

#[test]
fn client_address_follows_trusted_proxies_only() {
    let (app, _requests) = application();
    let mut logged = Vec::new();
    for trusted in [vec!["127.0.0.0/8".parse().unwrap()], vec![]] {
        let sidecar = Sidecar {
            trusted_proxies: trusted,
            ..sidecar(app)
        };
        let envoy = Deployment::new(sidecar).start();
        let ingress = envoy.deployment.sidecar.ports.ingress;
        envoy.get(ingress, "/", "x-forwarded-for: 198.51.100.1, 203.0.113.7\r\n");
        let mut ip = None;
        // Envoy flushes its access log within a second, or when asked.
        envoy.wait_for("access log", |envoy| {
            let log = envoy.log();
            let line = log
                .lines()
                .find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            ip = line.map(|line| line["ip"].as_str().unwrap().to_owned());
            ip.is_some()
        });
        logged.push(ip.unwrap());
    }
    assert_eq!(logged, ["203.0.113.7", "127.0.0.1"]);
}

#[test]
fn refused_configuration_is_not_healthy_until_it_is_mended() {
    let (app, _requests) = application();
    let mut sidecar = sidecar(app);
    sidecar.filter = refused_config();
    let mut envoy = Deployment::new(sidecar).start();
    let ports = envoy.deployment.sidecar.ports;
    assert_eq!(envoy.get(ports.status, "/healthz", "").status, 500);
    assert_eq!(envoy.get(ports.ingress, "/", "").status, 500);

    envoy.deployment.sidecar.filter = FilterConfig::default();
    envoy.deployment.write_filter();
    envoy.wait_for("recovery", |envoy| {
        envoy.get(ports.status, "/healthz", "").status == 200
    });
    assert_eq!(envoy.get(ports.ingress, "/", "").status, 200);
}

#[test]
fn refused_update_leaves_the_last_good_configuration_in_force() {
    let (app, _requests) = application();
    let mut envoy = Deployment::new(sidecar(app)).start();
    let ports = envoy.deployment.sidecar.ports;
    let rejected = "extension_config_discovery.http_filter.wallarm.config_fail";
    let before = envoy.stat(rejected).unwrap();
    envoy.deployment.sidecar.filter = refused_config();
    envoy.deployment.write_filter();
    envoy.wait_for("rejection", |envoy| envoy.stat(rejected).unwrap() > before);
    assert_eq!(envoy.get(ports.status, "/healthz", "").status, 200);
    assert_eq!(envoy.get(ports.ingress, "/", "").status, 200);
}

#[test]
fn restart_after_a_crash_finds_its_leftovers() {
    let (app, _requests) = application();
    let envoy = Deployment::new(sidecar(app)).start().crash_and_restart();
    let ports = envoy.deployment.sidecar.ports;
    assert_eq!(envoy.get(ports.status, "/healthz", "").status, 200);
    // The socket of the first life was still there.
    assert_eq!(envoy.get(ports.metrics, envoy::METRICS_PATH, "").status, 200);
}

#[test]
fn missing_module_is_not_healthy() {
    let (app, _requests) = application();
    let deployment = Deployment::new(sidecar(app));
    std::fs::remove_file(&deployment.sidecar.paths.module).unwrap();
    let envoy = deployment.start();
    let ports = envoy.deployment.sidecar.ports;
    assert_eq!(envoy.get(ports.status, "/healthz", "").status, 500);
    assert_eq!(envoy.get(ports.ingress, "/", "").status, 500);
}
