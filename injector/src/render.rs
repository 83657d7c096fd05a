//! Injection of manifests, for people and tests: what the webhook would do, without a cluster.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    inject::{Denied, Outcome, inject},
    settings::Settings,
    yaml::to_yaml,
};

/// Deepest nesting of `List` objects that is looked into.
const MAX_LIST_DEPTH: usize = 8;

/// How patched manifests are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// YAML, one document per object.
    #[default]
    Yaml,
    /// One JSON object of kind `List`.
    Json,
}

/// Patched manifests.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Every object of the input, in its order.
    pub objects: Vec<Value>,
    /// Advice, each with the name of the object it is about.
    pub warnings: Vec<String>,
}

/// Manifests that cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The text is not YAML, or not the YAML of objects.
    #[error("document {document} of the manifest: {reason}")]
    Syntax {
        /// Counted from 1.
        document: usize,
        /// What the parser says.
        reason: String,
    },
    /// Pods that ask for a sidecar and cannot get one.
    #[error("{}", .0.iter().map(|(object, denied)| format!("{object}: {denied}")).collect::<Vec<_>>().join("\n"))]
    Denied(Vec<(String, Denied)>),
}

/// Injects every pod and pod template of a manifest of one or more YAML documents. Everything else stays as it is.
pub fn render(manifest: &str, settings: &Settings, cluster: Cluster) -> Result<Rendered, RenderError> {
    let mut rendered = Rendered {
        objects: Vec::new(),
        warnings: Vec::new(),
    };
    let mut denials = Vec::new();
    for (idx, document) in serde_norway::Deserializer::from_str(manifest).enumerate() {
        let syntax = |reason: String| RenderError::Syntax {
            document: idx + 1,
            reason,
        };
        let mut object = Value::deserialize(document).map_err(|error| syntax(error.to_string()))?;
        match &object {
            // A separator with nothing after it.
            Value::Null => continue,
            Value::Object(_) => {}
            _ => return Err(syntax("not a Kubernetes object".to_owned())),
        }
        inject_object(&mut object, settings, cluster, 0, &mut rendered.warnings, &mut denials);
        rendered.objects.push(object);
    }
    if denials.is_empty() {
        Ok(rendered)
    } else {
        Err(RenderError::Denied(denials))
    }
}

fn inject_object(
    object: &mut Value,
    settings: &Settings,
    cluster: Cluster,
    depth: usize,
    warnings: &mut Vec<String>,
    denials: &mut Vec<(String, Denied)>,
) {
    let title = title(object);
    let template = match object.get("kind").and_then(Value::as_str) {
        Some("Pod") => "",
        Some("Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job") => "/spec/template",
        Some("CronJob") => "/spec/jobTemplate/spec/template",
        Some("List") if depth < MAX_LIST_DEPTH => {
            for item in object
                .get_mut("items")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                inject_object(item, settings, cluster, depth + 1, warnings, denials);
            }
            return;
        }
        _ => return,
    };
    let Some(pod) = object.pointer_mut(template) else {
        return;
    };
    match inject(pod, settings, cluster) {
        Ok(Outcome::Untouched(_)) => {}
        Ok(Outcome::Injected(injection)) => {
            if let Err(error) = json_patch::patch(pod, &injection.patch) {
                let reasons = vec![format!("its patch does not apply: {error}")];
                denials.push((title.clone(), Denied { reasons }));
            }
            warnings.extend(injection.warnings.iter().map(|warning| format!("{title}: {warning}")));
        }
        Err(denied) => denials.push((title, denied)),
    }
}

/// How messages call an object: `Deployment default/myapp`.
fn title(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or("object");
    let name = text("/metadata/name")
        .or(text("/metadata/generateName"))
        .unwrap_or("without name");
    match text("/metadata/namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

impl Rendered {
    /// The objects as one text.
    pub fn to_text(&self, format: Format) -> String {
        match format {
            Format::Yaml => {
                let documents = self.objects.iter().map(to_yaml);
                documents.collect::<Vec<_>>().join("---\n")
            }
            Format::Json => {
                let list = json!({"apiVersion": "v1", "kind": "List", "items": self.objects});
                format!("{list:#}\n")
            }
        }
    }
}
