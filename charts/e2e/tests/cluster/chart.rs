//! The chart alone: linted, rendered for several versions of Kubernetes, and every manifest taken by the API server.

use std::fs;

use anyhow::{Context, ensure};
use e2e::cluster::{Cluster, Helm, chart_folder, supplied_certificate};
use injector::settings::Settings;
use kube::{
    Api,
    api::{DynamicObject, PostParams},
    discovery,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Scenario;

/// Oldest and newest supported versions, and some between them.
const VERSIONS: [&str; 5] = ["1.21.0", "1.26.0", "1.29.0", "1.34.0", "1.37.0"];

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new("chart::h1_lints", lints),
        Scenario::new("chart::h1_renders_on_every_version", renders_on_every_version),
        Scenario::new("chart::h1_is_valid_for_the_api_server", is_valid_for_the_api_server),
        Scenario::new(
            "chart::h2_defaults_are_those_of_the_injector",
            defaults_are_those_of_the_injector,
        ),
        Scenario::new("chart::h3_existing_secret", existing_secret),
        Scenario::new("chart::h4_external_postanalytics", external_postanalytics),
        Scenario::new(
            "chart::every_setting_of_the_injector_is_a_value",
            every_setting_is_a_value,
        ),
        Scenario::new("chart::wrong_values_are_named", wrong_values_are_named),
        Scenario::new(
            "chart::token_reaches_only_postanalytics",
            token_reaches_only_postanalytics,
        ),
        Scenario::new("chart::certificate_modes", certificate_modes),
    ]
}

/// Values that switch on what is off by default, one set per line of the documentation.
fn variants() -> anyhow::Result<Vec<(&'static str, Value)>> {
    Ok(vec![
        ("defaults", json!({})),
        ("supplied certificate", supplied_certificate()?),
        (
            "everything optional",
            json!({
                "extraLabels": {"team": "security"},
                "extraAnnotations": {"example.com/owner": "security"},
                "imagePullSecrets": [{"name": "registry"}],
                "networkPolicy": {"enabled": true},
                "postanalytics": {
                    "persistence": {"storageClass": "fast", "annotations": {"helm.sh/resource-policy": "keep"}},
                    "service": {"type": "NodePort", "nodePort": 30333},
                    "podDisruptionBudget": {"minAvailable": "50%"},
                    "priorityClassName": "system-cluster-critical",
                    "nodeSelector": {"disk": "ssd"},
                    "tolerations": [{"key": "a", "operator": "Exists"}],
                    "extraVolumes": [{"name": "more", "emptyDir": {}}],
                    "wstore": {
                        "config": {"serviceAddress": "[::]:3313"},
                        "extraEnvs": [{"name": "A", "value": "b"}],
                        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
                    },
                },
                "controller": {
                    "affinity": {"podAntiAffinity": {}},
                    "topologySpreadConstraints": [{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
                    "extraContainers": [{"name": "more", "image": "more:1"}],
                    "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
                    "admissionWebhook": {"objectSelector": {}, "namespaceSelector": {"matchLabels": {"a": "b"}}},
                },
            }),
        ),
        (
            "nothing of its own",
            json!({
                "postanalytics": {"persistence": {"enabled": false}, "serviceAccount": {"create": false}, "podDisruptionBudget": {"enabled": false}},
                "controller": {"serviceAccount": {"create": false}, "podDisruptionBudget": {"enabled": false}},
            }),
        ),
    ])
}

/// Renders the chart into objects.
fn render(values: &Value, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), values.to_string())?;
    let (chart, file) = (chart_folder(), file.path().display().to_string());
    let chart = chart.display().to_string();
    let fixed = [
        "template",
        "wallarm-sidecar",
        &chart,
        "--namespace",
        "wallarm",
        "--values",
        &file,
    ];
    let manifest = Helm::new(None)?.run(&[&fixed, arguments].concat())?;
    let documents = serde_norway::Deserializer::from_str(&manifest).map(Value::deserialize);
    let objects = documents.collect::<Result<Vec<_>, _>>()?;
    Ok(objects.into_iter().filter(|object| !object.is_null()).collect())
}

