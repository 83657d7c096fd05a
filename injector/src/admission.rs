//! Admission reviews: the question of the Kubernetes API server in, the answer out.
//!
//! The only place where refusals become webhook answers. Source: <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>.

use base64::prelude::{BASE64_STANDARD, Engine};
use http::StatusCode;
use json_patch::Patch;
use kube::core::{
    DynamicObject,
    admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, META_API_VERSION_V1, META_KIND, Operation},
};
use serde_json::Value;
use tracing::{info, warn};

use crate::{
    cluster::Cluster,
    inject::{Denied, Outcome, Untouched, inject, update},
    settings::Settings,
};

/// Most warnings in one answer; Kubernetes cuts long lists.
const MAX_WARNINGS: usize = 16;

/// An answer, and what to count.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What the API server gets: an `AdmissionReview` with a response.
    pub review: Value,
    /// How the review ended.
    pub decision: Decision,
    /// What people should be told besides. None for a dry run, which must have no side effects.
    pub notice: Option<Notice>,
}

/// Something to say about a pod to people who do not see the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// One word of Kubernetes' kind: `SidecarDenied` or `SidecarWarning`.
    pub reason: &'static str,
    /// The refusal, or all warnings.
    pub text: String,
    /// What it is about.
    pub subject: Subject,
}

/// An object of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// For example `apps/v1`.
    pub api_version: String,
    /// For example `ReplicaSet`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its id; none for a pod that does not exist yet.
    pub uid: Option<String>,
}

/// How a review ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The pod gets a sidecar.
    Injected,
    /// The pod is not labelled.
    NotLabelled,
    /// The pod has its sidecar already.
    AlreadyInjected,
    /// The request is about neither the creation nor a change of a pod.
    NotAPod,
    /// The pod is labelled and cannot be protected.
    Denied,
    /// The review itself is wrong.
    Malformed,
}

/// A body that is no review, so that there is nobody to address an answer to.
#[derive(Debug, thiserror::Error)]
#[error("not an AdmissionReview: {0}")]
pub struct Malformed(String);

/// Answers the review in `body`.
///
/// Errors: the body has no request id. Everything else is answered with a review, if need be a denial.
pub fn answer(body: &[u8], settings: &Settings, cluster: Cluster) -> Result<Answer, Malformed> {
    let document: Value = serde_json::from_slice(body).map_err(|error| Malformed(error.to_string()))?;
    let uid = document
        .pointer("/request/uid")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if uid.is_empty() {
        return Err(Malformed("request.uid is absent".to_owned()));
    }
    // The pod is taken from the document as it came: the typed request keeps only what this program knows.
    let pod = document.pointer("/request/object").unwrap_or(&Value::Null);
    let old_pod = document.pointer("/request/oldObject").unwrap_or(&Value::Null);
    let mut notice = None;
    let (response, decision) = match read_request(&document) {
        Ok(request) => {
            let (response, decision) = decide(&request, pod, old_pod, settings, cluster);
            if !request.dry_run {
                notice = Notice::new(
                    &response,
                    decision,
                    request.namespace.as_deref().unwrap_or_default(),
                    pod,
                );
            }
            (response, decision)
        }
        Err(reason) => {
            warn!(uid, reason, "Malformed admission review.");
            let mut response = AdmissionResponse::invalid(reason);
            response.uid = uid.to_owned();
            response.result.code = StatusCode::BAD_REQUEST.as_u16();
            (response, Decision::Malformed)
        }
    };
    let review = to_json(response).map_err(|error| Malformed(error.to_string()))?;
    Ok(Answer {
        review,
        decision,
        notice,
    })
}

/// The answer as the API server documents it: kube leaves the patch a list of numbers, four times as long as Base64.
fn to_json(mut response: AdmissionResponse) -> Result<Value, serde_json::Error> {
    let patch = response.patch.take();
    let mut review = serde_json::to_value(response.into_review())?;
    if let Some(patch) = patch {
        review["response"]["patch"] = BASE64_STANDARD.encode(patch).into();
    }
    Ok(review)
}

fn read_request(document: &Value) -> Result<AdmissionRequest<DynamicObject>, String> {
    let review: AdmissionReview<DynamicObject> =
        serde_json::from_value(document.clone()).map_err(|error| format!("malformed AdmissionReview: {error}"))?;
    if review.types.kind != META_KIND || review.types.api_version != META_API_VERSION_V1 {
        return Err(format!(
            "{} {} is not supported, {META_API_VERSION_V1} {META_KIND} is",
            review.types.api_version, review.types.kind
        ));
    }
    review
        .try_into()
        .map_err(|_| "malformed AdmissionReview: request is absent".to_owned())
}

