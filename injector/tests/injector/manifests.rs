//! `injector render`, as a person calls it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use expect_test::{Expect, expect, expect_file};
use serde_json::Value;

const MYAPP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/examples/myapp.yaml");

fn injector(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_injector"));
    command.env_clear().args(args).output().unwrap()
}

/// The example, with annotations on its pod template.
fn myapp(annotations: &str) -> String {
    let manifest = fs::read_to_string(MYAPP).unwrap();
    let metadata = "    metadata:\n      labels:";
    assert!(manifest.contains(metadata));
    manifest.replace(metadata, &format!("    metadata:\n{annotations}      labels:"))
}

/// Renders a manifest from a file.
fn render(manifest: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifest.yaml");
    fs::write(&file, manifest).unwrap();
    injector(&[&["render", file.to_str().unwrap()], more].concat())
}

fn rendered(manifest: &str) -> String {
    let output = render(manifest, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn check_failure(output: Output, code: i32, expected: Expect) {
    let text = String::from_utf8(output.stderr).unwrap();
    // The name of a temporary folder differs from run to run.
    let text = text
        .split_whitespace()
        .map(|word| if word.contains("manifest.yaml") { "FILE:" } else { word });
    expected.assert_eq(&text.collect::<Vec<_>>().join(" "));
    assert_eq!(output.status.code(), Some(code));
    assert!(output.stdout.is_empty());
}

/// A rendered manifest with the documents that the crate `envoy` has golden files for cut out, and those documents:
/// bootstrap and filter resource.
fn without_documents(rendered: &str) -> (String, [String; 2]) {
    let mut documents = ["bootstrap", "filter-config"].map(|name| format!("        sidecar.wallarm.io/{name}: "));
    let part = "        sidecar.wallarm.io/filter-config-";
    let mut text = String::new();
    for line in rendered.lines() {
        if let Some(found) = documents.iter_mut().find(|start| line.starts_with(start.as_str())) {
            text.push_str(&format!("{found}…\n"));
            *found = serde_norway::from_str(&line[found.len()..]).unwrap();
        } else if line.starts_with(part) {
            text.push_str(&format!("{}…\n", &line[..part.len() + 3]));
        } else if let Some((start, _)) = line.split_once(r#""config":""#) {
            // The fingerprint of the documents.
            text.push_str(&format!("{start}\"config\":…\n"));
        } else {
            text.push_str(&format!("{line}\n"));
        }
    }
    (text, documents)
}

#[test]
fn example_is_rendered_as_committed() {
    let default = envoy::Sidecar {
        shed_near_memory_limit: true,
        // 4096 for each of two threads.
        max_connections: 8192,
        ..envoy::Sidecar::default()
    };
    let mut block = default.clone();
    block.filter.mode = waf_policy::Mode::Block;
    let mut ports = default.clone();
    ports.app.set_port(8080);
    ports.ports.ingress = 26011;
    for (name, annotations, sidecar) in [
        ("myapp", "", default),
        (
            "myapp-block",
            "      annotations:\n        sidecar.wallarm.io/wallarm-mode: block\n",
            block,
        ),
        (
            "myapp-ports",
            "      annotations:\n        sidecar.wallarm.io/application-port: \"8080\"\n        \
             sidecar.wallarm.io/proxy-listen-port: \"26011\"\n",
            ports,
        ),
    ] {
        let (text, [bootstrap, filter_config]) = without_documents(&rendered(&myapp(annotations)));
        expect_file![format!("../golden/{name}.yaml")].assert_eq(&text);
        assert_eq!(bootstrap, envoy::bootstrap(&sidecar).to_json());
        assert_eq!(filter_config, envoy::filter_config(&sidecar).to_json());
    }
}

#[test]
fn rendering_twice_is_rendering_once() {
    let once = rendered(&myapp(""));
    assert_eq!(rendered(&once), once);
}

#[test]
fn every_kind_of_workload_is_injected() {
    let template = "{metadata: {labels: {wallarm-sidecar: enabled}}, spec: {containers: [{name: app}]}}";
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"] {
        assert!(
            rendered(&format!("{{kind: {kind}, spec: {{template: {template}}}}}")).contains("sidecar-proxy"),
            "{kind}"
        );
    }
    let job = format!("{{spec: {{template: {template}}}}}");
    assert!(rendered(&format!("{{kind: CronJob, spec: {{jobTemplate: {job}}}}}")).contains("sidecar-proxy"));
    let pod = template.replacen('{', "{kind: Pod, ", 1);
    assert!(rendered(&pod).contains("sidecar-proxy"));
    assert!(rendered(&format!("{{kind: List, items: [{pod}]}}")).contains("sidecar-proxy"));
}

#[test]
fn everything_else_is_left_alone() {
    let manifest = "\
kind: Deployment
spec:
  template:
    metadata:
      labels:
        wallarm-sidecar: disabled
    spec:
      containers: 7
---
kind: Odd
big: 18446744073709551615
float: 1.5
text: 'off'
";
    assert_eq!(rendered(&format!("---\n{manifest}---\n---\n")), manifest);
}

#[test]
fn json_output_is_one_list() {
    let output = render(&myapp(""), &["-o", "json"]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["kind"], "List");
    assert_eq!(list["items"][0]["kind"], "Deployment");
    assert_eq!(list["items"][1]["kind"], "Service");
}

#[test]
fn denials_name_every_reason() {
    let annotations = "      annotations:\n        sidecar.wallarm.io/wallarm-mode: blocking\n        \
                       sidecar.wallarm.io/application-port: \"0\"\n";
    check_failure(
        render(&myapp(annotations), &[]),
        1,
        expect![[
            r#"injector: Deployment default/myapp: wallarm-sidecar cannot protect this pod: annotation sidecar.wallarm.io/application-port: "0" is not allowed (allowed: up to 8 different port numbers from 1 to 65535 with commas between them); annotation sidecar.wallarm.io/wallarm-mode: "blocking" is not allowed (allowed: off, monitoring, safe_blocking, block)"#
        ]],
    );
    check_failure(
        render("kind: [", &[]),
        1,
        expect![
            "injector: in FILE: document 1 of the manifest: did not find expected node content at line 2 column 1, while parsing a flow node"
        ],
    );
    check_failure(
        render("7", &[]),
        1,
        expect!["injector: in FILE: document 1 of the manifest: not a Kubernetes object"],
    );
}

#[test]
fn warnings_do_not_stop_rendering() {
    let output = render(
        &myapp("      annotations:\n        sidecar.wallarm.io/wallarm-parse-websocket: \"on\"\n"),
        &[],
    );
    assert!(output.status.success());
    expect![[r#"
        warning: Deployment default/myapp: annotation sidecar.wallarm.io/wallarm-parse-websocket has no effect yet: messages of WebSocket pass uninspected
    "#]]
    .assert_eq(&String::from_utf8(output.stderr).unwrap());
}

#[test]
fn settings_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.yaml");
    fs::write(
        &settings,
        "postanalytics: {host: 127.0.0.1, port: 4000}\nwallarm: {mode: block}\n",
    )
    .unwrap();
    let output = render(&myapp(""), &["--config", settings.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(r#""address":"127.0.0.1","port_value":4000"#) && text.contains(r#"\"mode\":\"block\""#),
        "{text}"
    );

    fs::write(&settings, "wallarm: {mode: blocking}").unwrap();
    let output = render(&myapp(""), &["--config", settings.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("key wallarm.mode"));
}

#[test]
fn unusable_arguments_exit_64() {
    for args in [&["render", "/does/not/exist"][..], &["render"], &["rendr"], &[]] {
        assert_eq!(injector(args).status.code(), Some(64), "{args:?}");
    }
    assert_eq!(injector(&["--help"]).status.code(), Some(0));
}

/// Annotations of a pod template, and other arguments.
fn scenarios() -> Vec<(&'static str, String, &'static [&'static str])> {
    let annotations = |pairs: &[(&str, &str)]| {
        let line = |(name, value): &(&str, &str)| format!("        sidecar.wallarm.io/{name}: '{value}'\n");
        format!("      annotations:\n{}", pairs.iter().map(line).collect::<String>())
    };
    vec![
        ("classic", String::new(), &["--kube-version", "1.28"]),
        (
            "split-without-iptables",
            annotations(&[
                ("wallarm-mode", "block"),
                ("sidecar-injection-schema", "split"),
                ("sidecar-injection-iptables-enable", "false"),
            ]),
            &[],
        ),
        (
            "several-ports",
            annotations(&[
                ("application-port", "80,8080"),
                ("application-address", "::1"),
                ("proxy-listen-address", "0.0.0.0"),
                ("proxy-status-port", "10300"),
                ("nginx-health-path", "/alive"),
                ("nginx-worker-processes", "4"),
            ]),
            &[],
        ),
        (
            "resources",
            annotations(&[
                ("proxy-image", "registry.example/proxy:1"),
                ("proxy-cpu", "250m"),
                ("proxy-cpu-limit", "3"),
                ("init-iptables-memory", "32Mi"),
            ]),
            &[],
        ),
        (
            "extra-volumes",
            annotations(&[
                (
                    "proxy-extra-volumes",
                    r#"[{"name": "more", "configMap": {"name": "more"}}]"#,
                ),
                (
                    "proxy-extra-volume-mounts",
                    r#"[{"name": "more", "mountPath": "/more/a.conf", "subPath": "a.conf"}]"#,
                ),
                ("nginx-location-include", r#"["/more/a.conf"]"#),
            ]),
            &[],
        ),
        (
            "snippets",
            annotations(&[
                (
                    "nginx-server-snippet",
                    "location /a { wallarm_mode off; } location ~* [.]php$ { wallarm_mode block; }",
                ),
                ("envoy-route-snippet", "{timeout: 30s}"),
                ("envoy-http-snippet", "{max_headers_count: 200}"),
                ("nginx-extra-modules", "[brotli_filter]"),
            ]),
            &[],
        ),
    ]
}

#[test]
fn scenarios_are_rendered_as_committed() {
    for (name, annotations, arguments) in scenarios() {
        let output = render(&myapp(&annotations), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (text, _) = without_documents(&String::from_utf8(output.stdout).unwrap());
        expect_file![format!("../golden/{name}.yaml")].assert_eq(&text);
    }
}

#[test]
fn envoy_accepts_what_rendered_pods_run() {
    envoy_accepts("", &[]);
    for (_, annotations, arguments) in scenarios() {
        envoy_accepts(&annotations, arguments);
    }
}

/// The folder that a pod would see, with the files that the volume shows and the command that the container runs.
fn envoy_accepts(annotations: &str, arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.yaml");
    let below = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let yaml = format!(
        "sidecar:\n  paths: {{envoy: {}, configDir: {}, runDir: {}, module: {}}}\n",
        envoy_binary().display(),
        below("etc"),
        below("run"),
        below("wallarm.wasm"),
    );
    fs::write(&settings, yaml).unwrap();
    let more = [&["-o", "json", "--config", settings.to_str().unwrap()], arguments].concat();
    let output = render(&myapp(annotations), &more);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let template = &list["items"][0]["spec"]["template"];

    let containers = ["initContainers", "containers"].map(|list| template["spec"][list].as_array());
    let mut containers = containers.into_iter().flatten().flatten();
    let proxy = containers
        .find(|container| container["name"] == "sidecar-proxy")
        .unwrap();
    let mount = &proxy["volumeMounts"][0];
    let volumes = template["spec"]["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
    let mounted = Path::new(mount["mountPath"].as_str().unwrap());
    fs::create_dir(mounted).unwrap();
    for item in volume["downwardAPI"]["items"].as_array().unwrap() {
        let field = item["fieldRef"]["fieldPath"].as_str().unwrap();
        let annotation = field
            .strip_prefix("metadata.annotations['")
            .unwrap()
            .strip_suffix("']")
            .unwrap();
        let content = template["metadata"]["annotations"][annotation].as_str().unwrap();
        fs::write(mounted.join(item["path"].as_str().unwrap()), content).unwrap();
    }

    let texts = |list: &Value| {
        let items = list.as_array().unwrap().iter();
        items
            .map(|item| item.as_str().unwrap().replace("$(POD_NAME).$(POD_NAMESPACE)", "a.b"))
            .collect::<Vec<_>>()
    };
    let command = texts(&proxy["command"]);
    let output = Command::new(&command[0])
        .args(texts(&proxy["args"]))
        .args(["--mode", "validate"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("OK"), "{text}");
}

/// Where the pinned Envoy is.
fn envoy_binary() -> PathBuf {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/envoy/1.40.0/bin/envoy");
    let path = std::env::var_os("WALLARM_ENVOY").map_or_else(|| installed.into(), PathBuf::from);
    assert!(path.exists(), "{} is missing: run cargo xtask setup", path.display());
    path
}