fn find<'a>(objects: &'a [Value], kind: &str, suffix: &str) -> anyhow::Result<&'a Value> {
    let is_it = |object: &&Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        object["kind"] == kind && name.strip_prefix("wallarm-sidecar").is_some_and(|rest| rest == suffix)
    };
    objects
        .iter()
        .find(is_it)
        .with_context(|| format!("no {kind} wallarm-sidecar{suffix}"))
}

fn settings(objects: &[Value]) -> anyhow::Result<Settings> {
    let map = find(objects, "ConfigMap", "-controller")?;
    let text = map["data"]["config.yaml"].as_str().context("no config.yaml")?;
    Settings::from_yaml(text).with_context(|| text.to_owned())
}

async fn lints(_: &Cluster) -> anyhow::Result<()> {
    let chart = chart_folder().display().to_string();
    let report = Helm::new(None)?.run(&["lint", "--strict", &chart])?;
    ensure!(!report.contains("[WARNING]") && !report.contains("[ERROR]"), "{report}");
    Ok(())
}

async fn renders_on_every_version(_: &Cluster) -> anyhow::Result<()> {
    for version in VERSIONS {
        for (name, values) in variants()? {
            let objects =
                render(&values, &["--kube-version", version]).with_context(|| format!("{name} on {version}"))?;
            ensure!(objects.len() >= 7, "{name} on {version}: {} objects", objects.len());
        }
    }
    let error = render(&json!({}), &["--kube-version", "1.20.0"]).expect_err("a cluster without policy/v1");
    ensure!(error.to_string().contains("kubeVersion"), "{error}");
    Ok(())
}

async fn is_valid_for_the_api_server(cluster: &Cluster) -> anyhow::Result<()> {
    let client = cluster.client();
    let namespace = cluster.namespace("chart").await?;
    let discovery = discovery::Discovery::new(client.clone()).run().await?;
    for (name, values) in variants()? {
        for mut object in render(&values, &["--namespace", &namespace])? {
            let kind = format!("{} of {name}", object["kind"]);
            let typed: DynamicObject = serde_json::from_value(object.take())?;
            let types = typed.types.clone().context("no type")?;
            let gvk = kube::core::GroupVersionKind::try_from(&types)?;
            let (resource, capabilities) = discovery.resolve_gvk(&gvk).with_context(|| format!("no {gvk:?}"))?;
            let api: Api<DynamicObject> = match capabilities.scope {
                discovery::Scope::Namespaced => Api::namespaced_with(client.clone(), &namespace, &resource),
                discovery::Scope::Cluster => Api::all_with(client.clone(), &resource),
            };
            let params = PostParams {
                dry_run: true,
                ..PostParams::default()
            };
            let request = kube::api::Request::new(api.resource_url()).create(&params, serde_json::to_vec(&typed)?)?;
            // Unknown fields, which the API server otherwise drops, are errors.
            let (mut parts, body) = request.into_parts();
            parts.uri = format!("{}&fieldValidation=Strict", parts.uri).parse()?;
            client
                .request_text(http::Request::from_parts(parts, body))
                .await
                .with_context(|| kind)?;
        }
    }
    cluster.delete_namespace(&namespace).await
}

async fn defaults_are_those_of_the_injector(_: &Cluster) -> anyhow::Result<()> {
    let mut settings = settings(&render(&json!({}), &[])?)?;
    let host = &mut settings.postanalytics.host;
    ensure!(host == "wallarm-sidecar-postanalytics.wallarm.svc", "{host}");
    *host = Settings::default().postanalytics.host;
    ensure!(
        settings == Settings::default(),
        "the chart's defaults\n{settings:#?}\nare not those of the injector\n{:#?}",
        Settings::default()
    );
    Ok(())
}

/// Adds an unknown key on every level of the chart's `config`; the injector's error lists the keys that it knows there.
async fn every_setting_is_a_value(_: &Cluster) -> anyhow::Result<()> {
    let values = fs::read_to_string(chart_folder().join("values.yaml"))?;
    let values: Value = serde_norway::from_str(&values)?;
    let map = find(&render(&json!({}), &[])?, "ConfigMap", "-controller")?.clone();
    let known: Value = serde_norway::from_str(map["data"]["config.yaml"].as_str().context("no config.yaml")?)?;
    compare(&known, &known, &values["config"], "")
}

