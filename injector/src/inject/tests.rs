//! The rules of injection, one behaviour per test.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn labelled() -> Value {
    json!({
        "metadata": {"name": "myapp", "labels": {"wallarm-sidecar": "enabled"}},
        "spec": {"containers": [{"name": "app", "image": "httpbin", "ports": [{"name": "http", "containerPort": 80}]}]},
    })
}

/// A labelled pod with one thing changed.
fn pod_with(pointer: &str, value: Value) -> Value {
    let mut pod = labelled();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    pod.pointer_mut(parent).unwrap()[key.replace('~', "/")] = value;
    pod
}

fn annotated(key: &str, value: &str) -> Value {
    pod_with(
        "/metadata/annotations",
        json!({ format!("sidecar.wallarm.io/{key}"): value }),
    )
}

fn inject_default(pod: &Value) -> Result<Outcome, Denied> {
    inject(pod, &Settings::default(), Cluster::default())
}

fn injection(pod: &Value) -> Injection {
    match inject_default(pod) {
        Ok(Outcome::Injected(injection)) => injection,
        other => panic!("{other:?}"),
    }
}

fn injected(pod: &Value) -> Value {
    let mut after = pod.clone();
    json_patch::patch(&mut after, &injection(pod).patch).unwrap();
    after
}

fn sidecar_of(pod: &Value) -> envoy::Sidecar {
    let template = serde_json::from_value(pod.clone()).unwrap();
    Plan::new(&template, &Settings::default(), Cluster::default())
        .unwrap()
        .sidecar
}

/// The operations of the patch, without the long values.
fn check_operations(pod: &Value, expected: Expect) {
    let summary = |value: &Value| match value {
        Value::Array(items) => format!("{} items", items.len()),
        Value::Object(object) => match object.get("name") {
            Some(name) => format!("{name}"),
            None => format!("{:?}", object.keys().collect::<Vec<_>>()),
        },
        _ => "text".to_owned(),
    };
    let lines = injection(pod)
        .patch
        .0
        .iter()
        .map(|operation| match operation {
            json_patch::PatchOperation::Add(add) => format!("add {} {}\n", add.path, summary(&add.value)),
            json_patch::PatchOperation::Replace(replace) => format!("replace {}\n", replace.path),
            other => format!("{other}\n"),
        })
        .collect::<String>();
    expected.assert_eq(&lines);
}

fn check_denied(pod: &Value, expected: Expect) {
    expected.assert_eq(&inject_default(pod).unwrap_err().reasons.join("\n"));
}

#[test]
fn only_the_label_asks_for_a_sidecar() {
    let labels = [
        json!(null),
        json!({}),
        json!({"wallarm-sidecar": "disabled"}),
        json!({"wallarm-sidecar": "Enabled"}),
        json!({"wallarm-sidecar": true}),
        json!([]),
        json!("enabled"),
    ];
    for labels in labels {
        let pod = pod_with("/metadata/labels", labels);
        assert_eq!(
            inject_default(&pod),
            Ok(Outcome::Untouched(Untouched::NotLabelled)),
            "{pod}"
        );
    }
    // Whatever else is wrong with a pod that is not labelled is not for this webhook to say.
    for pod in [
        json!(null),
        json!(7),
        json!({}),
        json!({"metadata": 1}),
        json!({"spec": {"containers": 1}}),
    ] {
        assert_eq!(
            inject_default(&pod),
            Ok(Outcome::Untouched(Untouched::NotLabelled)),
            "{pod}"
        );
    }
}

