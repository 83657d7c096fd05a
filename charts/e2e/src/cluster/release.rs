//! The chart installed by Helm, and its webhook as a process on this machine.
//!
//! No kubelet runs the Deployment that Helm made, so the process is started with the arguments, the settings and the
//! service account of that Deployment, read back from the API server. Only addresses and paths differ, and they are all
//! in [`arguments`].

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration,
    apps::v1::Deployment,
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{ConfigMap, Pod, Secret, ServiceAccount},
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Authority, Cluster, chart_folder, control_plane::free_port, programs::Program};
use crate::{client::http1::Connection, module::injector_binary, poll};

/// Label of the namespaces that a release's webhook is asked about; its value is the namespace of the release.
const SCOPE: &str = "wallarm-test";

/// Name of every release, which stands alone in its namespace. Objects without a namespace get another name.
const NAME: &str = "wallarm-sidecar";

/// An installed chart with a running webhook. The process ends when it is dropped.
pub struct Release {
    namespace: String,
    fullname: String,
    folder: TempDir,
    address: SocketAddr,
    // Ends when it is dropped.
    webhook: Program,
}

impl Release {
    /// Installs the chart with values of the test's own and waits until labelled pods get a sidecar.
    pub async fn install(cluster: &Cluster, values: Value) -> anyhow::Result<Release> {
        let namespace = cluster
            .namespace_with("release", &[("pod-security.kubernetes.io/enforce", "restricted")])
            .await?;
        let folder = tempfile::Builder::new().prefix("waf-release-").tempdir()?;
        let fullname = format!("w-{namespace}");
        let mut all = base_values(&namespace, &fullname);
        merge(&mut all, values);
        let file = folder.path().join("values.json");
        fs::write(&file, all.to_string())?;
        cluster.helm()?.run(&[
            "install",
            NAME,
            &chart_folder().display().to_string(),
            "--namespace",
            &namespace,
            "--values",
            &file.display().to_string(),
        ])?;
        Release::adopt(cluster, namespace, fullname).await
    }

    /// Runs the webhook of a chart that somebody else has installed, and waits until labelled pods get a sidecar.
    pub async fn adopt(cluster: &Cluster, namespace: String, fullname: String) -> anyhow::Result<Release> {
        let folder = tempfile::Builder::new().prefix("waf-release-").tempdir()?;
        let (webhook, address) = start_webhook(cluster, &namespace, &fullname, folder.path()).await?;
        let mut release = Release {
            namespace,
            fullname,
            folder,
            address,
            webhook,
        };
        release.point_api_server_to_webhook(cluster).await?;
        release.wait_until_injecting(cluster).await?;
        Ok(release)
    }

    /// Namespace of the release.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Beginning of the names of its objects.
    pub fn fullname(&self) -> &str {
        &self.fullname
    }

    /// Makes a namespace for applications whose pods this release's webhook is asked about.
    pub async fn application_namespace(&self, cluster: &Cluster) -> anyhow::Result<String> {
        cluster.namespace_with("app", &[(SCOPE, &self.namespace)]).await
    }

    /// Changes values as `helm upgrade` does. The webhook process keeps its settings.
    pub async fn upgrade(&self, cluster: &Cluster, values: &Value) -> anyhow::Result<()> {
        // Helm finds the Service again that it put there.
        let service =
            json!({"name": format!("{}-controller", self.fullname), "namespace": self.namespace, "path": "/inject"});
        self.change_client(cluster, "url", "service", service).await?;
        let file = self.folder.path().join("upgrade.json");
        fs::write(&file, values.to_string())?;
        let (chart, file) = (chart_folder().display().to_string(), file.display().to_string());
        let fixed = ["upgrade", NAME, &chart, "--namespace", &self.namespace];
        cluster
            .helm()?
            .run(&[&fixed[..], &["--reuse-values", "--values", &file]].concat())?;
        self.point_api_server_to_webhook(cluster).await
    }

    /// Removes the release and its namespace.
    pub async fn uninstall(self, cluster: &Cluster) -> anyhow::Result<()> {
        cluster
            .helm()?
            .run(&["uninstall", NAME, "--namespace", &self.namespace])?;
        cluster.delete_namespace(&self.namespace).await
    }

    /// The last that the webhook has said.
    pub fn log(&self) -> String {
        self.webhook.log_tail()
    }

    /// Puts an address in the place of the Service, which nothing routes here.
    async fn point_api_server_to_webhook(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let url = format!("https://{}/inject", self.address);
        self.change_client(cluster, "service", "url", url.into()).await
    }

    async fn change_client(&self, cluster: &Cluster, from: &str, to: &str, value: Value) -> anyhow::Result<()> {
        let patch: json_patch::Patch = serde_json::from_value(json!([
            {"op": "remove", "path": format!("/webhooks/0/clientConfig/{from}")},
            {"op": "add", "path": format!("/webhooks/0/clientConfig/{to}"), "value": value},
        ]))?;
        Api::<MutatingWebhookConfiguration>::all(cluster.client())
            .patch(&self.fullname, &PatchParams::default(), &Patch::<()>::Json(patch))
            .await
            .with_context(|| format!("replacing {from} of the webhook by {to}"))?;
        Ok(())
    }

