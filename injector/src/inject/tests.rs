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
            annotation sidecar.wallarm.io/application-port: "web" is not allowed (allowed: up to 8 different port numbers from 1 to 65535 with commas between them)
            annotation sidecar.wallarm.io/wallarm-mode: "blocking" is not allowed (allowed: off, monitoring, safe_blocking, block)
            container "sidecar-proxy" exists already and the sidecar needs the name; rename it
            volume "wallarm-run" exists already and the sidecar needs the name; rename it
            container "sidecar-proxy" listens on port 10246, which the sidecar needs; set annotation sidecar.wallarm.io/proxy-status-port to a free port
            hostNetwork is true, so the sidecar would take the node's traffic; remove hostNetwork or the label
            container "istio-proxy" belongs to Istio, which redirects the pod's traffic by itself; either set annotation sidecar.wallarm.io/sidecar-injection-iptables-enable to "false" and let the Service's targetPort be proxy, or load the module into Istio's own proxy by a WasmPlugin and remove the label wallarm-sidecar"#]],
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
            "the sidecar needs port 18080 twice; set annotation sidecar.wallarm.io/proxy-metrics-port to a free port"
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

#[test]
fn several_ports_are_protected() {
    let pod = annotated("application-port", "8080,9090");
    let sidecar = sidecar_of(&pod);
    let pairs = sidecar.ingresses().map(|ingress| (ingress.port, ingress.app.port()));
    assert_eq!(pairs.collect::<Vec<_>>(), [(26001, 8080), (26002, 9090)]);
    let containers = &injected(&pod)["spec"]["initContainers"];
    assert_eq!(containers[0]["env"][0]["value"], "8080:26001 9090:26002");
    assert_eq!(
        containers[1]["ports"][1],
        json!({"containerPort": 26002, "name": "proxy-9090", "protocol": "TCP"})
    );
}

#[test]
fn meshes_that_come_later_are_refused() {
    for (key, value) in [("sidecar.istio.io/inject", "true"), ("linkerd.io/inject", "enabled")] {
        let mut pod = pod_with("/metadata/annotations", json!({key: value}));
        assert!(inject_default(&pod).is_err(), "{key}");
        pod["metadata"]["annotations"]["sidecar.wallarm.io/sidecar-injection-iptables-enable"] = json!("false");
        assert!(inject_default(&pod).is_ok(), "{key}");
    }
}