fn compare(whole: &Value, level: &Value, values: &Value, pointer: &str) -> anyhow::Result<()> {
    // Where the sidecars report to follows from other values.
    if pointer == "/postanalytics" {
        return Ok(());
    }
    let Some(keys) = level.as_object() else {
        return Ok(());
    };
    const UNKNOWN: &str = "unknownKeyOfTheTest";
    let mut changed = whole.clone();
    changed.pointer_mut(pointer).context("no such level")?[UNKNOWN] = json!(1);
    let Err(error) = Settings::from_yaml(&changed.to_string()) else {
        // A map with names of its own, such as a list of resources.
        return Ok(());
    };
    let error = error.to_string();
    if !error.contains("unknown field") {
        return Ok(());
    }
    let expected = error.split("expected").nth(1).context("no list of keys")?;
    for key in expected.split('`').skip(1).step_by(2) {
        let is_value = values.get(key).is_some() || (pointer.is_empty() && key == "postanalytics");
        ensure!(
            is_value,
            "config{}.{key} is a setting of the injector and no value of the chart",
            pointer.replace('/', ".")
        );
    }
    for (key, below) in keys {
        compare(whole, below, &values[key], &format!("{pointer}/{key}"))?;
    }
    Ok(())
}

async fn existing_secret(_: &Cluster) -> anyhow::Result<()> {
    let values = json!({"config": {"wallarm": {"api": {"existingSecret": {"enabled": true}, "token": "ignored"}}}});
    let objects = render(&values, &[])?;
    let deployment = find(&objects, "Deployment", "-postanalytics")?;
    let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"][0];
    ensure!(env["name"] == "WALLARM_API_TOKEN", "{env}");
    ensure!(
        env["valueFrom"]["secretKeyRef"] == json!({"name": "wallarm-api-token", "key": "token"}),
        "{env}"
    );
    let own = find(&objects, "Secret", "-credentials")?;
    ensure!(own["stringData"].get("WALLARM_API_TOKEN").is_none(), "{own}");
    Ok(())
}

async fn external_postanalytics(_: &Cluster) -> anyhow::Result<()> {
    let external = json!({"enabled": true, "host": "wstore.domain.internal", "port": 3399});
    let objects = render(&json!({"postanalytics": {"external": external}}), &[])?;
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        ensure!(
            !name.contains("postanalytics") && !name.contains("credentials"),
            "{} {name}",
            object["kind"]
        );
    }
    let settings = settings(&objects)?;
    ensure!(settings.postanalytics.host == "wstore.domain.internal");
    ensure!(settings.postanalytics.port.get() == 3399);
    Ok(())
}

async fn wrong_values_are_named(_: &Cluster) -> anyhow::Result<()> {
    let check = |set: &str, expected: &str| {
        let error = match render(&json!({}), &["--set", set]) {
            Ok(_) => anyhow::bail!("{set} was taken"),
            Err(error) => error.to_string(),
        };
        ensure!(error.contains(expected), "{set}: {error}");
        Ok(())
    };
    for (set, expected) in [
        (
            "config.wallarm.mode=blok",
            "at '/config/wallarm/mode': value must be one of 'off', 'monitoring'",
        ),
        (
            "config.wallarm.mod=block",
            "at '/config/wallarm': additional properties 'mod' not allowed",
        ),
        ("config.wallarm.api.port=0", "at '/config/wallarm/api/port': minimum"),
        (
            "config.nginx.listenPort=http",
            "at '/config/nginx/listenPort': got string, want integer",
        ),
        ("config.nginx.statusPort=26001", "config.nginx.statusPort"),
        (
            "config.nginx.setRealIpFrom={proxy}",
            "at '/config/nginx/setRealIpFrom/0': 'proxy' does not match pattern",
        ),
        (
            "config.sidecar.image.pullPolicy=Sometimes",
            "at '/config/sidecar/image/pullPolicy'",
        ),
        (
            "config.sidecar.containers.proxy.resources.limits.memory=lots",
            "resources/limits/memory",
        ),
        (
            "config.injectionStrategy.iptablesEnable=maybe",
            "at '/config/injectionStrategy/iptablesEnable'",
        ),
        (
            "config.injectionStrategy.nativeSidecar=maybe",
            "at '/config/injectionStrategy/nativeSidecar'",
        ),
        ("controller.replicaCount=-1", "at '/controller/replicaCount': minimum"),
        (
            "controller.admissionWebhook.failurePolicy=Maybe",
            "at '/controller/admissionWebhook/failurePolicy'",
        ),
        (
            "controller.admissionWebhook.timeoutSeconds=31",
            "at '/controller/admissionWebhook/timeoutSeconds': maximum",
        ),
        (
            "controller.admissionWebhook.secret.enabled=true",
            "controller.admissionWebhook.secret.ca is empty",
        ),
        (
            "controller.admissionWebhook.certManager.issuerRef.kind=Issuer",
            "issuerRef",
        ),
        (
            "postanalytics.replicaCount=2",
            "at '/postanalytics/replicaCount': maximum",
        ),
        (
            "postanalytics.external.enabled=true",
            "postanalytics.external.host is empty",
        ),
        (
            "postanalytics.wstore.config.maxStore=big",
            "at '/postanalytics/wstore/config/maxStore'",
        ),
        (
            "postanalytics.tarantool.config.arena=1",
            "at '/postanalytics': additional properties 'tarantool' not allowed",
        ),
        ("serviceMonitor.interval=often", "at '/serviceMonitor/interval'"),
        ("nothing.of=this", "additional properties 'nothing' not allowed"),
    ] {
        check(set, expected)?;
    }
    Ok(())
}

