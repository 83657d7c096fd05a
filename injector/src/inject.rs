//! Whether and how a pod gets its sidecar.
//!
//! Pure: the same pod and settings give the same answer. Idempotent: an injected pod is left as it is.

mod own;

mod patch;

use json_patch::Patch;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use self::own::Stripped;
use crate::{
    annotations::written,
    cluster::Cluster,
    names,
    plan::Plan,
    settings::Settings,
    sidecar::{self, Document, Parts},
};

/// Label that asks for injection, with the value `enabled`.
pub const LABEL: &str = "wallarm-sidecar";

/// Version of the layout of what injection writes. A change that an older sidecar cannot live with raises it.
const SCHEMA: u32 = 1;

/// What happens to a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It stays as it is.
    Untouched(Untouched),
    /// It gets a sidecar.
    Injected(Injection),
}

/// Why a pod stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untouched {
    /// Its label is not `wallarm-sidecar: enabled`.
    NotLabelled,
    /// It has its sidecar already.
    AlreadyInjected,
}

/// How a pod gets its sidecar.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// What to change, relative to the pod. It names only what it adds, so whatever this program does not know about
    /// the pod stays.
    pub patch: Patch,
    /// Advice for the pod's owner.
    pub warnings: Vec<String>,
}

/// A pod that asks for a sidecar and cannot get one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("wallarm-sidecar cannot protect this pod: {}", .reasons.join("; "))]
pub struct Denied {
    /// Every reason, never empty.
    pub reasons: Vec<String>,
}

/// Content of the annotation `status`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Status {
    schema: u32,
    /// Version of the webhook.
    version: String,
    /// Fingerprint of everything that was injected.
    config: String,
    /// Volumes that annotations and profiles have added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<String>,
}

/// Decides about one pod, or one pod template: any object with `metadata` and `spec` of a pod.
///
/// A pod that was injected before is judged by what it was without the sidecar. It stays as it is when the sidecar would
/// be the same, and gets the present one otherwise, for example when another webhook has added a container since.
///
/// Errors: the pod is labelled but cannot be protected. The reasons name what to change.
pub fn inject(pod: &Value, settings: &Settings, cluster: Cluster) -> Result<Outcome, Denied> {
    if !is_labelled(pod) {
        return Ok(Outcome::Untouched(Untouched::NotLabelled));
    }
    let mark = mark(pod, settings);
    let stripped = match &mark {
        Some(status) => own::strip(pod, &status.volumes),
        None => Stripped {
            pod: pod.clone(),
            operations: Vec::new(),
        },
    };
    let Rendered {
        parts,
        documents,
        status,
        warnings,
    } = render(&stripped.pod, settings, cluster)?;
    let status_text = serde_json::to_string(&status).unwrap_or_default();
    let annotations = documents
        .into_iter()
        .map(|document| (document.annotation, document.text));
    let annotations = annotations.chain([(written::STATUS.to_owned(), status_text)]);
    let annotations = annotations.map(|(name, text)| (format!("{}/{name}", settings.annotation_prefix), text));
    let annotations = annotations.collect::<Vec<_>>();

    let has = |(key, text): &(String, String)| annotation(pod, key) == Some(text);
    if mark.as_ref() == Some(&status) && annotations.iter().all(has) && own::has_all(pod, &parts) {
        return Ok(Outcome::Untouched(Untouched::AlreadyInjected));
    }
    let mut patch = Patch(stripped.operations);
    patch.0.extend(patch::patch(&stripped.pod, parts, annotations).0);
    Ok(Outcome::Injected(Injection { patch, warnings }))
}