#[test]
fn a_mesh_that_came_after_us_is_refused() {
    let mut pod = injected(&labelled());
    pod["spec"]["initContainers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "istio-proxy"}));
    assert!(inject_default(&pod).is_err());
}

#[test]
fn what_another_webhook_adds_is_seen_in_the_second_pass() {
    let mut pod = injected(&pod_with("/spec/containers", json!([{"name": "app"}])));
    let http = json!({"name": "late", "ports": [{"name": "http", "containerPort": 8080}]});
    pod["spec"]["containers"].as_array_mut().unwrap().push(http);
    let again = injected(&pod);
    assert_eq!(again["spec"]["initContainers"][0]["env"][0]["value"], "8080:26001");
    let names = again["spec"]["initContainers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["sidecar-init-iptables", "sidecar-proxy"]);
    assert_eq!(
        inject_default(&again),
        Ok(Outcome::Untouched(Untouched::AlreadyInjected))
    );
}

#[test]
fn defaults_that_the_api_server_adds_change_nothing() {
    let mut pod = injected(&labelled());
    pod["spec"]["initContainers"][1]["terminationMessagePath"] = json!("/dev/termination-log");
    pod["spec"]["volumes"][0]["downwardAPI"]["defaultMode"] = json!(420);
    assert_eq!(inject_default(&pod), Ok(Outcome::Untouched(Untouched::AlreadyInjected)));
}

#[test]
fn volumes_of_annotations_are_added_once() {
    let pod = pod_with(
        "/metadata/annotations",
        json!({
            "sidecar.wallarm.io/proxy-extra-volumes": r#"[{"name": "more", "configMap": {"name": "a"}}]"#,
            "sidecar.wallarm.io/proxy-extra-volume-mounts": r#"[{"name": "more", "mountPath": "/more", "subPath": "b"}]"#,
        }),
    );
    let once = injected(&pod);
    assert_eq!(once["spec"]["volumes"][2]["configMap"]["name"], "a");
    let mounts = &once["spec"]["initContainers"][1]["volumeMounts"];
    assert_eq!(mounts[2], json!({"name": "more", "mountPath": "/more", "subPath": "b"}));
    assert_eq!(
        inject_default(&once),
        Ok(Outcome::Untouched(Untouched::AlreadyInjected))
    );
    for (name, path) in [
        ("wallarm-run", "/a"),
        ("absent", "/a"),
        ("more", "/etc"),
        ("more", "/run/wallarm/x"),
        ("more", "/a/../etc"),
    ] {
        let mut pod = pod.clone();
        let mount = json!([{"name": name, "mountPath": path}]).to_string();
        pod["metadata"]["annotations"]["sidecar.wallarm.io/proxy-extra-volume-mounts"] = json!(mount);
        assert!(inject_default(&pod).is_err(), "{name} {path}");
    }
}

#[test]
fn profiles_terminate_tls() {
    let settings = Settings::from_yaml(
        "profiles: {web: {sidecar: {volumes: [{name: certs, secret: {secretName: web}}], \
         volumeMounts: [{name: certs, mountPath: /certs, readOnly: true}]}, nginx: {servers: [{listen: ssl http2, include: \
         ['server_name a.example', 'ssl_certificate /certs/tls.crt', 'ssl_certificate_key /certs/tls.key']}]}}}",
    )
    .unwrap();
    let pod = annotated("profile", "web");
    let Ok(Outcome::Injected(injection)) = inject(&pod, &settings, Cluster::default()) else {
        panic!("not injected");
    };
    let mut after = pod.clone();
    json_patch::patch(&mut after, &injection.patch).unwrap();
    let annotations = &after["metadata"]["annotations"];
    assert!(
        annotations["sidecar.wallarm.io/tls-0"]
            .as_str()
            .unwrap()
            .contains("/certs/tls.crt")
    );
    assert!(
        annotations["sidecar.wallarm.io/bootstrap"]
            .as_str()
            .unwrap()
            .contains("a.example")
    );
    let files = after["spec"]["volumes"][0]["downwardAPI"]["items"].as_array().unwrap();
    assert_eq!(files[2]["path"], "tls-0.json");
    assert_eq!(after["spec"]["volumes"][2]["secret"]["secretName"], "web");
    assert_eq!(
        after["spec"]["initContainers"][1]["volumeMounts"][2]["mountPath"],
        "/certs"
    );
    let again = inject(&after, &settings, Cluster::default());
    assert_eq!(again, Ok(Outcome::Untouched(Untouched::AlreadyInjected)));
    // Never a pod without the protection that it asks for.
    check_denied(
        &pod,
        expect![[r#"profile "web" does not exist; the operator has set no config.profiles"#]],
    );
}

fn changed(old: &Value, key: &str, value: Option<&str>) -> Value {
    let mut new = old.clone();
    let annotations = new["metadata"]["annotations"].as_object_mut().unwrap();
    let key = format!("sidecar.wallarm.io/{key}");
    match value {
        Some(value) => annotations.insert(key, json!(value)),
        None => annotations.remove(&key),
    };
    new
}

fn update_default(old: &Value, new: &Value) -> Result<Outcome, Denied> {
    update(old, new, &Settings::default(), Cluster::default())
}

fn updated(old: &Value, new: &Value) -> (Value, Vec<String>) {
    let Ok(Outcome::Injected(Injection { patch, warnings })) = update_default(old, new) else {
        panic!("not changed");
    };
    let mut after = new.clone();
    json_patch::patch(&mut after, &patch).unwrap();
    (after, warnings)
}

fn mode_of(pod: &Value) -> String {
    let resource = pod["metadata"]["annotations"]["sidecar.wallarm.io/filter-config"]
        .as_str()
        .unwrap();
    let resource: Value = serde_json::from_str(resource).unwrap();
    let config = &resource["resources"][0]["typed_config"]["config"]["configuration"]["value"];
    let config: Value = serde_json::from_str(config.as_str().unwrap()).unwrap();
    config["mode"].as_str().unwrap().to_owned()
}

#[test]
fn a_running_pod_follows_its_annotations() {
    let old = injected(&labelled());
    let new = changed(&old, "wallarm-mode", Some("block"));
    let (after, warnings) = updated(&old, &new);
    assert_eq!(
        (mode_of(&old), mode_of(&after)),
        ("monitoring".to_owned(), "block".to_owned())
    );
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(after["spec"], old["spec"], "nothing else of a running pod can change");
    assert_eq!(
        update_default(&after, &after),
        Ok(Outcome::Untouched(Untouched::AlreadyInjected))
    );

    let (back, _) = updated(&after, &changed(&after, "wallarm-mode", None));
    assert_eq!(back, old);
}

#[test]
fn what_waits_for_a_new_pod_is_said() {
    let old = injected(&labelled());
    let new = changed(
        &changed(&old, "wallarm-mode", Some("off")),
        "proxy-listen-port",
        Some("26005"),
    );
    let (after, warnings) = updated(&old, &new);
    assert_eq!(mode_of(&after), "off");
    assert_eq!(
        warnings,
        ["a part of the annotations takes effect only when the pod is created again"]
    );
    let bootstrap = "sidecar.wallarm.io/bootstrap";
    assert_eq!(
        after["metadata"]["annotations"][bootstrap],
        old["metadata"]["annotations"][bootstrap]
    );
}

#[test]
fn what_injection_wrote_is_put_back() {
    let old = injected(&labelled());
    for key in ["filter-config", "bootstrap", "status"] {
        for value in [None, Some("{}")] {
            assert_eq!(updated(&old, &changed(&old, key, value)).0, old, "{key}");
        }
    }
}

#[test]
fn a_change_of_something_else_is_never_denied() {
    let old = changed(&injected(&labelled()), "wallarm-mode", Some("from an older version"));
    let mut new = old.clone();
    new["metadata"]["finalizers"] = json!(["a/b"]);
    new["metadata"]["labels"] = json!({});
    assert_eq!(
        update_default(&old, &new),
        Ok(Outcome::Untouched(Untouched::AlreadyInjected))
    );
    // A pod that never had a sidecar does not get one while it runs.
    let plain = pod_with(
        "/metadata/annotations",
        json!({"sidecar.wallarm.io/wallarm-mode": "block"}),
    );
    assert_eq!(
        update_default(&labelled(), &plain),
        Ok(Outcome::Untouched(Untouched::NotLabelled))
    );
}

#[test]
fn a_wrong_change_is_denied() {
    let old = injected(&labelled());
    let denied = update_default(&old, &changed(&old, "wallarm-mode", Some("blok"))).unwrap_err();
    assert!(denied.reasons[0].contains("wallarm-mode"), "{denied}");
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
    let key = prop_oneof![
        key,
        proptest::sample::select(crate::annotations::TABLE)
            .prop_map(|annotation| format!("sidecar.wallarm.io/{}", annotation.name))
    ];
    let value = prop_oneof![
        Just("block".to_owned()),
        Just("false".to_owned()),
        Just("on".to_owned()),
        Just("200m".to_owned()),
        Just("8080,9090".to_owned()),
        Just("/p".to_owned()),
        Just(r#"[{"name":"x","emptyDir":{}}]"#.to_owned()),
        Just("8080".to_owned()),
        ".{0,8}"
    ];
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
                // Structurally valid still, and nothing twice.
                let template: PodTemplateSpec = serde_json::from_value(once.clone()).unwrap();
                let spec = template.spec.unwrap();
                let names = spec.containers.iter().chain(spec.init_containers.iter().flatten()).map(|item| &item.name);
                let n_own = names.filter(|name| names::is_ours(name)).count();
                let redirects = spec.init_containers.iter().flatten().any(|item| item.name == names::IPTABLES);
                prop_assert_eq!(n_own, 1 + usize::from(redirects));
                prop_assert_eq!(inject_default(&once), Ok(Outcome::Untouched(Untouched::AlreadyInjected)));
            }
            Ok(Outcome::Untouched(why)) => prop_assert_eq!(why, Untouched::AlreadyInjected),
            Err(denied) => prop_assert!(!denied.reasons.is_empty()),
        }
    }
}
