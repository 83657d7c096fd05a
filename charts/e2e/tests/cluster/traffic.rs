//! The sidecar of a stored pod, run on this machine and attacked.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use e2e::{
    app::App,
    cluster::{Cluster, Place, Release, RunningPod},
    collector::Collector,
    poll,
    postanalytics::Postanalytics,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new("traffic::i2_attacks_are_blocked_by_annotation", blocked_by_annotation),
        Scenario::new("traffic::mode_follows_the_annotation_without_a_restart", mode_follows),
        Scenario::new("traffic::d1_attacks_are_recorded_by_default", recorded_by_default),
    ]
}

/// The two requests of the upstream integration tests.
const CLEAN: &str = "/";
const ATTACK: &str = "/?id='or+1=1--a-<script>prompt(1)</script>'";

/// A release whose sidecars can run at one place of this machine, and a pod of it.
struct Bed {
    release: Release,
    namespace: String,
    place: Place,
    app: App,
}

impl Bed {
    async fn new(cluster: &Cluster, postanalytics: SocketAddr) -> anyhow::Result<Bed> {
        let place = Place::new()?;
        let release = Release::install(cluster, place.values(postanalytics)?).await?;
        let namespace = release.application_namespace(cluster).await?;
        Ok(Bed {
            release,
            namespace,
            place,
            app: App::start().await?,
        })
    }

    /// Stores a pod whose application listens where ours does, and runs its sidecar.
    async fn run(&self, cluster: &Cluster, annotations: Value) -> anyhow::Result<RunningPod> {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {
                "name": "dummy-app",
                "labels": {"app": "dummy-app", "wallarm-sidecar": "enabled"},
                "annotations": annotations,
            },
            "spec": {"containers": [{
                "name": "app",
                "image": "nginx:stable-alpine",
                "ports": [{"name": "http", "containerPort": self.app.address().port()}],
            }]},
        }))?;
        let pods = Api::<Pod>::namespaced(cluster.client(), &self.namespace);
        pods.create(&PostParams::default(), &pod).await?;
        RunningPod::start(&pods.get("dummy-app").await?, &self.place)
            .await
            .context("running the stored pod")
    }

    async fn remove(self, cluster: &Cluster) -> anyhow::Result<()> {
        cluster.delete_namespace(&self.namespace).await?;
        self.release.uninstall(cluster).await
    }
}

async fn status(pod: &RunningPod, target: &str) -> anyhow::Result<u16> {
    Ok(pod.connect().await?.get(target).await?.status)
}

/// I2: the sidecar's own port, as a Service with the target port `proxy` reaches it.
async fn blocked_by_annotation(cluster: &Cluster) -> anyhow::Result<()> {
    let collector = Collector::start(Collector::free_address().await?).await?;
    let bed = Bed::new(cluster, collector.address()).await?;
    let annotations = json!({
        "sidecar.wallarm.io/wallarm-mode": "block",
        "sidecar.wallarm.io/sidecar-injection-iptables-enable": "false",
    });
    let pod = bed.run(cluster, annotations).await?;
    ensure!(status(&pod, CLEAN).await? == 200, "{}", pod.log());
    ensure!(status(&pod, ATTACK).await? == 403, "{}", pod.log());
    ensure!(bed.app.received("/").is_some() && bed.app.received(ATTACK).is_none());
    let hits = collector.wait_for("/", 1).await?;
    ensure!(
        hits.iter()
            .any(|hit| hit.attack_type == "sqli" || hit.attack_type == "xss"),
        "{hits:?}"
    );
    drop(pod);
    bed.remove(cluster).await
}

/// The annotation of a stored pod is changed; the webhook renders the filter's configuration anew, the files of the
/// running sidecar follow as a kubelet lets them, and Envoy takes them while it serves.
async fn mode_follows(cluster: &Cluster) -> anyhow::Result<()> {
    let collector = Collector::start(Collector::free_address().await?).await?;
    let bed = Bed::new(cluster, collector.address()).await?;
    let mut pod = bed.run(cluster, json!({})).await?;
    let (process, mut connection) = (pod.pid(), pod.connect().await?);
    ensure!(connection.get(ATTACK).await?.status == 200, "{}", pod.log());

    let pods = Api::<Pod>::namespaced(cluster.client(), &bed.namespace);
    let change = json!({"metadata": {"annotations": {"sidecar.wallarm.io/wallarm-mode": "block"}}});
    let params = PatchParams::default();
    let stored = pods.patch("dummy-app", &params, &Patch::Merge(&change)).await?;
    pod.project(&stored)?;
    // The same connection: nothing was restarted.
    poll::until("the attack to be blocked", async || {
        Ok((connection.get(ATTACK).await?.status == 403).then_some(()))
    })
    .await
    .with_context(|| pod.log())?;
    ensure!(connection.get(CLEAN).await?.status == 200 && pod.pid() == process);

    // A mistake is refused, and the mode stays.
    let mistake = json!({"metadata": {"annotations": {"sidecar.wallarm.io/wallarm-mode": "blok"}}});
    let Err(error) = pods.patch("dummy-app", &params, &Patch::Merge(&mistake)).await else {
        anyhow::bail!("a mistake was taken");
    };
    ensure!(
        error.to_string().contains("wallarm-mode: \"blok\" is not allowed"),
        "{error}"
    );
    drop(pod);
    bed.remove(cluster).await
}

/// D1: without any annotation an attack passes, and postanalytics knows it.
async fn recorded_by_default(cluster: &Cluster) -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let service = Postanalytics::start(Collector::free_address().await?, data.path()).await?;
    let bed = Bed::new(cluster, service.address()).await?;
    let pod = bed.run(cluster, json!({})).await?;
    ensure!(status(&pod, "/etc/passwd").await? == 200, "{}", pod.log());
    let attacks = poll::until("the attack", async || {
        let attacks = service.attacks("shop.example").await?;
        Ok((!attacks.is_empty()).then_some(attacks))
    })
    .await?;
    ensure!(
        attacks.iter().any(|attack| attack.attack_type == "ptrav"),
        "{attacks:?}"
    );
    drop(pod);
    bed.remove(cluster).await
}