fn decide(
    request: &AdmissionRequest<DynamicObject>,
    pod: &Value,
    old_pod: &Value,
    settings: &Settings,
    cluster: Cluster,
) -> (AdmissionResponse, Decision) {
    let allowed = AdmissionResponse::from(request);
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let name = pod_name(pod);
    let outcome = match request.operation {
        _ if request.kind.kind != "Pod" => return (allowed, Decision::NotAPod),
        Operation::Create => inject(pod, settings, cluster),
        Operation::Update => update(old_pod, pod, settings, cluster),
        _ => return (allowed, Decision::NotAPod),
    };
    match outcome {
        Ok(Outcome::Untouched(why)) => {
            info!(namespace, name, ?why, "Left alone.");
            let decision = match why {
                Untouched::NotLabelled => Decision::NotLabelled,
                Untouched::AlreadyInjected => Decision::AlreadyInjected,
            };
            (allowed, decision)
        }
        Ok(Outcome::Injected(injection)) => match with_patch(allowed.clone(), injection.patch) {
            Ok(mut response) => {
                info!(namespace, name, warnings = injection.warnings.len(), "Injected.");
                let mut warnings = injection.warnings;
                warnings.truncate(MAX_WARNINGS);
                response.warnings = (!warnings.is_empty()).then_some(warnings);
                (response, Decision::Injected)
            }
            Err(denied) => (deny(allowed, &denied), Decision::Denied),
        },
        Err(denied) => {
            warn!(namespace, name, %denied, "Denied.");
            (deny(allowed, &denied), Decision::Denied)
        }
    }
}

/// Never fails: a patch is made of JSON values. A denial is still better than a pod without its sidecar.
fn with_patch(response: AdmissionResponse, patch: Patch) -> Result<AdmissionResponse, Denied> {
    response.with_patch(patch).map_err(|error| Denied {
        reasons: vec![error.to_string()],
    })
}

fn deny(response: AdmissionResponse, denied: &Denied) -> AdmissionResponse {
    let mut response = response.deny(denied);
    response.result.code = StatusCode::FORBIDDEN.as_u16();
    response
}

/// What people call the pod. At admission a pod of a workload has only the beginning of its name.
fn pod_name(pod: &Value) -> &str {
    let text = |pointer| pod.pointer(pointer).and_then(Value::as_str);
    text("/metadata/name")
        .or(text("/metadata/generateName"))
        .unwrap_or_default()
}

// === impl Notice ===

impl Notice {
    /// What there is to say about this answer.
    fn new(response: &AdmissionResponse, decision: Decision, namespace: &str, pod: &Value) -> Option<Notice> {
        let warnings = response.warnings.as_deref().unwrap_or_default();
        let (reason, text) = match decision {
            Decision::Denied => ("SidecarDenied", response.result.message.clone()),
            _ if !warnings.is_empty() => ("SidecarWarning", warnings.join("\n")),
            _ => return None,
        };
        Some(Notice {
            reason,
            text,
            subject: Subject::new(namespace, pod),
        })
    }
}

// === impl Subject ===

impl Subject {
    /// The controller that creates the pod. For a pod that somebody creates directly: the pod, which has a name then.
    fn new(namespace: &str, pod: &Value) -> Subject {
        let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let controller = owners
            .into_iter()
            .flatten()
            .find(|owner| owner["controller"] == Value::Bool(true));
        let text = |key: &str| Some(controller?.get(key)?.as_str()?.to_owned());
        match (text("apiVersion"), text("kind"), text("name")) {
            (Some(api_version), Some(kind), Some(name)) => Subject {
                api_version,
                kind,
                namespace: namespace.to_owned(),
                name,
                uid: text("uid"),
            },
            _ => Subject {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                namespace: namespace.to_owned(),
                name: pod_name(pod).trim_end_matches('-').to_owned(),
                uid: None,
            },
        }
    }
}

// === impl Decision ===

impl Decision {
    /// The name used in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Injected => "injected",
            Decision::NotLabelled => "not_labelled",
            Decision::AlreadyInjected => "already_injected",
            Decision::NotAPod => "not_a_pod",
            Decision::Denied => "denied",
            Decision::Malformed => "malformed",
        }
    }
}

#[cfg(test)]
mod tests;