/// Decides about a change of a running pod: the configuration of its filter follows its annotations.
///
/// Nothing else can change while a pod runs, so a warning names what waits for a new pod. A change that leaves our
/// annotations alone is never touched nor denied, whatever the settings say meanwhile.
///
/// Errors: the new annotations are not allowed. The reasons name what to change.
pub fn update(old: &Value, new: &Value, settings: &Settings, cluster: Cluster) -> Result<Outcome, Denied> {
    let prefix = format!("{}/", settings.annotation_prefix);
    let own_annotations = |pod| {
        let all = annotations(pod).into_iter().flatten();
        all.filter(|(key, _)| key.starts_with(&prefix)).collect::<Vec<_>>()
    };
    // The old mark counts: whoever takes it away does not take the sidecar away.
    let Some(status) = mark(old, settings) else {
        return Ok(Outcome::Untouched(Untouched::NotLabelled));
    };
    if own_annotations(old) == own_annotations(new) {
        return Ok(Outcome::Untouched(Untouched::AlreadyInjected));
    }
    let Stripped { pod: stripped, .. } = own::strip(new, &status.volumes);
    let Rendered {
        documents,
        mut warnings,
        ..
    } = render(&stripped, settings, cluster)?;

    let mut kept = Vec::new();
    let mut is_late = false;
    for document in &documents {
        let key = format!("{prefix}{}", document.annotation);
        match annotation(old, &key) {
            Some(_) if document.live => kept.push((key, document.text.clone())),
            Some(text) => {
                is_late |= *text != document.text;
                kept.push((key, text.clone()));
            }
            // The pod has no file for it.
            None => is_late = true,
        }
    }
    for (key, text) in own_annotations(old) {
        let name = key.strip_prefix(&prefix).unwrap_or_default();
        if written::is_written(name) && !kept.iter().any(|(own, _)| own == key) {
            is_late |= name != written::STATUS;
            kept.push((key.clone(), text.as_str().unwrap_or_default().to_owned()));
        }
    }
    if is_late {
        warnings.push("a part of the annotations takes effect only when the pod is created again".to_owned());
    }
    let changed = kept
        .into_iter()
        .filter(|(key, text)| annotation(new, key) != Some(text));
    let patch = patch::annotations(new, changed.collect());
    if patch.0.is_empty() && warnings.is_empty() {
        return Ok(Outcome::Untouched(Untouched::AlreadyInjected));
    }
    Ok(Outcome::Injected(Injection { patch, warnings }))
}

/// Everything that a pod gets.
struct Rendered {
    parts: Parts,
    documents: Vec<Document>,
    status: Status,
    warnings: Vec<String>,
}

/// Renders the sidecar of a pod without one.
fn render(pod: &Value, settings: &Settings, cluster: Cluster) -> Result<Rendered, Denied> {
    let template: PodTemplateSpec = serde_json::from_value(pod.clone()).map_err(|error| Denied {
        reasons: vec![format!("it is not a valid pod: {error}")],
    })?;
    let plan = Plan::new(&template, settings, cluster).map_err(|reasons| Denied { reasons })?;
    let documents = sidecar::documents(&plan.sidecar);
    let parts = sidecar::parts(&plan, &documents, settings).map_err(|error| Denied {
        // Never happens: structs of strings and numbers always serialise. A denial is still better than a panic.
        reasons: vec![format!("the sidecar cannot be written: {error}")],
    })?;
    let texts = documents.iter().map(|document| document.text.as_str());
    let extra = plan.extra_volumes.iter().filter_map(|volume| volume["name"].as_str());
    let status = Status {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config: fingerprint(texts.chain([parts.to_string().as_str()])),
        volumes: extra.map(str::to_owned).collect(),
    };
    Ok(Rendered {
        parts,
        documents,
        status,
        warnings: plan.warnings,
    })
}

fn is_labelled(pod: &Value) -> bool {
    let label = pod.pointer("/metadata/labels").and_then(|labels| labels.get(LABEL));
    label.and_then(Value::as_str) == Some("enabled")
}

fn annotations(pod: &Value) -> Option<&Map<String, Value>> {
    pod.pointer("/metadata/annotations").and_then(Value::as_object)
}

fn annotation<'a>(pod: &'a Value, key: &str) -> Option<&'a String> {
    match annotations(pod)?.get(key)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The mark of an injected pod, when the container is there as well. Either alone is a leftover of a copied manifest: a
/// mark without a container must not leave the pod unprotected.
fn mark(pod: &Value, settings: &Settings) -> Option<Status> {
    let text = annotation(pod, &format!("{}/{}", settings.annotation_prefix, written::STATUS))?;
    let status = serde_json::from_str(text).ok()?;
    let items = |list: &str| pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
    let mut containers = items("initContainers").into_iter().chain(items("containers")).flatten();
    containers
        .any(|container| container["name"] == names::PROXY)
        .then_some(status)
}

/// 64 bits of SHA-256, enough to tell two configurations of one cluster apart.
fn fingerprint<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
