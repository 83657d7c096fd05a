//! The control plane itself: what every other scenario relies on.

use anyhow::ensure;
use e2e::{cluster::Cluster, poll};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use serde_json::json;

use crate::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new("control_plane::deployments_make_pods", deployments_make_pods),
        Scenario::new("control_plane::helm_knows_the_version", helm_knows_the_version),
    ]
}

async fn deployments_make_pods(cluster: &Cluster) -> anyhow::Result<()> {
    let namespace = cluster.namespace("plain").await?;
    let deployment = serde_json::from_value::<Deployment>(json!({
        "metadata": {"name": "plain"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "plain"}},
            "template": {
                "metadata": {"labels": {"app": "plain"}},
                "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            },
        },
    }))?;
    Api::namespaced(cluster.client(), &namespace)
        .create(&PostParams::default(), &deployment)
        .await?;
    let pods = Api::<Pod>::namespaced(cluster.client(), &namespace);
    poll::until("two pods", async || {
        let n_pods = pods.list(&ListParams::default().labels("app=plain")).await?.items.len();
        Ok((n_pods == 2).then_some(()))
    })
    .await?;
    cluster.delete_namespace(&namespace).await
}

async fn helm_knows_the_version(cluster: &Cluster) -> anyhow::Result<()> {
    let server = cluster.client().apiserver_version().await?.git_version;
    ensure!(server.starts_with("v1."), "the API server says {server}");
    let helm = cluster.helm()?.run(&["version", "--short"])?;
    ensure!(helm.starts_with("v3."), "Helm says {helm}");
    cluster.helm()?.run(&["list", "--all-namespaces"])?;
    Ok(())
}
