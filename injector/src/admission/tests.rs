//! Reviews in, answers out; well-formed, malformed and disturbed.

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
    let answer = answer(review.to_string().as_bytes(), &Settings::default(), Cluster::default()).unwrap();
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
            r#"denied {"uid":"0c9a8d74","allowed":false,"status":{"code":403,"message":"wallarm-sidecar cannot protect this pod: annotation sidecar.wallarm.io/wallarm-mod: there is no such annotation; did you mean wallarm-mode?"}}"#
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
        expect![[r#"not_labelled {"uid":"0c9a8d74","allowed":true,"status":{}}"#]],
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
fn owners_are_told_what_happened_to_their_pods() {
    let notice = |review: &Value| {
        let answer = answer(review.to_string().as_bytes(), &Settings::default(), Cluster::default()).unwrap();
        answer.notice
    };
    let mut denied = review(pod(json!({"sidecar.wallarm.io/wallarm-mode": "blocking"})));
    let of_pod = notice(&denied).unwrap();
    assert_eq!(of_pod.reason, "SidecarDenied");
    assert!(
        of_pod.text.contains("sidecar.wallarm.io/wallarm-mode"),
        "{}",
        of_pod.text
    );
    assert_eq!((&*of_pod.subject.kind, &*of_pod.subject.name), ("Pod", "myapp"));

    denied["request"]["object"]["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "v1", "kind": "Other", "name": "other", "uid": "1"},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "myapp-7", "uid": "2", "controller": true},
    ]);
    let expected = Subject {
        api_version: "apps/v1".to_owned(),
        kind: "ReplicaSet".to_owned(),
        namespace: "default".to_owned(),
        name: "myapp-7".to_owned(),
        uid: Some("2".to_owned()),
    };
    assert_eq!(notice(&denied).unwrap().subject, expected);

    let mut warned = review(pod(json!({"sidecar.wallarm.io/wallarm-parse-websocket": "on"})));
    assert_eq!(notice(&warned).unwrap().reason, "SidecarWarning");
    assert_eq!(notice(&review(pod(json!({})))), None);

    // A dry run says the same to its caller and nothing to anybody else.
    for review in [&mut denied, &mut warned] {
        let (real, _) = answered(review);
        review["request"]["dryRun"] = json!(true);
        assert_eq!(answered(review).0, real);
        assert_eq!(notice(review), None);
    }
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
        assert!(
            answer(body.as_bytes(), &Settings::default(), Cluster::default()).is_err(),
            "{body:.20}"
        );
    }
    assert!(answer(b"\xff\xfe", &Settings::default(), Cluster::default()).is_err());
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
        match answer(review.to_string().as_bytes(), &Settings::default(), Cluster::default()) {
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
        prop_assert!(answer(&body, &Settings::default(), Cluster::default()).is_err());
    }
}
