//! The webhook as the chart installs it, as processes of its own with the chart's permissions: certificates, rotation,
//! leadership, rolling restarts, Events.

mod balancer;
mod installation;
mod load;
mod replica;

use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::{cluster::Cluster, poll};
use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration,
    apps::v1::Deployment,
    core::v1::{Pod, Secret},
    events::v1::Event,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use self::{installation::Installation, load::Load};
use crate::Scenario;

/// Long enough for a leader that died to lose its Lease, for an authority to be replaced, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "webhook::rotations_and_restarts_fail_no_admission",
            rotations_and_restarts_fail_no_admission,
        ),
        Scenario::new("webhook::another_replica_takes_over", another_replica_takes_over),
        Scenario::new("webhook::owners_of_pods_are_told", owners_of_pods_are_told),
    ]
}

/// A pod that wants a sidecar.
fn pod(name: &str, annotations: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"wallarm-sidecar": "enabled", "app": name}, "annotations": annotations},
        "spec": {"containers": [{"name": "app", "image": "app:1", "ports": [{"containerPort": 80}]}]},
    })
}

async fn rotations_and_restarts_fail_no_admission(cluster: &Cluster) -> anyhow::Result<()> {
    // Certificates are replaced after about 7 s, authorities after about 20 s.
    let lifetimes = ["--tls-lifetime=12s", "--tls-authority-lifetime=48s", "--tls-settle=2s"];
    let mut installation = Installation::new(cluster, &lifetimes).await?;
    let first = installation.start_replica().await?;
    let second = installation.start_replica().await?;
    installation.wait_until_injecting().await?;
    ensure!(
        installation.sum_of("wallarm_injector_leader").await? == 1,
        "not one leader"
    );

    let load = Load::start(&installation);
    let started_with = installation.authorities().await?;
    // A whole rotation: announced, used, and the previous authority still trusted.
    installation
        .wait_for_step("add_authority", 1, PATIENCE)
        .await
        .with_context(|| load.report())?;
    let announced = poll::until("the announcement", async || {
        let now = installation.authorities().await?;
        Ok((now != started_with).then_some(now))
    })
    .await?;
    ensure!(announced.ends_with(&started_with), "{announced}");
    let n_issued = installation.n_steps("issue_serving").await?;
    installation
        .wait_for_step("issue_serving", n_issued + 1, PATIENCE)
        .await?;

    // A rolling restart, beginning with the replica that leads or not.
    for old in [first, second] {
        installation.start_replica().await?;
        installation.stop_replica(old).await?;
    }
    load.wait_for_more(50).await?;
    let n_admissions = load.end().await?;
    ensure!(n_admissions > 100, "only {n_admissions} admissions");
    installation.end(cluster).await
}

async fn another_replica_takes_over(cluster: &Cluster) -> anyhow::Result<()> {
    let mut installation = Installation::new(cluster, &[]).await?;
    let first = installation.start_replica().await?;
    installation.wait_until_injecting().await?;
    let second = installation.start_replica().await?;
    ensure!(installation.metric(first, "wallarm_injector_leader").await? == 1);
    ensure!(installation.metric(second, "wallarm_injector_leader").await? == 0);

    // What somebody else writes into the webhook configuration is put right.
    let webhooks = Api::<MutatingWebhookConfiguration>::all(cluster.client());
    let authorities = installation.authorities().await?;
    let emptied = json!({"webhooks": [{"name": "injector.sidecar.wallarm.io", "clientConfig": {"caBundle": null}}]});
    webhooks
        .patch(installation.name(), &PatchParams::default(), &Patch::Strategic(emptied))
        .await?;
    poll::until("the caBundle", async || {
        Ok((installation.authorities().await? == authorities).then_some(()))
    })
    .await?;

    // Without a word, so that the Lease has to end.
    installation.kill_replica(first);
    poll::until_within(PATIENCE, "another leader", async || {
        let leads = installation.metric(second, "wallarm_injector_leader").await? == 1;
        Ok(leads.then_some(()))
    })
    .await?;

    // The new leader makes a new authority when the Secret is deleted, and what is served stays trusted.
    let secrets = Api::<Secret>::namespaced(cluster.client(), installation.namespace());
    let secret = format!("{}-admission-tls", installation.name());
    secrets.delete(&secret, &DeleteParams::default()).await?;
    poll::until("a second authority", async || {
        let now = installation.authorities().await?;
        Ok((now.len() > authorities.len() && now.ends_with(&authorities)).then_some(()))
    })
    .await?;
    installation.wait_until_injecting().await?;
    ensure!(secrets.get(&secret).await?.type_.as_deref() == Some("kubernetes.io/tls"));
    installation.end(cluster).await
}

async fn owners_of_pods_are_told(cluster: &Cluster) -> anyhow::Result<()> {
    let mut installation = Installation::new(cluster, &[]).await?;
    installation.start_replica().await?;
    installation.wait_until_injecting().await?;
    let namespace = installation.application_namespace();
    let pods = Api::<Pod>::namespaced(cluster.client(), namespace);
    let wrong = json!({"sidecar.wallarm.io/wallarm-mode": "blocking"});

    // First a dry run: its notice would be published before the others.
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let denied = pods
        .create(&dry_run, &serde_json::from_value(pod("dry", wrong.clone()))?)
        .await;
    let error = denied.err().context("a wrong mode was taken")?.to_string();
    ensure!(error.contains("sidecar.wallarm.io/wallarm-mode"), "{error}");
    let bare = serde_json::from_value(pod("bare", wrong.clone()))?;
    ensure!(pods.create(&PostParams::default(), &bare).await.is_err());

    let template = pod("app", wrong);
    let deployment = serde_json::from_value::<Deployment>(json!({
        "metadata": {"name": "app"},
        "spec": {
            "selector": {"matchLabels": {"app": "app"}},
            "template": {
                "metadata": {"labels": template["metadata"]["labels"], "annotations": template["metadata"]["annotations"]},
                "spec": template["spec"],
            },
        },
    }))?;
    Api::namespaced(cluster.client(), namespace)
        .create(&PostParams::default(), &deployment)
        .await?;

    let events = Api::<Event>::namespaced(cluster.client(), namespace);
    let told = async |kind: &str| {
        let events = events.list(&ListParams::default()).await?;
        let is_ours = |event: &&Event| {
            event.reason.as_deref() == Some("SidecarDenied")
                && event.regarding.as_ref().and_then(|object| object.kind.as_deref()) == Some(kind)
        };
        anyhow::Ok(events.items.iter().find(is_ours).cloned())
    };
    let on_owner = poll::until("an Event on the ReplicaSet", async || told("ReplicaSet").await).await?;
    let note = on_owner.note.unwrap_or_default();
    ensure!(
        note.contains("sidecar.wallarm.io/wallarm-mode") && note.contains("blocking"),
        "{note}"
    );
    let on_pod = told("Pod").await?.context("no Event about the pod")?;
    let name = on_pod.regarding.and_then(|object| object.name);
    ensure!(name.as_deref() == Some("bare"), "{name:?}");
    installation.end(cluster).await
}
