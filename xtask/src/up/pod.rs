//! The pod as Kubernetes sees it: what is used of its specification, and what a kubelet makes of it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::process::Program;

/// The container that runs Envoy.
const SIDECAR: &str = "sidecar-proxy";

/// The annotation that chooses the filtration mode.
pub(super) const MODE_ANNOTATION: &str = "sidecar.wallarm.io/wallarm-mode";

/// The annotation that holds the filter configuration, as an Envoy resource.
const FILTER_ANNOTATION: &str = "sidecar.wallarm.io/filter-config";

/// A pod, or the template of one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(super) struct Pod {
    #[serde(default)]
    metadata: Metadata,
    spec: Spec,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    init_containers: Vec<Container>,
    containers: Vec<Container>,
    volumes: Vec<Volume>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Container {
    pub(super) name: String,
    command: Vec<String>,
    args: Vec<String>,
    env: Vec<Env>,
    ports: Vec<Port>,
    pub(super) volume_mounts: Vec<Mount>,
    pub(super) startup_probe: Option<Probe>,
    restart_policy: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Env {
    name: String,
    value: Option<String>,
    value_from: Option<Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Port {
    name: Option<String>,
    container_port: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Mount {
    pub(super) name: String,
    pub(super) mount_path: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Probe {
    pub(super) http_get: Option<HttpGet>,
    #[serde(default = "ten")]
    pub(super) period_seconds: u64,
    #[serde(default = "three")]
    pub(super) failure_threshold: u64,
    #[serde(default = "one")]
    pub(super) timeout_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct HttpGet {
    #[serde(default = "slash")]
    pub(super) path: String,
    /// A number, or the name of a port of the same container.
    port: Value,
}

/// A volume of a kind that this runner knows; others are refused where they are mounted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    name: String,
    #[serde(rename = "downwardAPI")]
    downward_api: Option<DownwardApi>,
    empty_dir: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct DownwardApi {
    #[serde(default)]
    items: Vec<DownwardApiItem>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DownwardApiItem {
    path: String,
    field_ref: FieldRef,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FieldRef {
    field_path: String,
}

/// What is in a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Files that are shown to the container: path and text.
    Files(BTreeMap<String, String>),
    Empty,
}

// Defaults of the Kubernetes API.
fn ten() -> u64 {
    10
}

fn three() -> u64 {
    3
}

fn one() -> u64 {
    1
}

fn slash() -> String {
    "/".to_owned()
}

// === impl Pod ===

impl Pod {
    /// Finds the pod with a sidecar in rendered objects, and gives it the name that a controller would.
    pub(super) fn find(rendered: &Value) -> Result<Pod> {
        let objects = match rendered["items"].as_array() {
            Some(items) => items.as_slice(),
            None => std::slice::from_ref(rendered),
        };
        for object in objects {
            let template = match object["kind"].as_str() {
                Some("Pod") => Some(object),
                Some("CronJob") => object.pointer("/spec/jobTemplate/spec/template"),
                _ => object.pointer("/spec/template"),
            };
            let Some(template) = template.filter(|template| template["spec"].is_object()) else {
                continue;
            };
            let mut pod = Pod::deserialize(template).context("reading the injected pod")?;
            if pod.sidecar().is_err() {
                continue;
            }
            let owner = object.pointer("/metadata/name").and_then(Value::as_str);
            let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
            pod.metadata
                .name
                .get_or_insert_with(|| format!("{}-local", owner.unwrap_or("pod")));
            pod.metadata
                .namespace
                .get_or_insert_with(|| namespace.unwrap_or("default").to_owned());
            return Ok(pod);
        }
        bail!("no pod in the manifest asks for a sidecar: give its template the label `wallarm-sidecar: enabled`")
    }

    pub(super) fn sidecar(&self) -> Result<&Container> {
        self.spec
            .init_containers
            .iter()
            .chain(&self.spec.containers)
            .find(|container| container.name == SIDECAR)
            .with_context(|| format!("the pod has no container {SIDECAR}"))
    }

    /// Init containers that end before the application starts. They are not run here.
    pub(super) fn preparing(&self) -> impl Iterator<Item = &str> {
        self.spec
            .init_containers
            .iter()
            .filter(|container| container.restart_policy.as_deref() != Some("Always"))
            .map(|container| container.name.as_str())
    }

    /// The filtration mode that the filter was configured with.
    pub(super) fn mode(&self) -> Option<String> {
        let resource = serde_json::from_str::<Value>(self.metadata.annotations.get(FILTER_ANNOTATION)?).ok()?;
        let config = resource.pointer("/resources/0/typed_config/config/configuration/value")?;
        let config = serde_json::from_str::<Value>(config.as_str()?).ok()?;
        Some(config["mode"].as_str()?.to_owned())
    }

    /// What a kubelet puts into a volume.
    pub(super) fn content(&self, volume: &str) -> Result<Content> {
        let volume = self
            .spec
            .volumes
            .iter()
            .find(|candidate| candidate.name == volume)
            .with_context(|| format!("the pod has no volume {volume}"))?;
        if let Some(downward_api) = &volume.downward_api {
            let files = downward_api.items.iter().map(|item| {
                let value = self.field(&item.field_ref.field_path)?;
                Ok((item.path.clone(), value))
            });
            return Ok(Content::Files(files.collect::<Result<_>>()?));
        }
        if volume.empty_dir.is_some() {
            return Ok(Content::Empty);
        }
        bail!(
            "volume {}: only emptyDir and downwardAPI exist outside a cluster",
            volume.name
        )
    }

    /// Program, arguments and environment of a container, as a kubelet passes them on.
    pub(super) fn program(&self, container: &Container) -> Result<Program> {
        let mut env = Vec::new();
        for entry in &container.env {
            let value = match (&entry.value, &entry.value_from) {
                (Some(value), _) => expand(value, &env),
                (None, None) => String::new(),
                (None, Some(source)) => match source.pointer("/fieldRef/fieldPath").and_then(Value::as_str) {
                    Some(path) => self.field(path)?,
                    None => bail!(
                        "container {}, variable {}: only fieldRef exists outside a cluster",
                        container.name,
                        entry.name
                    ),
                },
            };
            env.push((entry.name.clone(), value));
        }
        if container.command.is_empty() {
            bail!(
                "container {} has no command: its image cannot be asked here",
                container.name
            );
        }
        let command = container.command.iter().chain(&container.args);
        Ok(Program {
            name: container.name.clone(),
            command: command.map(|word| expand(word, &env).into()).collect(),
            env,
        })
    }

    /// A field of the pod, by the paths that the downward API allows.
    fn field(&self, path: &str) -> Result<String> {
        let metadata = &self.metadata;
        let keyed = |prefix: &str| path.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']");
        // A missing label or annotation is an empty value, as in Kubernetes.
        if let Some(key) = keyed("metadata.annotations") {
            return Ok(metadata.annotations.get(key).cloned().unwrap_or_default());
        }
        if let Some(key) = keyed("metadata.labels") {
            return Ok(metadata.labels.get(key).cloned().unwrap_or_default());
        }
        Ok(match path {
            "metadata.name" => metadata.name.clone().unwrap_or_default(),
            "metadata.namespace" => metadata.namespace.clone().unwrap_or_default(),
            "metadata.uid" => "00000000-0000-0000-0000-000000000000".to_owned(),
            "status.podIP" | "status.hostIP" => "127.0.0.1".to_owned(),
            "spec.nodeName" => "localhost".to_owned(),
            "spec.serviceAccountName" => "default".to_owned(),
            _ => bail!("the pod asks for its field {path}, which does not exist outside a cluster"),
        })
    }
}

// === impl Container ===

impl Container {
    /// The number of a port, by number or name.
    pub(super) fn port(&self, port: &Value) -> Result<u16> {
        match port {
            Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
            Value::String(name) => self
                .ports
                .iter()
                .find(|port| port.name.as_ref() == Some(name))
                .map(|port| port.container_port),
            _ => None,
        }
        .with_context(|| format!("container {} has no port {port}", self.name))
    }

    /// The number of the port with this name.
    pub(super) fn named_port(&self, name: &str) -> Result<u16> {
        self.port(&Value::from(name))
    }
}

// === impl HttpGet ===

impl HttpGet {
    pub(super) fn port(&self, container: &Container) -> Result<u16> {
        container.port(&self.port)
    }
}

/// Replaces `$(NAME)` by the variable's value. Unknown names stay as written, and `$$` is one dollar.
///
/// Source: Kubernetes, "Define Dependent Environment Variables" and "Use environment variables to define arguments".
fn expand(text: &str, env: &[(String, String)]) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        match rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            Some((name, after)) => {
                match env.iter().rev().find(|(known, _)| known == name) {
                    Some((_, value)) => expanded.push_str(value),
                    None => expanded.extend(["$(", name, ")"]),
                }
                rest = after;
            }
            None => expanded.push('$'),
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered() -> Value {
        json!({ "apiVersion": "v1", "kind": "List", "items": [
            { "kind": "Service", "metadata": { "name": "svc" }, "spec": { "ports": [] } },
            { "kind": "Deployment", "metadata": { "name": "shop", "namespace": "prod" }, "spec": { "template": {
                "metadata": { "labels": { "app": "shop" }, "annotations": { "a/filter": "{\"mode\":\"block\"}" } },
                "spec": {
                    "initContainers": [
                        { "name": "prepare", "command": ["true"] },
                        {
                            "name": "sidecar-proxy",
                            "restartPolicy": "Always",
                            "command": ["/envoy"],
                            "args": ["--node", "$(NAME).$(NS)", "$$(NAME)", "$(GONE)"],
                            "env": [
                                { "name": "NS", "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } },
                                { "name": "NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                                { "name": "BOTH", "value": "$(NAME)/$(NS)/$(LATER)" },
                                { "name": "LATER", "value": "x" },
                            ],
                            "ports": [{ "name": "status", "containerPort": 10246 }],
                            "startupProbe": { "httpGet": { "path": "/healthz", "port": "status" }, "periodSeconds": 1 },
                            "volumeMounts": [{ "name": "config", "mountPath": "/etc/wallarm" }],
                        },
                    ],
                    "containers": [{ "name": "app", "image": "shop" }],
                    "volumes": [
                        { "name": "config", "downwardAPI": { "items": [
                            { "path": "filter.json", "fieldRef": { "fieldPath": "metadata.annotations['a/filter']" } },
                            { "path": "none", "fieldRef": { "fieldPath": "metadata.labels['gone']" } },
                        ]}},
                        { "name": "run", "emptyDir": {} },
                        { "name": "secret", "secret": { "secretName": "s" } },
                    ],
                },
            }}},
        ]})
    }

    #[test]
    fn process_is_what_a_kubelet_starts() {
        let pod = Pod::find(&rendered()).unwrap();
        let Program { name, command, env } = pod.program(pod.sidecar().unwrap()).unwrap();
        assert_eq!(name, "sidecar-proxy");
        assert_eq!(command, ["/envoy", "--node", "shop-local.prod", "$(NAME)", "$(GONE)"]);
        let env = env.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>();
        // A variable sees only those before it.
        assert_eq!(
            env,
            ["NS=prod", "NAME=shop-local", "BOTH=shop-local/prod/$(LATER)", "LATER=x"]
        );
    }

    #[test]
    fn volumes_hold_annotations() {
        let pod = Pod::find(&rendered()).unwrap();
        let files = [("filter.json", "{\"mode\":\"block\"}"), ("none", "")];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        assert_eq!(pod.content("config").unwrap(), Content::Files(files.into()));
        assert_eq!(pod.content("run").unwrap(), Content::Empty);
        assert!(pod.content("secret").unwrap_err().to_string().contains("secret"));
    }

    #[test]
    fn probe_finds_its_port_by_name() {
        let pod = Pod::find(&rendered()).unwrap();
        let sidecar = pod.sidecar().unwrap();
        let probe = sidecar.startup_probe.clone().unwrap();
        assert_eq!((probe.period_seconds, probe.failure_threshold), (1, 3));
        assert_eq!(probe.http_get.unwrap().port(sidecar).unwrap(), 10246);
        assert!(sidecar.named_port("proxy").is_err());
    }

    #[test]
    fn preparing_containers_are_those_that_end() {
        let pod = Pod::find(&rendered()).unwrap();
        assert_eq!(pod.preparing().collect::<Vec<_>>(), ["prepare"]);
    }

    #[test]
    fn a_manifest_without_sidecar_is_explained() {
        let error = Pod::find(&json!({ "kind": "List", "items": [{ "kind": "Service", "spec": {} }] })).unwrap_err();
        assert!(error.to_string().contains("wallarm-sidecar: enabled"));
    }

    #[test]
    fn dollars_expand_as_in_kubernetes() {
        let env = [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "$(A)".to_owned())];
        for (text, expected) in [
            ("", ""),
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$$$$(A)", "$$(A)"),
            ("$(B)", "$(A)"),
            ("$(C)", "$(C)"),
            ("$()", "$()"),
            ("$(A", "$(A"),
            ("$", "$"),
            ("a$", "a$"),
            ("$A ${A}", "$A ${A}"),
        ] {
            assert_eq!(expand(text, &env), expected, "{text}");
        }
    }
}
