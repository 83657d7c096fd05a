//! Whether and how a pod gets its sidecar.
//!
//! Pure: the same pod and settings give the same answer. Idempotent: an injected pod is left as it is.

mod patch;

use json_patch::Patch;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{annotations::written, cluster::Cluster, names, plan::Plan, settings::Settings, sidecar};

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
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Status {
    schema: u32,
    /// Version of the webhook.
    version: String,
    /// Fingerprint of everything that was injected.
    config: String,
}

/// Decides about one pod, or one pod template: any object with `metadata` and `spec` of a pod.
///
/// Errors: the pod is labelled but cannot be protected. The reasons name what to change.
pub fn inject(pod: &Value, settings: &Settings, cluster: Cluster) -> Result<Outcome, Denied> {
    let label = pod.pointer("/metadata/labels").and_then(|labels| labels.get(LABEL));
    if label.and_then(Value::as_str) != Some("enabled") {
        return Ok(Outcome::Untouched(Untouched::NotLabelled));
    }
    let template: PodTemplateSpec = serde_json::from_value(pod.clone()).map_err(|error| Denied {
        reasons: vec![format!("it is not a valid pod: {error}")],
    })?;
    if is_injected(&template, settings) {
        return Ok(Outcome::Untouched(Untouched::AlreadyInjected));
    }
    let plan = Plan::new(&template, settings, cluster).map_err(|reasons| Denied { reasons })?;

    let bootstrap = envoy::bootstrap(&plan.sidecar).to_json();
    let filter_config = envoy::filter_config(&plan.sidecar).to_json();
    let parts = sidecar::parts(&plan, settings).map_err(|error| Denied {
        // Never happens: structs of strings and numbers always serialise. A denial is still better than a panic.
        reasons: vec![format!("the sidecar cannot be written: {error}")],
    })?;
    let status = Status {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config: fingerprint(&[&bootstrap, &filter_config, &parts.to_string()]),
    };
    let annotations = [
        (written::BOOTSTRAP, bootstrap),
        (written::FILTER_CONFIG, filter_config),
        (written::STATUS, serde_json::to_string(&status).unwrap_or_default()),
    ]
    .map(|(name, value)| (format!("{}/{name}", settings.annotation_prefix), value));
    Ok(Outcome::Injected(Injection {
        patch: patch::patch(pod, parts, annotations.into()),
        warnings: plan.warnings,
    }))
}

/// Whether both the mark and the container are there. Either alone is a leftover of a copied manifest: a mark without a
/// container must not leave the pod unprotected.
fn is_injected(template: &PodTemplateSpec, settings: &Settings) -> bool {
    let annotations = template.metadata.as_ref().and_then(|meta| meta.annotations.as_ref());
    let status = annotations.and_then(|all| all.get(&format!("{}/{}", settings.annotation_prefix, written::STATUS)));
    let is_marked = status.is_some_and(|text| serde_json::from_str::<Status>(text).is_ok());
    let containers = template
        .spec
        .iter()
        .flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
    is_marked && containers.into_iter().any(|container| container.name == names::PROXY)
}

/// 64 bits of SHA-256, enough to tell two configurations of one cluster apart.
fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