    async fn wait_until_injecting(&mut self, cluster: &Cluster) -> anyhow::Result<()> {
        let namespace = self.application_namespace(cluster).await?;
        let pods = Api::<Pod>::namespaced(cluster.client(), &namespace);
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "probe", "labels": {"wallarm-sidecar": "enabled"}},
            "spec": {"containers": [{"name": "app", "image": "app:1", "ports": [{"containerPort": 8080}]}]},
        }))?;
        let result = poll::until("the API server to ask the webhook", async || {
            self.webhook.check_alive()?;
            // Refused while the API server knows the webhook and the webhook is not ready yet.
            let Ok(stored) = pods.create(&dry_run, &pod).await else {
                return Ok(None);
            };
            let annotations = stored.metadata.annotations.unwrap_or_default();
            Ok(annotations.keys().any(|key| key.ends_with("/status")).then_some(()))
        })
        .await;
        result.with_context(|| self.log())?;
        cluster.delete_namespace(&namespace).await
    }
}

/// Values that keep releases apart.
fn base_values(namespace: &str, fullname: &str) -> Value {
    json!({
        "fullnameOverride": fullname,
        "controller": {"admissionWebhook": {
            "namespaceSelector": {"matchLabels": {SCOPE: namespace}},
            // A machine that runs all tests at once is slow at times.
            "timeoutSeconds": 30,
        }},
    })
}

/// Values of a supplied certificate, for the address that the API server will be given.
pub fn supplied_certificate() -> anyhow::Result<Value> {
    let authority = Authority::new("webhook")?;
    let certificate = authority.server(&["127.0.0.1"])?;
    Ok(json!({"controller": {"admissionWebhook": {"secret": {
        "enabled": true,
        "ca": STANDARD.encode(authority.pem()),
        "crt": STANDARD.encode(&certificate.certificate),
        "key": STANDARD.encode(&certificate.key),
    }}}}))
}

/// Runs the injector as the stored Deployment says.
async fn start_webhook(
    cluster: &Cluster,
    namespace: &str,
    fullname: &str,
    folder: &Path,
) -> anyhow::Result<(Program, SocketAddr)> {
    let name = format!("{fullname}-controller");
    let deployment = Api::<Deployment>::namespaced(cluster.client(), namespace)
        .get(&name)
        .await?;
    let spec = deployment.spec.and_then(|spec| spec.template.spec).context("no pod")?;
    let container = spec.containers.first().context("no container")?;
    let config = Api::<ConfigMap>::namespaced(cluster.client(), namespace)
        .get(&name)
        .await?;
    fs::create_dir_all(folder.join("settings"))?;
    for (file, text) in config.data.unwrap_or_default() {
        fs::write(folder.join("settings").join(file), text)?;
    }
    for volume in spec.volumes.iter().flatten().filter(|volume| volume.name == "tls") {
        let secret = volume.secret.as_ref().and_then(|source| source.secret_name.as_deref());
        let secrets = Api::<Secret>::namespaced(cluster.client(), namespace);
        let secret = secrets.get(secret.context("no Secret for the certificate")?).await?;
        for (file, contents) in secret.data.unwrap_or_default() {
            fs::write(folder.join(file), contents.0)?;
        }
    }
    let account = spec.service_account_name.as_deref().unwrap_or("default");
    let kubeconfig = folder.join("kubeconfig");
    write_account(cluster, namespace, account, &kubeconfig).await?;

    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let status = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let arguments = arguments(container.args.as_deref().unwrap_or_default(), address, status, folder);
    let environment = [
        ("KUBECONFIG", kubeconfig.display().to_string()),
        ("POD_NAMESPACE", namespace.to_owned()),
        ("POD_NAME", name),
    ];
    let mut webhook = Program::start_at("injector", &injector_binary()?, &arguments, &environment, folder)?;
    wait_for_ok(status, "/readyz", || webhook.check_alive())
        .await
        .with_context(|| webhook.log_tail())?;
    Ok((webhook, address))
}

/// The arguments of the Deployment, with addresses and paths of this machine.
fn arguments(stored: &[String], address: SocketAddr, status: SocketAddr, folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let change = |argument: &String| {
        let (flag, value) = argument.split_once('=').unwrap_or((argument, ""));
        match flag {
            "--listen" => format!("{flag}={address}"),
            "--status-listen" => format!("{flag}={status}"),
            "--tls-names" => format!("{flag}={value},{}", address.ip()),
            _ => argument
                .replace("/etc/controller/tls/", &format!("{folder}/"))
                .replace("/etc/controller/", &format!("{folder}/")),
        }
    };
    stored.iter().map(change).collect()
}

/// Writes credentials of a service account: the process may do what its Role allows, and no more.
pub async fn write_account(cluster: &Cluster, namespace: &str, account: &str, path: &Path) -> anyhow::Result<()> {
    let accounts = Api::<ServiceAccount>::namespaced(cluster.client(), namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(3600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await
        .with_context(|| format!("asking for a token of {account}"))?;
    let token = answer.status.context("no token")?.token;
    let admin = fs::read_to_string(cluster.kubeconfig())?;
    let mut config: Value = serde_norway::from_str(&admin)?;
    ensure!(config["users"][0]["user"].is_object(), "no user in the kubeconfig");
    config["users"][0]["user"] = json!({"token": token});
    fs::write(path, config.to_string()).context("writing the kubeconfig of the webhook")
}

/// Adds the keys of `more` on every level.
fn merge(values: &mut Value, more: Value) {
    match (values, more) {
        (Value::Object(values), Value::Object(more)) => {
            for (key, value) in more {
                merge(values.entry(key).or_insert(Value::Null), value);
            }
        }
        (values, more) => *values = more,
    }
}

/// Waits until a listener answers a path with 200.
pub(super) async fn wait_for_ok(
    address: SocketAddr,
    path: &str,
    mut check: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    poll::until(&format!("200 on {address}{path}"), async || {
        check()?;
        let Ok(mut connection) = Connection::open(address).await else {
            return Ok(None);
        };
        let answer = connection.get(path).await;
        Ok(answer.is_ok_and(|answer| answer.status == 200).then_some(()))
    })
    .await
}
