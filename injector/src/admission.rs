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
    inject::{Denied, Outcome, Untouched, inject},
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
    /// The request is not about the creation of a pod.
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
pub fn answer(body: &[u8], settings: &Settings) -> Result<Answer, Malformed> {
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
    let (response, decision) = match read_request(&document) {
        Ok(request) => decide(&request, pod, settings),
        Err(reason) => {
            warn!(uid, reason, "Malformed admission review.");
            let mut response = AdmissionResponse::invalid(reason);
            response.uid = uid.to_owned();
            response.result.code = StatusCode::BAD_REQUEST.as_u16();
            (response, Decision::Malformed)
        }
    };
    let review = to_json(response).map_err(|error| Malformed(error.to_string()))?;
    Ok(Answer { review, decision })
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
    settings: &Settings,
) -> (AdmissionResponse, Decision) {
    let allowed = AdmissionResponse::from(request);
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let name = pod_name(pod);
    if request.operation != Operation::Create || request.kind.kind != "Pod" {
        return (allowed, Decision::NotAPod);
    }
    match inject(pod, settings) {
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
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn review(object: Value) -> Value {
        json!({
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "request": {
                "uid": "0c9a8d74",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "namespace": "default",
                "operation": "CREATE",
                "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
                "object": object,
                "oldObject": null,
                "dryRun": false,
            },
        })
    }

    fn pod(annotations: Value) -> Value {
        json!({
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {
                "generateName": "myapp-",
                "labels": {"wallarm-sidecar": "enabled"},
                "annotations": annotations,
                "fromTheFuture": 1,
            },
            "spec": {"containers": [{"name": "app", "ports": [{"containerPort": 80}]}]},
        })
    }

    fn answered(review: &Value) -> (Value, Decision) {
        let answer = answer(review.to_string().as_bytes(), &Settings::default()).unwrap();
        (answer.review, answer.decision)
    }

    /// The decision and the answer, without the patch, whose content other tests look at.
    fn check(review: &Value, expected: Expect) {
        let (mut review, decision) = answered(review);
        if let Some(patch) = review["response"].get_mut("patch") {
            assert!(!patch.as_str().unwrap().is_empty());
            *patch = json!("…");
        }
        expected.assert_eq(&format!("{} {}", decision.as_str(), review["response"]));
    }

    #[test]
    fn labelled_pod_is_patched() {
        check(
            &review(pod(json!({}))),
            expect![[r#"injected {"uid":"0c9a8d74","allowed":true,"status":{},"patchType":"JSONPatch","patch":"…"}"#]],
        );
        check(
            &review(pod(json!({"sidecar.wallarm.io/wallarm-mod": "x"}))),
            expect![[
                r#"injected {"uid":"0c9a8d74","allowed":true,"status":{},"patchType":"JSONPatch","warnings":["annotation sidecar.wallarm.io/wallarm-mod is unknown and has no effect"],"patch":"…"}"#
            ]],
        );
    }

    #[test]
    fn patch_applies_to_the_pod_as_it_came() {
        let review = review(pod(json!({"a": "b"})));
        let (answer, _) = answered(&review);
        assert_eq!(
            (&answer["kind"], &answer["apiVersion"]),
            (&review["kind"], &review["apiVersion"])
        );
        let bytes = BASE64_STANDARD
            .decode(answer["response"]["patch"].as_str().unwrap())
            .unwrap();
        let patch: Patch = serde_json::from_slice(&bytes).unwrap();
        let mut pod = review["request"]["object"].clone();
        json_patch::patch(&mut pod, &patch).unwrap();
        assert_eq!(pod["spec"]["initContainers"][1]["name"], "sidecar-proxy");
        assert_eq!(pod["metadata"]["fromTheFuture"], 1);
    }

    #[test]
    fn others_pass() {
        check(
            &review(json!({"metadata": {}, "spec": {"containers": []}})),
            expect![[r#"not_labelled {"uid":"0c9a8d74","allowed":true,"status":{}}"#]],
        );
        let mut update = review(pod(json!({})));
        update["request"]["operation"] = json!("UPDATE");
        check(
            &update,
            expect![[r#"not_a_pod {"uid":"0c9a8d74","allowed":true,"status":{}}"#]],
        );
        let mut delete = review(json!(null));
        delete["request"]["operation"] = json!("DELETE");
        check(
            &delete,
            expect![[r#"not_a_pod {"uid":"0c9a8d74","allowed":true,"status":{}}"#]],
        );
    }

    #[test]
    fn mistakes_are_denied() {
        check(
            &review(pod(json!({"sidecar.wallarm.io/wallarm-mode": "blocking"}))),
            expect![[
                r#"denied {"uid":"0c9a8d74","allowed":false,"status":{"code":403,"message":"wallarm-sidecar cannot protect this pod: annotation sidecar.wallarm.io/wallarm-mode: \"blocking\" is not allowed (allowed: off, monitoring, safe_blocking, block)"}}"#
            ]],
        );
    }

    #[test]
    fn malformed_reviews_with_an_id_are_denied() {
        check(
            &json!({"request": {"uid": "1"}}),
            expect![[
                r#"malformed {"uid":"1","allowed":false,"status":{"status":"Failure","code":400,"message":"malformed AdmissionReview: missing field `kind`","reason":"InvalidRequest"}}"#
            ]],
        );
        let mut old = review(pod(json!({})));
        old["apiVersion"] = json!("admission.k8s.io/v1beta1");
        check(
            &old,
            expect![[
                r#"malformed {"uid":"0c9a8d74","allowed":false,"status":{"status":"Failure","code":400,"message":"admission.k8s.io/v1beta1 AdmissionReview is not supported, admission.k8s.io/v1 AdmissionReview is","reason":"InvalidRequest"}}"#
            ]],
        );
        check(
            &review(json!({"metadata": {"labels": 7}})),
            expect![[
                r#"malformed {"uid":"0c9a8d74","allowed":false,"status":{"status":"Failure","code":400,"message":"malformed AdmissionReview: invalid type: integer `7`, expected a map","reason":"InvalidRequest"}}"#
            ]],
        );
        check(
            &review(json!("pod")),
            expect![[
                r#"malformed {"uid":"0c9a8d74","allowed":false,"status":{"status":"Failure","code":400,"message":"malformed AdmissionReview: invalid type: string \"pod\", expected struct DynamicObject","reason":"InvalidRequest"}}"#
            ]],
        );
    }

    #[test]
    fn malformed_reviews_without_an_id_are_errors() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in [
            "",
            "{",
            "7",
            "[]",
            "{}",
            r#"{"request": {"uid": 7}}"#,
            r#"{"request": {"uid": ""}}"#,
            "\u{0}",
            &deep,
        ] {
            assert!(answer(body.as_bytes(), &Settings::default()).is_err(), "{body:.20}");
        }
        assert!(answer(b"\xff\xfe", &Settings::default()).is_err());
    }

    /// Somewhere in `value`, chosen by `path`, puts `other`.
    fn disturb(value: &mut Value, path: &[usize], other: Value) {
        let Some((step, rest)) = path.split_first() else {
            *value = other;
            return;
        };
        let child = match value {
            Value::Object(members) if !members.is_empty() => {
                let idx = step % members.len();
                members.values_mut().nth(idx)
            }
            Value::Array(items) if !items.is_empty() => {
                let idx = step % items.len();
                items.get_mut(idx)
            }
            _ => None,
        };
        match child {
            Some(child) => disturb(child, rest, other),
            None => *value = other,
        }
    }

    proptest! {
        #[test]
        fn disturbed_reviews_are_answered(
            path in proptest::collection::vec(any::<usize>(), 0..7),
            other in prop_oneof![
                Just(json!(null)), Just(json!([])), Just(json!({})), Just(json!(-1)), Just(json!("enabled")),
            ],
        ) {
            let mut review = review(pod(json!({"sidecar.wallarm.io/wallarm-mode": "block"})));
            disturb(&mut review, &path, other);
            match answer(review.to_string().as_bytes(), &Settings::default()) {
                Ok(answer) => {
                    let response = &answer.review["response"];
                    prop_assert_eq!(&response["uid"], &review["request"]["uid"]);
                    let is_allowed = !matches!(answer.decision, Decision::Denied | Decision::Malformed);
                    prop_assert_eq!(response["allowed"].as_bool(), Some(is_allowed));
                    prop_assert_eq!(response.get("patch").is_some(), answer.decision == Decision::Injected);
                }
                Err(Malformed(reason)) => prop_assert!(!reason.is_empty()),
            }
        }

        #[test]
        fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(answer(&body, &Settings::default()).is_err());
        }
    }
}
