//! What the API server stores when the installed webhook is asked about the objects that users write.

use anyhow::{Context, ensure};
use e2e::{
    cluster::{Cluster, Release, sidecar, supplied_certificate},
    poll,
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{DaemonSet, Deployment, StatefulSet},
        batch::v1::{CronJob, Job},
        core::v1::{Container, Pod, PodSpec},
    },
};
use kube::{
    Api, Resource,
    api::{ListParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::with_release("injection::i1_redirect", redirect),
        Scenario::with_release("injection::i2_without_redirect", without_redirect),
        Scenario::with_release("injection::d2_without_the_label_nothing_changes", without_the_label),
        Scenario::with_release("injection::u7_marked_pods_stay", marked_pods_stay),
        Scenario::with_release(
            "injection::u10_containers_come_after_those_of_the_pod",
            order_of_containers,
        ),
        Scenario::with_release("injection::u14_annotations_are_kept", annotations_are_kept),
        Scenario::with_release("injection::workloads_get_a_sidecar", workloads_get_a_sidecar),
        Scenario::with_release(
            "injection::wrong_annotations_are_named_all_at_once",
            wrong_annotations_are_named,
        ),
        Scenario::with_release("injection::sidecar_is_restricted", sidecar_is_restricted),
        Scenario::new("injection::h5_upgrade_and_uninstall", upgrade_and_uninstall),
        Scenario::new("injection::supplied_certificate", with_a_supplied_certificate),
        Scenario::new("injection::h6_control_plane_is_restricted", control_plane_is_restricted),
    ]
}

const PREFIX: &str = "sidecar.wallarm.io";

/// A pod of the upstream integration tests: a port named `http`, probed by its name.
fn app(name: &str, annotations: Value) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app": name, "wallarm-sidecar": "enabled"}, "annotations": annotations},
        "spec": {"containers": [{
            "name": "app",
            "image": "nginx:stable-alpine",
            "ports": [{"name": "http", "containerPort": 80}],
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
        }]},
    })
}

/// Makes a pod and reads back what was stored.
async fn store(cluster: &Cluster, namespace: &str, pod: Value) -> anyhow::Result<Pod> {
    let pods = Api::<Pod>::namespaced(cluster.client(), namespace);
    let pod = serde_json::from_value::<Pod>(pod)?;
    let name = pod.metadata.name.clone().context("a pod without a name")?;
    pods.create(&PostParams::default(), &pod).await?;
    Ok(pods.get(&name).await?)
}

fn spec(pod: &Pod) -> anyhow::Result<&PodSpec> {
    pod.spec.as_ref().context("no spec")
}

fn names<'a>(containers: impl IntoIterator<Item = &'a Container>) -> Vec<&'a str> {
    containers
        .into_iter()
        .map(|container| container.name.as_str())
        .collect()
}

fn annotation<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let all = pod.metadata.annotations.as_ref()?;
    all.get(&format!("{PREFIX}/{name}")).map(String::as_str)
}

