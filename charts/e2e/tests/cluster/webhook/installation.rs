//! The chart, installed by Helm, with replicas of the injector that have exactly the chart's arguments and permissions.

use std::{fs, time::Duration};

use anyhow::{Context, ensure};
use e2e::{
    cluster::{Cluster, Helm, chart_folder, write_account},
    poll,
};
use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration,
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tempfile::TempDir;

use super::{balancer::Balancer, pod, replica::Replica};

/// Arguments of the chart that do not fit a process on loopback.
const REPLACED: [&str; 5] = ["--listen", "--status-listen", "--config", "--log-format", "--tls-names"];

/// An installed webhook and its replicas.
pub(super) struct Installation {
    client: Client,
    helm: Helm,
    /// Name of the release, of the webhook configuration, and beginning of other names.
    name: String,
    namespace: String,
    application_namespace: String,
    arguments: Vec<String>,
    balancer: Balancer,
    replicas: Vec<Option<Replica>>,
    folder: TempDir,
}

impl Installation {
    /// Installs the chart into a namespace of its own. Its webhook is asked about pods of another new namespace only.
    pub(super) async fn new(cluster: &Cluster, arguments: &[&str]) -> anyhow::Result<Installation> {
        let client = cluster.client();
        let namespace = cluster.namespace("webhook").await?;
        let name = namespace.clone();
        let application_namespace = cluster.namespace_with("app", &[("webhook", &name)]).await?;
        let helm = cluster.helm()?;
        let chart = chart_folder().display().to_string();
        let selector = json!({"matchLabels": {"webhook": name}});
        helm.run(&[
            "install",
            &name,
            &chart,
            "--namespace",
            &namespace,
            "--set",
            &format!("fullnameOverride={name},controller.replicaCount=0"),
            "--set",
            "postanalytics.external.enabled=true,postanalytics.external.host=localhost",
            "--set-json",
            &format!("controller.admissionWebhook.namespaceSelector={selector}"),
        ])?;

        let balancer = Balancer::start().await?;
        let url = format!("https://{}/inject", balancer.address());
        let to_loopback = json!({"webhooks": [{
            "name": "injector.sidecar.wallarm.io",
            "clientConfig": {"service": null, "url": url},
        }]});
        Api::<MutatingWebhookConfiguration>::all(client.clone())
            .patch(&name, &PatchParams::default(), &Patch::Strategic(to_loopback))
            .await?;

        let folder = tempfile::tempdir()?;
        let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
        let map = maps.get(&format!("{name}-controller")).await?;
        let settings = map.data.and_then(|mut data| data.remove("config.yaml"));
        fs::write(folder.path().join("config.yaml"), settings.context("no settings")?)?;
        let kubeconfig = folder.path().join("kubeconfig");
        write_account(cluster, &namespace, &format!("{name}-controller"), &kubeconfig).await?;

        let deployments = Api::<Deployment>::namespaced(client.clone(), &namespace);
        let deployment = serde_json::to_value(deployments.get(&format!("{name}-controller")).await?)?;
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let written: Vec<String> = serde_json::from_value(container["args"].clone())?;
        let is_kept = |argument: &String| !REPLACED.contains(&argument.split('=').next().unwrap_or_default());
        let kept = written.into_iter().filter(is_kept);
        let own = [
            "--tls-names=127.0.0.1".to_owned(),
            format!("--config={}", folder.path().join("config.yaml").display()),
        ];
        let arguments = kept
            .chain(own)
            .chain(arguments.iter().map(|argument| (*argument).to_owned()))
            .collect();
        Ok(Installation {
            client,
            helm,
            name,
            namespace,
            application_namespace,
            arguments,
            balancer,
            replicas: Vec::new(),
            folder,
        })
    }

    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn application_namespace(&self) -> &str {
        &self.application_namespace
    }

    /// Starts one more replica and waits until it is ready. Returns its number.
    pub(super) async fn start_replica(&mut self) -> anyhow::Result<usize> {
        let number = self.replicas.len();
        let kubeconfig = self.folder.path().join("kubeconfig").display().to_string();
        let replica = Replica::start(
            &format!("{}-{number}", self.name),
            &self.arguments,
            &[("KUBECONFIG", &kubeconfig), ("POD_NAMESPACE", &self.namespace)],
            self.folder.path(),
        )
        .await?;
        let status = replica.endpoint.status;
        poll::until("a ready replica", async || {
            let ready = super::balancer::get(status, "/readyz").await;
            Ok(ready.is_ok_and(|(status, _)| status == 200).then_some(()))
        })
        .await
        .with_context(|| replica.log())?;
        self.balancer.add(replica.endpoint);
        self.replicas.push(Some(replica));
        Ok(number)
    }