#[test]
fn absent_lists_are_made() {
    check_operations(
        &labelled(),
        expect![[r#"
        add /spec/initContainers 2 items
        add /spec/volumes 2 items
        add /metadata/annotations ["sidecar.wallarm.io/bootstrap", "sidecar.wallarm.io/filter-config", "sidecar.wallarm.io/status"]
    "#]],
    );
}

#[test]
fn null_and_empty_lists_are_made() {
    for nothing in [json!(null), json!([])] {
        let mut pod = pod_with("/spec/initContainers", nothing.clone());
        pod["spec"]["volumes"] = nothing;
        pod["metadata"]["annotations"] = json!(null);
        assert_eq!(injected(&pod), injected(&labelled()));
    }
}

#[test]
fn present_lists_are_added_to() {
    let mut pod = pod_with("/spec/initContainers", json!([{"name": "migrate"}]));
    pod["spec"]["volumes"] = json!([{"name": "data"}]);
    pod["metadata"]["annotations"] = json!({"a": "b"});
    check_operations(
        &pod,
        expect![[r#"
        add /spec/initContainers/0 "sidecar-init-iptables"
        add /spec/initContainers/1 "sidecar-proxy"
        add /spec/volumes/- "wallarm-config"
        add /spec/volumes/- "wallarm-run"
        add /metadata/annotations/sidecar.wallarm.io~1bootstrap text
        add /metadata/annotations/sidecar.wallarm.io~1filter-config text
        add /metadata/annotations/sidecar.wallarm.io~1status text
    "#]],
    );
    let pod = injected(&pod);
    let names = |list: &Value| {
        list.as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&pod["spec"]["initContainers"]),
        ["sidecar-init-iptables", "sidecar-proxy", "migrate"]
    );
    assert_eq!(
        names(&pod["spec"]["volumes"]),
        ["data", "wallarm-config", "wallarm-run"]
    );
    assert_eq!(pod["metadata"]["annotations"]["a"], "b");
}

#[test]
fn second_pass_changes_nothing() {
    let once = injected(&labelled());
    assert_eq!(
        inject_default(&once),
        Ok(Outcome::Untouched(Untouched::AlreadyInjected))
    );
}

#[test]
fn older_clusters_get_a_container_of_the_common_kind() {
    let old = Cluster::of_version("1", "28");
    let names = |pod: &Value, cluster| {
        let Ok(Outcome::Injected(injection)) = inject(pod, &Settings::default(), cluster) else {
            panic!("not injected");
        };
        let mut after = pod.clone();
        json_patch::patch(&mut after, &injection.patch).unwrap();
        let twice = inject(&after, &Settings::default(), cluster);
        assert_eq!(twice, Ok(Outcome::Untouched(Untouched::AlreadyInjected)));
        let list = |pointer: &str| {
            let items = after.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
            items
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        [list("/spec/initContainers"), list("/spec/containers")]
    };
    let native = ["sidecar-init-iptables sidecar-proxy", "app"];
    let classic = ["sidecar-init-iptables", "app sidecar-proxy"];
    assert_eq!(names(&labelled(), Cluster::default()), native);
    assert_eq!(names(&labelled(), old), classic);
    let annotation = "sidecar-injection-native-enable";
    assert_eq!(names(&annotated(annotation, "false"), Cluster::default()), classic);
    assert_eq!(names(&annotated(annotation, "true"), old), native);
}

#[test]
fn mark_without_sidecar_is_not_believed() {
    for mark in ["injected", "not-injected", r#"{"schema":1,"version":"9","config":"0"}"#] {
        let pod = injected(&annotated("status", mark));
        let status = pod["metadata"]["annotations"]["sidecar.wallarm.io/status"]
            .as_str()
            .unwrap();
        assert!(
            status.starts_with(r#"{"schema":1,"version":"#) && status != mark,
            "{status}"
        );
        assert_eq!(pod["spec"]["initContainers"][1]["name"], "sidecar-proxy");
    }
    check_operations(
        &annotated("status", "injected"),
        expect![[r#"
        add /spec/initContainers 2 items
        add /spec/volumes 2 items
        add /metadata/annotations/sidecar.wallarm.io~1bootstrap text
        add /metadata/annotations/sidecar.wallarm.io~1filter-config text
        replace /metadata/annotations/sidecar.wallarm.io~1status
    "#]],
    );
}

#[test]
fn unknown_fields_of_the_pod_stay() {
    let mut pod = labelled();
    pod["spec"]["fromTheFuture"] = json!({"a": [1.5, null]});
    pod["spec"]["containers"][0]["alsoNew"] = json!(true);
    pod["metadata"]["odd"] = json!("x");
    let after = injected(&pod);
    for pointer in [
        "/spec/fromTheFuture",
        "/spec/containers",
        "/metadata/odd",
        "/metadata/labels",
    ] {
        assert_eq!(after.pointer(pointer), pod.pointer(pointer));
    }
}

#[test]
fn port_discovery_order() {
    let port = |ports: Value| sidecar_of(&pod_with("/spec/containers", ports)).app.port();
    let two = json!([{"name": "a", "ports": [{"containerPort": 9000}, {"containerPort": 9001}]}, {"name": "b", "ports": [{"name": "http", "containerPort": 8080}]}]);
    assert_eq!(port(two), 8080, "a port named http wins in any container");
    assert_eq!(
        port(json!([{"name": "a"}, {"name": "b", "ports": [{"containerPort": 9000}, {"containerPort": 9001}]}])),
        9000,
        "else the first"
    );
    assert_eq!(
        port(
            json!([{"name": "a", "ports": [{"name": "http", "containerPort": 53, "protocol": "UDP"}, {"containerPort": 9000, "protocol": "TCP"}]}])
        ),
        9000,
        "only TCP counts"
    );
    assert_eq!(port(json!([{"name": "a"}])), 80, "else the setting");
    assert_eq!(
        sidecar_of(&annotated("application-port", "8443")).app.port(),
        8443,
        "the annotation beats all"
    );
}

#[test]
fn annotations_beat_settings() {
    let sidecar = sidecar_of(&annotated("wallarm-mode", "block"));
    assert_eq!(sidecar.filter.mode, waf_policy::Mode::Block);
    assert_eq!(sidecar_of(&labelled()).filter.mode, waf_policy::Mode::Monitoring);
    assert_eq!(
        sidecar_of(&annotated("wallarm-application", "7"))
            .filter
            .application
            .get(),
        7
    );
    for key in ["proxy-listen-port", "nginx-listen-port"] {
        assert_eq!(sidecar_of(&annotated(key, "26002")).ports.ingress, 26002);
    }
}

#[test]
fn redirect_can_be_switched_off() {
    let names = |pod: &Value| {
        pod["spec"]["initContainers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].clone())
            .collect::<Vec<_>>()
    };
    let pod = annotated("sidecar-injection-iptables-enable", "false");
    assert_eq!(names(&injected(&pod)), ["sidecar-proxy"]);
}

#[test]
fn memory_limit_switches_shedding_on() {
    let no_limit = Settings::from_yaml("sidecar: {containers: {proxy: {resources: {}}}}").unwrap();
    let template = serde_json::from_value(labelled()).unwrap();
    assert!(
        !Plan::new(&template, &no_limit, Cluster::default())
            .unwrap()
            .sidecar
            .shed_near_memory_limit
    );
    assert!(
        Plan::new(&template, &Settings::default(), Cluster::default())
            .unwrap()
            .sidecar
            .shed_near_memory_limit
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let mut pod = annotated("wallarm-mode", "blocking");
    pod["metadata"]["annotations"]["sidecar.wallarm.io/application-port"] = json!("web");
    pod["spec"]["hostNetwork"] = json!(true);
    pod["spec"]["volumes"] = json!([{"name": "wallarm-run"}]);
    pod["spec"]["containers"] =
        json!([{"name": "sidecar-proxy", "ports": [{"containerPort": 10246}]}, {"name": "istio-proxy"}]);
    check_denied(
        &pod,
        expect![[r#"
        annotation sidecar.wallarm.io/application-port: "web" is not allowed (allowed: a port number from 1 to 65535)
        annotation sidecar.wallarm.io/wallarm-mode: "blocking" is not allowed (allowed: off, monitoring, safe_blocking, block)
        container "sidecar-proxy" exists already and the sidecar needs the name; rename it
        volume "wallarm-run" exists already and the sidecar needs the name; rename it
        container "sidecar-proxy" listens on port 10246, which the sidecar needs; the operator can move it by nginx.statusPort
        hostNetwork is true, so the sidecar would take the node's traffic; remove hostNetwork or the label
        container "istio-proxy" redirects the pod's traffic already; load the filter into the mesh instead, or set annotation sidecar.wallarm.io/sidecar-injection-iptables-enable to false"#]],
    );
}

#[test]
fn port_collisions_are_refused() {
    check_denied(
        &annotated("application-port", "26001"),
        expect![
            "application port 26001 is a port of the sidecar; set annotation sidecar.wallarm.io/proxy-listen-port to a free port"
        ],
    );
    check_denied(
        &annotated("proxy-listen-port", "80"),
        expect![[
            r#"container "app" listens on port 80, which the sidecar needs; set annotation sidecar.wallarm.io/proxy-listen-port to a free port"#
        ]],
    );
    check_denied(
        &annotated("proxy-listen-port", "18080"),
        expect![
            "port 18080 is the sidecar's status or metrics port too; set annotation sidecar.wallarm.io/proxy-listen-port to another one"
        ],
    );
    // A UDP port is another port.
    let dns = json!([{"name": "app", "ports": [{"containerPort": 26001, "protocol": "UDP"}]}]);
    injection(&pod_with("/spec/containers", dns));
}

#[test]
fn malformed_pods_are_refused() {
    check_denied(&pod_with("/spec", json!(null)), expect!["it has no spec"]);
    check_denied(
        &pod_with("/spec/containers", json!({"a": 1})),
        expect!["it is not a valid pod: invalid type: map, expected a sequence"],
    );
    check_denied(
        &pod_with("/metadata/annotations", json!({"sidecar.wallarm.io/wallarm-mode": 7})),
        expect!["it is not a valid pod: invalid type: integer `7`, expected a string"],
    );
}

#[test]
fn changed_configuration_changes_the_fingerprint() {
    let status = |pod: Value| injected(&pod)["metadata"]["annotations"]["sidecar.wallarm.io/status"].clone();
    assert_eq!(status(labelled()), status(labelled()));
    assert_ne!(status(labelled()), status(annotated("wallarm-mode", "block")));
    assert_ne!(status(labelled()), status(annotated("proxy-listen-port", "26002")));
}

/// Pods with and without every part that injection touches, many of them hostile.
fn any_pod() -> impl Strategy<Value = Value> {
    let name = prop_oneof![Just("app".to_owned()), Just("sidecar-proxy".to_owned()), "[a-z]{1,5}"];
    let port = prop_oneof![Just(80), Just(26001), Just(10246), -1..70000i32];
    let protocol = prop_oneof![Just(json!(null)), Just(json!("TCP")), Just(json!("UDP"))];
    let port = (port, protocol, proptest::option::of("http|web"))
        .prop_map(|(port, protocol, name)| json!({"containerPort": port, "protocol": protocol, "name": name}));
    let container = (name.clone(), proptest::collection::vec(port, 0..3))
        .prop_map(|(name, ports)| json!({"name": name, "ports": ports}));
    let containers = prop_oneof![
        Just(json!(null)),
        proptest::collection::vec(container, 0..3).prop_map(Value::from)
    ];
    let volumes = prop_oneof![
        Just(json!(null)),
        proptest::collection::vec(name.prop_map(|name| json!({"name": name})), 0..3).prop_map(Value::from)
    ];
    let key = prop_oneof![
        Just("sidecar.wallarm.io/status".to_owned()),
        Just("sidecar.wallarm.io/wallarm-mode".to_owned()),
        Just("sidecar.wallarm.io/application-port".to_owned()),
        "[a-z~/]{1,6}",
    ];
    let value = prop_oneof![Just("block".to_owned()), Just("8080".to_owned()), ".{0,8}"];
    let annotations = prop_oneof![
        Just(json!(null)),
        proptest::collection::btree_map(key, value, 0..4).prop_map(|map| json!(map))
    ];
    (
        containers.clone(),
        containers,
        volumes,
        annotations,
        proptest::option::of(any::<bool>()),
    )
        .prop_map(|(containers, init_containers, volumes, annotations, host_network)| {
            json!({
                "metadata": {"labels": {"wallarm-sidecar": "enabled"}, "annotations": annotations},
                "spec": {
                    "containers": containers,
                    "initContainers": init_containers,
                    "volumes": volumes,
                    "hostNetwork": host_network,
                },
            })
        })
}

proptest! {
    #[test]
    fn twice_is_once(pod in any_pod()) {
        match inject_default(&pod) {
            Ok(Outcome::Injected(injection)) => {
                let mut once = pod.clone();
                json_patch::patch(&mut once, &injection.patch).unwrap();
                prop_assert_eq!(inject_default(&once), Ok(Outcome::Untouched(Untouched::AlreadyInjected)));
            }
            Ok(Outcome::Untouched(why)) => prop_assert_eq!(why, Untouched::AlreadyInjected),
            Err(denied) => prop_assert!(!denied.reasons.is_empty()),
        }
    }
}