async fn redirect(cluster: &Cluster, _: &Release, namespace: &str) -> anyhow::Result<()> {
    let pod = store(
        cluster,
        namespace,
        app("i1", json!({"sidecar.wallarm.io/wallarm-mode": "block"})),
    )
    .await?;
    let spec = spec(&pod)?;
    let init = names(spec.init_containers.iter().flatten());
    // The control plane is newer than 1.29, so the sidecar is a native one.
    ensure!(init == ["sidecar-init-iptables", "sidecar-proxy"], "{init:?}");
    ensure!(names(&spec.containers) == ["app"]);
    ensure!(sidecar(spec)?.restart_policy.as_deref() == Some("Always"));
    let filter = annotation(&pod, "filter-config").context("no filter configuration")?;
    ensure!(filter.contains(r#"\"mode\":\"block\""#), "{filter}");
    ensure!(
        annotation(&pod, "bootstrap")
            .context("no bootstrap")?
            .contains("\"port_value\":80")
    );
    ensure!(annotation(&pod, "status").is_some());
    Ok(())
}

async fn without_redirect(cluster: &Cluster, _: &Release, namespace: &str) -> anyhow::Result<()> {
    let annotations = json!({"sidecar.wallarm.io/sidecar-injection-iptables-enable": "false"});
    let pod = store(cluster, namespace, app("i2", annotations)).await?;
    let spec = spec(&pod)?;
    let init = names(spec.init_containers.iter().flatten());
    ensure!(init == ["sidecar-proxy"], "{init:?}");
    let mut ports = sidecar(spec)?.ports.iter().flatten();
    let proxy = ports
        .find(|port| port.name.as_deref() == Some("proxy"))
        .context("no port proxy")?;
    ensure!(proxy.container_port == 26001);
    Ok(())
}

async fn without_the_label(cluster: &Cluster, _: &Release, namespace: &str) -> anyhow::Result<()> {
    for (name, label) in [("absent", None), ("disabled", Some("disabled"))] {
        let mut pod = app(name, json!({}));
        let labels = pod["metadata"]["labels"].as_object_mut().context("no labels")?;
        labels.remove("wallarm-sidecar");
        labels.extend(label.map(|label| ("wallarm-sidecar".to_owned(), json!(label))));
        let pod = store(cluster, namespace, pod).await?;
        ensure!(names(&spec(&pod)?.containers) == ["app"]);
        ensure!(spec(&pod)?.init_containers.is_none());
        ensure!(annotation(&pod, "status").is_none());
    }
    Ok(())
}

/// U7–U9: what is injected already is left alone, so that a second pass of the API server changes nothing.
async fn marked_pods_stay(cluster: &Cluster, _: &Release, namespace: &str) -> anyhow::Result<()> {
    let mut first = app("first", json!({}));
    // Its mounts have another name in every pod.
    first["spec"]["automountServiceAccountToken"] = false.into();
    let pod = store(cluster, namespace, first).await?;
    let mut copy = serde_json::to_value(&pod)?;
    copy["metadata"] = json!({
        "name": "second",
        "labels": copy["metadata"]["labels"],
        "annotations": copy["metadata"]["annotations"],
    });
    copy["status"].take();
    let again = store(cluster, namespace, copy).await?;
    let (first, second) = (spec(&pod)?, spec(&again)?);
    ensure!(names(second.init_containers.iter().flatten()) == names(first.init_containers.iter().flatten()));
    ensure!(again.metadata.annotations == pod.metadata.annotations);
    Ok(())
}

/// U10–U13 and U17–U20: lists that the pod has are continued, lists that it has not are made.
async fn order_of_containers(cluster: &Cluster, _: &Release, namespace: &str) -> anyhow::Result<()> {
    let mut pod = app("u10", json!({}));
    pod["spec"]["initContainers"] = json!([{"name": "first", "image": "first:1"}]);
    pod["spec"]["volumes"] = json!([{"name": "mine", "emptyDir": {}}]);
    let pod = store(cluster, namespace, pod).await?;
    let spec = spec(&pod)?;
    let init = names(spec.init_containers.iter().flatten());
    ensure!(init.contains(&"first") && init.contains(&"sidecar-proxy"), "{init:?}");
    let volumes = spec.volumes.iter().flatten().map(|volume| volume.name.as_str());
    let volumes = volumes.collect::<Vec<_>>();
    ensure!(volumes.first() == Some(&"mine"), "{volumes:?}");

    let bare = json!({
        "metadata": {"name": "bare", "labels": {"wallarm-sidecar": "enabled"}},
        "spec": {"automountServiceAccountToken": false, "containers": [{"name": "app", "image": "app:1"}]},
    });
    let pod = store(cluster, namespace, bare).await?;
    ensure!(sidecar(self::spec(&pod)?).is_ok());
    ensure!(annotation(&pod, "status").is_some());
    Ok(())
}

/// U14–U16: other annotations stay, and a slash in a name is part of it.
async fn annotations_are_kept(cluster: &Cluster, _: &Release, namespace: &str) -> anyhow::Result<()> {
    let pod = store(
        cluster,
        namespace,
        app("u14", json!({"example.com/test_key.1": "kept"})),
    )
    .await?;
    let all = pod.metadata.annotations.clone().unwrap_or_default();
    ensure!(
        all.get("example.com/test_key.1").map(String::as_str) == Some("kept"),
        "{all:?}"
    );
    ensure!(annotation(&pod, "status").is_some());
    Ok(())
}

/// Everything that makes pods: the controllers of the control plane do it, as in any cluster.
async fn workloads_get_a_sidecar(cluster: &Cluster, _: &Release, namespace: &str) -> anyhow::Result<()> {
    let template = |name: &str, restart_policy: &str| {
        let mut pod = app(name, json!({}));
        pod["spec"]["restartPolicy"] = restart_policy.into();
        pod["metadata"].as_object_mut().map(|meta| meta.remove("name"));
        pod
    };
    let selector = |name: &str| json!({"matchLabels": {"app": name}});
    make::<Deployment>(
        cluster,
        namespace,
        json!({
            "metadata": {"name": "deployment"},
            "spec": {"selector": selector("deployment"), "template": template("deployment", "Always")},
        }),
    )
    .await?;
    make::<StatefulSet>(
        cluster,
        namespace,
        json!({
            "metadata": {"name": "stateful"},
            "spec": {"serviceName": "x", "selector": selector("stateful"), "template": template("stateful", "Always")},
        }),
    )
    .await?;
    make::<Job>(
        cluster,
        namespace,
        json!({
            "metadata": {"name": "job"},
            "spec": {"template": template("job", "Never")},
        }),
    )
    .await?;
    // Every minute is as often as it gets, so a job of it is made by hand, as `kubectl create job --from` does.
    let cron = make::<CronJob>(
        cluster,
        namespace,
        json!({
            "metadata": {"name": "cron"},
            "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template("cron", "Never")}}},
        }),
    )
    .await?;
    let job = cron.spec.context("no spec")?.job_template.spec;
    make::<Job>(
        cluster,
        namespace,
        json!({"metadata": {"name": "from-cron"}, "spec": job}),
    )
    .await?;
    // No node exists, so a DaemonSet makes no pod; its template must be taken all the same.
    make::<DaemonSet>(
        cluster,
        namespace,
        json!({
            "metadata": {"name": "daemon"},
            "spec": {"selector": selector("daemon"), "template": template("daemon", "Always")},
        }),
    )
    .await?;
    let pods = Api::<Pod>::namespaced(cluster.client(), namespace);
    for name in ["deployment", "stateful", "job", "cron"] {
        let pod = poll::until(&format!("a pod of {name}"), async || {
            let mut found = pods
                .list(&ListParams::default().labels(&format!("app={name}")))
                .await?
                .items;
            Ok(found.pop())
        })
        .await?;
        sidecar(spec(&pod)?).with_context(|| format!("the pod of {name}"))?;
    }
    Ok(())
}

async fn make<K>(cluster: &Cluster, namespace: &str, object: Value) -> anyhow::Result<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Serialize
        + DeserializeOwned
        + Clone
        + std::fmt::Debug,
{
    let object = serde_json::from_value::<K>(object)?;
    let api = Api::<K>::namespaced(cluster.client(), namespace);
    Ok(api.create(&PostParams::default(), &object).await?)
}

async fn wrong_annotations_are_named(cluster: &Cluster, _: &Release, namespace: &str) -> anyhow::Result<()> {
    let annotations = json!({
        "sidecar.wallarm.io/wallarm-mode": "blok",
        "sidecar.wallarm.io/application-port": "http",
        "sidecar.wallarm.io/wallarm-application": "0",
    });
    let Err(error) = store(cluster, namespace, app("wrong", annotations)).await else {
        anyhow::bail!("the pod was taken");
    };
    let error = format!("{error:#}");
    for part in [
        "wallarm-mode: \"blok\" is not allowed (allowed: off, monitoring, safe_blocking, block)",
        "application-port: \"http\"",
        "wallarm-application: \"0\"",
    ] {
        ensure!(error.contains(part), "{error}");
    }
    Ok(())
}

/// Pod Security: without the redirect, a pod with a sidecar runs where the standard "restricted" is enforced.
async fn sidecar_is_restricted(cluster: &Cluster, release: &Release, _: &str) -> anyhow::Result<()> {
    let scope = ("wallarm-test", release.namespace());
    let enforce = ("pod-security.kubernetes.io/enforce", "restricted");
    let namespace = cluster.namespace_with("restricted", &[scope, enforce]).await?;
    let mut pod = app(
        "d16",
        json!({"sidecar.wallarm.io/sidecar-injection-iptables-enable": "false"}),
    );
    pod["spec"]["containers"][0]["securityContext"] = json!({
        "allowPrivilegeEscalation": false,
        "runAsNonRoot": true,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    let stored = store(cluster, &namespace, pod.clone()).await?;
    sidecar(spec(&stored)?)?;
    // The container that redirects is the one that needs more, and the API server says so.
    pod["metadata"]["name"] = "redirected".into();
    pod["metadata"]["annotations"] = json!({});
    let Err(error) = store(cluster, &namespace, pod).await else {
        anyhow::bail!("a pod with the redirect was taken");
    };
    let error = format!("{error:#}");
    ensure!(
        error.contains("sidecar-init-iptables") && !error.contains("sidecar-proxy"),
        "{error}"
    );
    cluster.delete_namespace(&namespace).await
}

async fn with_a_supplied_certificate(cluster: &Cluster) -> anyhow::Result<()> {
    let release = Release::install(cluster, supplied_certificate()?).await?;
    let namespace = release.application_namespace(cluster).await?;
    let pod = store(cluster, &namespace, app("supplied", json!({}))).await?;
    sidecar(spec(&pod)?)?;
    cluster.delete_namespace(&namespace).await?;
    release.uninstall(cluster).await
}

async fn upgrade_and_uninstall(cluster: &Cluster) -> anyhow::Result<()> {
    let release = Release::install(cluster, json!({})).await?;
    let values = json!({"controller": {"replicaCount": 3, "logLevel": "debug"}});
    release.upgrade(cluster, &values).await?;
    let deployments = Api::<Deployment>::namespaced(cluster.client(), release.namespace());
    let name = format!("{}-controller", release.fullname());
    let replicas = deployments.get(&name).await?.spec.and_then(|spec| spec.replicas);
    ensure!(replicas == Some(3), "{replicas:?}");
    // The upgrade kept the caBundle that the webhook wrote, and with it the trust of the API server.
    let webhooks =
        Api::<k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration>::all(cluster.client());
    let configuration = webhooks.get(release.fullname()).await?;
    let bundle = configuration
        .webhooks
        .iter()
        .flatten()
        .next()
        .and_then(|webhook| webhook.client_config.ca_bundle.clone());
    ensure!(
        bundle.is_some_and(|bundle| !bundle.0.is_empty()),
        "the caBundle is gone"
    );

    let fullname = release.fullname().to_owned();
    release.uninstall(cluster).await?;
    ensure!(
        webhooks.get_opt(&fullname).await?.is_none(),
        "the webhook is left behind"
    );
    Ok(())
}

/// The namespace of a release enforces "restricted"; the controllers could make the pods of both Deployments.
async fn control_plane_is_restricted(cluster: &Cluster) -> anyhow::Result<()> {
    let release = Release::install(cluster, json!({})).await?;
    let pods = Api::<Pod>::namespaced(cluster.client(), release.namespace());
    for component in ["controller", "postanalytics"] {
        let labels = format!("app.kubernetes.io/component={component}");
        let pod = poll::until(&format!("a pod of {component}"), async || {
            Ok(pods.list(&ListParams::default().labels(&labels)).await?.items.pop())
        })
        .await?;
        // The webhook leaves the namespace of its release out.
        ensure!(sidecar(spec(&pod)?).is_err());
    }
    release.uninstall(cluster).await
}
