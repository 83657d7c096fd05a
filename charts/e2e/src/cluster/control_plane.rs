//! Starts etcd, kube-apiserver and kube-controller-manager.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::KeyPair;
use serde_json::json;
use tempfile::TempDir;

use super::{
    certificates::{Authority, Certificate},
    connect,
    programs::Program,
};
use crate::poll;

/// Ready after 4 s on an idle machine with two cores.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// Addresses of Services; nothing routes them. Source: RFC 2544, addresses for tests.
const SERVICE_RANGE: &str = "198.18.0.0/24";

/// A running control plane. Everything of it is in one temporary folder.
#[derive(Debug)]
pub(super) struct ControlPlane {
    // In the order in which they are stopped.
    controller_manager: Program,
    api_server: Program,
    etcd: Program,
    folder: TempDir,
}

impl ControlPlane {
    /// Starts everything and waits until the API server is ready.
    pub(super) async fn start() -> anyhow::Result<ControlPlane> {
        let folder = tempfile::Builder::new().prefix("waf-cluster-").tempdir()?;
        let path = folder.path();
        let authority = Authority::new("cluster")?;
        fs::write(path.join("ca.crt"), authority.pem())?;
        authority
            .server(&["127.0.0.1", "localhost", "kubernetes.default.svc"])?
            .write(path, "server")?;
        let accounts = KeyPair::generate()?;
        fs::write(path.join("accounts.key"), accounts.serialize_pem())?;
        fs::write(path.join("accounts.pub"), accounts.public_key_pem())?;

        let port = free_port()?;
        let admin = authority.client("admin", "system:masters")?;
        write_kubeconfig(&path.join("kubeconfig"), port, authority.pem(), &admin)?;
        let mut control_plane = ControlPlane {
            etcd: start_etcd(path)?,
            api_server: start_api_server(path, port)?,
            controller_manager: start_controller_manager(path)?,
            folder,
        };
        control_plane.wait_until_ready().await?;
        Ok(control_plane)
    }

    /// Credentials of an administrator.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The last that each program has said.
    pub(super) fn log(&self) -> String {
        [&self.etcd, &self.api_server, &self.controller_manager]
            .map(Program::log_tail)
            .join("\n")
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let client = connect(&self.kubeconfig()).await?;
        let result = poll::until_within(START_DEADLINE, "the API server", async || {
            for program in [&mut self.etcd, &mut self.api_server, &mut self.controller_manager] {
                program.check_alive()?;
            }
            let request = http::Request::get("/readyz").body(Vec::new())?;
            Ok(client.request_text(request).await.ok())
        })
        .await;
        result.map(drop).with_context(|| self.log())
    }
}

fn start_etcd(folder: &Path) -> anyhow::Result<Program> {
    let client_url = etcd_url(folder);
    let peer_url = format!("unix://{}", folder.join("peer.sock").display());
    let arguments = [
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={client_url}"),
        format!("--advertise-client-urls={client_url}"),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--initial-cluster=default={peer_url}"),
        // The data is thrown away anyway.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    Program::start("etcd", arguments, folder)
}

/// A socket rather than a port: nobody else can take it.
fn etcd_url(folder: &Path) -> String {
    format!("unix://{}", folder.join("etcd.sock").display())
}

fn start_api_server(folder: &Path, port: u16) -> anyhow::Result<Program> {
    let file = |name: &str| folder.join(name).display().to_string();
    let arguments = [
        format!("--etcd-servers={}", etcd_url(folder)),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", file("server.crt")),
        format!("--tls-private-key-file={}", file("server.key")),
        format!("--client-ca-file={}", file("ca.crt")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file("accounts.pub")),
        format!("--service-account-signing-key-file={}", file("accounts.key")),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        // A loopback address is otherwise refused as the address of the Service `kubernetes`.
        "--endpoint-reconciler-type=none".to_owned(),
        // Tests run on one busy machine; fairness between clients is not what they are about.
        "--enable-priority-and-fairness=false".to_owned(),
    ];
    Program::start("kube-apiserver", arguments, folder)
}

fn start_controller_manager(folder: &Path) -> anyhow::Result<Program> {
    let file = |name: &str| folder.join(name).display().to_string();
    let arguments = [
        format!("--kubeconfig={}", file("kubeconfig")),
        format!("--root-ca-file={}", file("ca.crt")),
        format!("--service-account-private-key-file={}", file("accounts.key")),
        "--use-service-account-credentials=true".to_owned(),
        "--leader-elect=false".to_owned(),
        // Nobody asks it anything.
        "--secure-port=0".to_owned(),
        // It starts before the API server answers, and waits for it.
        "--kube-api-qps=200".to_owned(),
        "--kube-api-burst=400".to_owned(),
    ];
    Program::start("kube-controller-manager", arguments, folder)
}

fn write_kubeconfig(path: &Path, port: u16, authority: &str, admin: &Certificate) -> anyhow::Result<()> {
    // JSON is YAML.
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority-data": STANDARD.encode(authority),
        }}],
        "users": [{"name": "admin", "user": {
            "client-certificate-data": STANDARD.encode(&admin.certificate),
            "client-key-data": STANDARD.encode(&admin.key),
        }}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    });
    fs::write(path, config.to_string()).context("writing the kubeconfig")
}

/// A port of loopback that nobody uses at this moment.
pub(super) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