    /// Stops a replica as a kubelet does.
    pub(super) async fn stop_replica(&mut self, number: usize) -> anyhow::Result<()> {
        let mut replica = self.replicas[number].take().context("not running")?;
        let status = replica.stop().await?;
        self.balancer.remove(replica.endpoint);
        ensure!(status.success(), "{status}: {}", replica.log());
        Ok(())
    }

    /// Ends a replica without a word.
    pub(super) fn kill_replica(&mut self, number: usize) {
        if let Some(replica) = self.replicas[number].take() {
            self.balancer.remove(replica.endpoint);
        }
    }

    pub(super) async fn metric(&self, number: usize, name: &str) -> anyhow::Result<u64> {
        self.replicas[number]
            .as_ref()
            .context("not running")?
            .metric(name, "")
            .await
    }

    /// A metric summed over all running replicas.
    pub(super) async fn sum_of(&self, name: &str) -> anyhow::Result<u64> {
        self.sum_with(name, "").await
    }

    /// How often running replicas have taken a step, as leaders.
    pub(super) async fn n_steps(&self, step: &str) -> anyhow::Result<u64> {
        let label = format!("step=\"{step}\"");
        self.sum_with("wallarm_injector_certificate_steps_total", &label).await
    }

    async fn sum_with(&self, name: &str, label: &str) -> anyhow::Result<u64> {
        let mut sum = 0;
        for replica in self.replicas.iter().flatten() {
            sum += replica.metric(name, label).await?;
        }
        Ok(sum)
    }

    /// Waits until the leaders have taken a step so often.
    pub(super) async fn wait_for_step(&self, step: &str, times: u64, deadline: Duration) -> anyhow::Result<()> {
        poll::until_within(deadline, &format!("{times} times {step}"), async || {
            Ok((self.n_steps(step).await? >= times).then_some(()))
        })
        .await
        .with_context(|| self.logs())
    }

    /// The `caBundle`, PEM, newest authority first.
    pub(super) async fn authorities(&self) -> anyhow::Result<String> {
        let webhooks = Api::<MutatingWebhookConfiguration>::all(self.client());
        let webhook = webhooks.get(&self.name).await?;
        let bundles = webhook.webhooks.into_iter().flatten();
        let mut bundles = bundles.filter_map(|webhook| webhook.client_config.ca_bundle);
        Ok(bundles
            .next()
            .map_or_else(String::new, |bundle| String::from_utf8_lossy(&bundle.0).into_owned()))
    }

    /// Creates a pod, as a dry run, and fails when it comes back without its sidecar.
    pub(super) async fn admit(client: Client, namespace: &str) -> anyhow::Result<()> {
        let pods = Api::<Pod>::namespaced(client, namespace);
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let pod = pods
            .create(&params, &serde_json::from_value(pod("app", json!({})))?)
            .await?;
        let pod = serde_json::to_value(pod)?;
        let has_sidecar = ["initContainers", "containers"].iter().any(|key| {
            let containers = pod["spec"][key].as_array().into_iter().flatten();
            containers
                .into_iter()
                .any(|container| container["name"] == "sidecar-proxy")
        });
        ensure!(has_sidecar, "no sidecar: {}", pod["spec"]);
        Ok(())
    }

    /// Waits until a pod gets its sidecar: API servers learn of a changed webhook configuration after a moment.
    pub(super) async fn wait_until_injecting(&self) -> anyhow::Result<()> {
        let mut last = None;
        let result = poll::until("an injected pod", async || {
            match Self::admit(self.client(), &self.application_namespace).await {
                Ok(()) => Ok(Some(())),
                Err(error) => {
                    last = Some(error);
                    Ok(None)
                }
            }
        })
        .await;
        result.with_context(|| format!("{last:?}\n{}", self.logs()))
    }

    /// What all running replicas have said.
    pub(super) fn logs(&self) -> String {
        let logs = self.replicas.iter().flatten().map(Replica::log);
        logs.collect::<Vec<_>>().join("\n\n")
    }

    /// Removes everything.
    pub(super) async fn end(self, cluster: &Cluster) -> anyhow::Result<()> {
        self.helm
            .run(&["uninstall", &self.name, "--namespace", &self.namespace])?;
        cluster.delete_namespace(&self.application_namespace).await?;
        cluster.delete_namespace(&self.namespace).await
    }
}
