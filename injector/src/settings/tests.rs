//! What settings may say, and how mistakes in them are named.

use super::*;

fn check_error(yaml: &str, expected: &str) {
    assert_eq!(Settings::from_yaml(yaml).unwrap_err().to_string(), expected);
}

#[test]
fn empty_means_defaults() {
    for yaml in ["", "\n# nothing\n", "{}", "wallarm: {}"] {
        assert_eq!(Settings::from_yaml(yaml).unwrap(), Settings::default());
    }
}

#[test]
fn written_keys_win() {
    let yaml = "
wallarm:
  mode: off
nginx:
  listenPort: 8000
  setRealIpFrom: [192.0.2.1]
sidecar:
  image: {registry: registry.example, tag: latest}
  containers:
    proxy:
      resources: {limits: {cpu: 1, memory: 1Gi}}
";
    let settings = Settings::from_yaml(yaml).unwrap();
    assert_eq!(settings.wallarm.mode, Mode::Off);
    assert_eq!(settings.nginx.listen_port.get(), 8000);
    assert_eq!(settings.nginx.status_port.get(), 10246);
    assert_eq!(settings.nginx.set_real_ip_from, ["192.0.2.1".parse().unwrap()]);
    assert_eq!(
        settings.sidecar.image.reference(),
        "registry.example/wallarm-sidecar/proxy:latest"
    );
    let resources = settings.sidecar.containers.proxy.resources;
    assert_eq!(resources.limits, quantities(&[("cpu", "1"), ("memory", "1Gi")]));
    assert!(resources.requests.is_empty());
}

#[test]
fn whole_reference_beats_its_parts() {
    let image = Image {
        registry: "ignored".to_owned(),
        fullname: "registry.example/proxy@sha256:00".to_owned(),
        ..Image::default()
    };
    assert_eq!(image.reference(), "registry.example/proxy@sha256:00");
}

#[test]
fn errors_name_the_key() {
    check_error(
        "wallarm: {mode: blocking}",
        r#"settings, key wallarm.mode: mode "blocking" is not one of off, monitoring, safe_blocking, block"#,
    );
    check_error(
        "nginx: {statusPort: 26001}",
        "settings, key nginx.statusPort: 26001 is nginx.listenPort too",
    );
    check_error(
        "postanalytics: {host: 'http://x/'}",
        r#"settings, key postanalytics.host: "http://x/" is not a host name or address"#,
    );
    check_error(
        "sidecar: {paths: {runDir: run}}",
        r#"settings, key sidecar.paths.runDir: "run" is not an absolute path without a slash at its end"#,
    );
    check_error(
        "annotationPrefix: a/b",
        r#"settings, key annotationPrefix: "a/b" is not a domain name such as sidecar.wallarm.io"#,
    );
}

#[test]
fn all_errors_are_named_at_once() {
    check_error(
        "
wallarm: {mode: blocking, colour: red}
nginx:
  listenPort: 0
  statusPort: 18080
  setRealIpFrom: [10.0.0.0/8, here, 192.0.2.0/24, 10.0.0.0/99, there]
annotationPrefix: ''
",
        concat!(
            r#"settings, key wallarm.mode: mode "blocking" is not one of off, monitoring, safe_blocking, block; "#,
            "key wallarm.colour: unknown field `colour`, expected `mode` or `enableLibDetection`; ",
            "key nginx.listenPort: invalid value: integer `0`, expected a nonzero u16; ",
            r#"key nginx.setRealIpFrom[1]: "here" is not an address range such as 10.0.0.0/8 or fd00::/8; "#,
            r#"key nginx.setRealIpFrom[3]: "10.0.0.0/99" is not an address range such as 10.0.0.0/8 or fd00::/8; "#,
            r#"key nginx.setRealIpFrom[4]: "there" is not an address range such as 10.0.0.0/8 or fd00::/8; "#,
            "key nginx.wallarmMetricsPort: 18080 is nginx.listenPort or nginx.statusPort too; ",
            r#"key annotationPrefix: "" is not a domain name such as sidecar.wallarm.io"#,
        ),
    );
}

#[test]
fn the_number_of_mistakes_is_bounded() {
    let yaml: String = (0..1000).map(|idx| format!("key{idx}: 1\n")).collect();
    assert_eq!(Settings::from_yaml(&yaml).unwrap_err().mistakes.len(), 32);
    let yaml = format!("nginx: {{setRealIpFrom: [{}]}}", "x, ".repeat(1000));
    assert_eq!(Settings::from_yaml(&yaml).unwrap_err().mistakes.len(), 32);
}

#[test]
fn mistyped_values_are_refused() {
    for (yaml, key) in [
        ("nginx: {listenPort: 0}", "nginx.listenPort"),
        ("nginx: {listenPort: 70000}", "nginx.listenPort"),
        ("nginx: {setRealIpFrom: [10.0.0.0/99]}", "nginx.setRealIpFrom[0]"),
        ("sidecar: {listenAddress: everywhere}", "sidecar.listenAddress"),
        (
            "injectionStrategy: {nativeSidecar: maybe}",
            "injectionStrategy.nativeSidecar",
        ),
        (
            "sidecar: {containers: {proxy: {resources: {limits: {cpu: lots}}}}}",
            "sidecar.containers.proxy.resources.limits.cpu",
        ),
    ] {
        let mistakes = Settings::from_yaml(yaml).unwrap_err().mistakes;
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert_eq!(mistakes[0].key, key, "{yaml}");
    }
}

#[test]
fn unknown_keys_are_refused() {
    for yaml in [
        "mode: block",
        "wallarm: {Mode: block}",
        "sidecar: {image: {name: x}}",
        "- 1",
    ] {
        assert!(Settings::from_yaml(yaml).is_err(), "{yaml}");
    }
}