async fn token_reaches_only_postanalytics(_: &Cluster) -> anyhow::Result<()> {
    const TOKEN: &str = "a-token-that-nobody-else-may-see";
    let objects = render(&json!({"config": {"wallarm": {"api": {"token": TOKEN}}}}), &[])?;
    for object in &objects {
        let has_token = object.to_string().contains(TOKEN);
        let may = object["kind"] == "Secret" && object["metadata"]["name"] == "wallarm-sidecar-credentials";
        ensure!(has_token == may, "{object}");
    }
    let reads = |suffix| {
        let deployment = find(&objects, "Deployment", suffix)?;
        anyhow::Ok(deployment.to_string().contains("wallarm-sidecar-credentials"))
    };
    ensure!(reads("-postanalytics")? && !reads("-controller")?);
    Ok(())
}

async fn certificate_modes(_: &Cluster) -> anyhow::Result<()> {
    let objects = render(
        &json!({"controller": {"admissionWebhook": {"certManager": {"enabled": true}}}}),
        &[],
    )?;
    let webhook = find(&objects, "MutatingWebhookConfiguration", "")?;
    ensure!(
        webhook["metadata"]["annotations"]["cert-manager.io/inject-ca-from"] == "wallarm/wallarm-sidecar-admission"
    );
    let leaf = find(&objects, "Certificate", "-admission")?;
    let names = leaf["spec"]["dnsNames"].to_string();
    ensure!(names.contains("\"wallarm-sidecar-controller.wallarm.svc\""), "{names}");
    let deployment = find(&objects, "Deployment", "-controller")?;
    ensure!(
        find(&objects, "Role", "-controller").is_err(),
        "nobody needs to write the certificate"
    );
    let volumes = deployment["spec"]["template"]["spec"]["volumes"].to_string();
    ensure!(
        volumes.contains(leaf["spec"]["secretName"].as_str().context("no secret")?),
        "{volumes}"
    );
    // With an issuer of the user's, nothing but the certificate is made.
    let own = json!({"certManager": {"enabled": true, "issuerRef": {"name": "corp", "kind": "ClusterIssuer"}}});
    let objects = render(&json!({"controller": {"admissionWebhook": own}}), &[])?;
    ensure!(!objects.iter().any(|object| object["kind"] == "Issuer"));
    ensure!(find(&objects, "Certificate", "-admission")?["spec"]["issuerRef"]["name"] == "corp");

    let (_, supplied) = variants()?.swap_remove(1);
    let objects = render(&supplied, &[])?;
    let webhook = find(&objects, "MutatingWebhookConfiguration", "")?;
    ensure!(
        webhook["webhooks"][0]["clientConfig"]["caBundle"].is_string(),
        "{webhook}"
    );
    ensure!(find(&objects, "Secret", "-admission-tls")?["type"] == "kubernetes.io/tls");
    Ok(())
}
