//! What annotations may say, and how mistakes in them are named.

use expect_test::{Expect, expect, expect_file};

use super::*;

const PREFIX: &str = "sidecar.wallarm.io";

fn read(pairs: &[(&str, &str)]) -> Result<(Annotations, Vec<String>), Vec<Mistake>> {
    let own = |(name, value): &(&str, &str)| (format!("{PREFIX}/{name}"), (*value).to_owned());
    Annotations::read(&pairs.iter().map(own).collect(), PREFIX)
}

/// What is said about annotations: mistakes, or else warnings.
fn check(pairs: &[(&str, &str)], expected: Expect) {
    let lines = match read(pairs) {
        Ok((_, warnings)) => warnings,
        Err(mistakes) => mistakes.iter().map(Mistake::to_string).collect(),
    };
    expected.assert_eq(&lines.join("\n").replace("sidecar.wallarm.io/", "…/"));
}

fn taken(pairs: &[(&str, &str)]) -> Annotations {
    let (annotations, warnings) = read(pairs).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    annotations
}

#[test]
fn others_are_none_of_our_business() {
    let all = [
        ("a", "b"),
        ("sidecar.wallarm.iowallarm-mode", "x"),
        ("wallarm-mode", "x"),
        ("", ""),
    ];
    let all = all.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(
        Annotations::read(&all.into(), PREFIX),
        Ok((Annotations::default(), vec![]))
    );
}

#[test]
fn what_injection_writes_is_not_read() {
    for name in ["bootstrap", "filter-config", "filter-config-3", "tls-0", "status"] {
        assert_eq!(taken(&[(name, "x")]), Annotations::default());
    }
    for name in ["bootstrap-1", "tls", "status-1", "filter-config-x"] {
        assert!(read(&[(name, "x")]).is_err(), "{name}");
    }
}

/// One value that every annotation takes, so that no row of the table is forgotten.
#[test]
fn every_annotation_takes_a_value_that_its_page_allows() {
    for annotation in TABLE {
        let value = match annotation.name {
            "wallarm-parser-disable" => "base64; jwt;zlib",
            "profile" | "wallarm-node-group" => "example",
            "proxy-image" => "registry.example:5000/a/b:1.2@sha256:00ff",
            "proxy-extra-volumes" => r#"[{"name":"a","emptyDir":{}}]"#,
            "proxy-extra-volume-mounts" => r#"{"a":{"mountPath":"/a"}}"#,
            "wallarm-block-page" => "&/a/b.html response_code=445 type=attack,acl_ip;/url type=acl_source;@name;&$x",
            "envoy-http-snippet" => "{max_headers_count: 7, idle_timeout: 60s}",
            "envoy-virtual-host-snippet" => "response_headers_to_remove: [server]",
            "envoy-route-snippet" => r#"{"timeout":"15s"}"#,
            "nginx-http-snippet" => "wallarm_mode block; disable_acl on",
            "nginx-server-snippet" | "nginx-location-snippet" => "location /a { wallarm_mode off; }",
            "envoy-extra-filters" => "['brotli_filter', gzip]",
            "wallarm-upstream-reconnect-interval" => "15s",
            _ => match annotation.allowed.split(", ").next().unwrap() {
                words if words.starts_with("a list of absolute") => "['/a.conf']",
                words if words.contains("quantity") => "250m",
                words if words.contains("port number") => "8080",
                words if words.starts_with("a path") => "/a",
                words if words.contains("IP address") => "::1",
                words if words.contains("number") => "7",
                word => word,
            },
        };
        assert!(
            read(&[(annotation.name, value)]).is_ok(),
            "{}: {:?}",
            annotation.name,
            read(&[(annotation.name, value)])
        );
        // None takes everything.
        if !["profile", "wallarm-node-group"].contains(&annotation.name) {
            let mistakes = read(&[(annotation.name, "\"nonsense\": {")]).unwrap_err();
            assert!(mistakes[0].problem.contains(annotation.allowed), "{mistakes:?}");
        }
        for older in annotation.older_names {
            let (_, warnings) = read(&[(older, value)]).unwrap();
            assert!(
                warnings[0].ends_with(&format!("use {PREFIX}/{}", annotation.name)),
                "{warnings:?}"
            );
        }
    }
}

#[test]
fn names_are_unique() {
    let mut names = TABLE
        .iter()
        .flat_map(|annotation| annotation.older_names.iter().chain([&annotation.name]))
        .collect::<Vec<_>>();
    let n_names = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), n_names);
}

/// `UPDATE_EXPECT=1 cargo test -p injector` renews the page.
#[test]
fn the_page_is_that_of_the_table() {
    expect_file!["../../../docs/annotations.md"].assert_eq(&page());
}

#[test]
fn values_are_typed() {
    let read = taken(&[
        ("wallarm-mode", "block"),
        ("wallarm-application", "-1"),
        ("application-port", "8080, 9090"),
        ("proxy-listen-port", "26002,26003"),
        ("sidecar-injection-iptables-enable", "False"),
        ("wallarm-parser-disable", "json;base64"),
        ("proxy-cpu-limit", "2"),
        ("proxy-concurrency", "auto"),
    ]);
    assert_eq!(read.filtering.mode, Some(Mode::Block));
    assert_eq!(read.filtering.application, Some(Application::DEFAULT));
    assert_eq!(
        read.application_ports.iter().map(|port| port.get()).collect::<Vec<_>>(),
        [8080, 9090]
    );
    assert_eq!(read.listen_ports.len(), 2);
    assert_eq!(read.iptables_enable, Some(false));
    assert_eq!(read.filtering.disabled_parsers.unwrap().iter().count(), 2);
    assert_eq!(read.proxy_resources.limits["cpu"].0, "2");
    assert_eq!(read.concurrency, Some(Concurrency::Auto));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    check(
        &[
            ("wallarm-mode", "blocking"),
            ("wallarm-application", "0"),
            ("application-port", "80,http"),
            ("proxy-listen-port", "1,1"),
            ("sidecar-injection-iptables-enable", "yes"),
            ("sidecar-injection-schema", "double"),
            ("wallarm-fallback", "true"),
            ("wallarm-parser-disable", "cookie;yaml"),
            ("proxy-memory", "much"),
            ("proxy-extra-volumes", "[{\"emptyDir\":{}}]"),
            ("proxy-extra-volume-mounts", "[{'name'"),
            ("envoy-route-snippet", "{cluster: other}"),
            ("wallarm-block-page", "&/a.html response_code=99"),
            ("wallarm-mod", "block"),
            ("unheard-of", "x"),
        ],
        expect![[r#"
            annotation …/application-port: "80,http" is not allowed (allowed: up to 8 different port numbers from 1 to 65535 with commas between them)
            annotation …/envoy-route-snippet: "{cluster: other}" is not allowed: cluster: unknown field `cluster`, expected one of `timeout`, `idle_timeout`, `request_headers_to_add`, `request_headers_to_remove`, `response_headers_to_add`, `response_headers_to_remove` (allowed: YAML or JSON with timeout, idle_timeout, request_headers_to_add, request_headers_to_remove, response_headers_to_add, response_headers_to_remove)
            annotation …/proxy-extra-volume-mounts: "[{'name'" is not allowed: key must be a string at line 1 column 3 (allowed: a JSON list of volume mounts, or a JSON object of volume mounts by name)
            annotation …/proxy-extra-volumes: "[{\"emptyDir\":{}}]" is not allowed: an item has no name (allowed: a JSON list of volumes, or a JSON object of volumes by name)
            annotation …/proxy-listen-port: "1,1" is not allowed: a port stands there twice (allowed: as many different port numbers as there are application ports, with commas between them)
            annotation …/proxy-memory: "much" is not allowed (allowed: a quantity such as 100m or 256Mi)
            annotation …/sidecar-injection-iptables-enable: "yes" is not allowed (allowed: true, false)
            annotation …/sidecar-injection-schema: "double" is not allowed (allowed: single, split)
            annotation …/unheard-of: there is no such annotation; docs/annotations.md lists all
            annotation …/wallarm-application: "0" is not allowed (allowed: a positive number, or -1 for the default application)
            annotation …/wallarm-block-page: "&/a.html response_code=99" is not allowed: "&/a.html response_code=99" has a response_code that is not from 200 to 599 (allowed: pages with semicolons between them, each &/FILE.html, &$VARIABLE, /URL or @NAME with response_code=CODE and type=attack,acl_ip,acl_source)
            annotation …/wallarm-fallback: "true" is not allowed (allowed: on, off)
            annotation …/wallarm-mod: there is no such annotation; did you mean wallarm-mode?
            annotation …/wallarm-mode: "blocking" is not allowed (allowed: off, monitoring, safe_blocking, block)
            annotation …/wallarm-parser-disable: "cookie;yaml" is not allowed: parser "yaml" is not one of base64, cookie, form_urlencoded, gql, grpc, gzip, hex, htmljs, json_doc, jwt, multipart, percent, protobuf, viewstate, xml (also zlib, json, urlenc) (allowed: names of parsers with semicolons between them)"#]],
    );
}

#[test]
fn older_names_give_way() {
    check(
        &[("nginx-listen-port", "26002")],
        expect!["annotation …/nginx-listen-port is outdated: use …/proxy-listen-port"],
    );
    check(
        &[("nginx-listen-port", "26002"), ("proxy-listen-port", "26002")],
        expect!["annotation …/nginx-listen-port is outdated: use …/proxy-listen-port"],
    );
    check(
        &[("nginx-listen-port", "26003"), ("proxy-listen-port", "26002")],
        expect![[
            r#"annotation …/nginx-listen-port: "26003" is not allowed (allowed: "26002", as …/proxy-listen-port says, or no such annotation)"#
        ]],
    );
}

#[test]
fn what_has_no_effect_yet_is_said() {
    check(
        &[
            ("wallarm-parse-websocket", "on"),
            ("wallarm-parse-response", "off"),
            ("sidecar-injection-schema", "split"),
            ("api-firewall-enabled", "on"),
            ("nginx-extra-modules", "['brotli_filter','geoip2']"),
        ],
        expect![[r#"
            annotation …/api-firewall-enabled has no effect yet: API specifications are not enforced
            annotation …/nginx-extra-modules is outdated: use …/envoy-extra-filters
            annotation …/nginx-extra-modules: geoip2 is a module of NGINX that Envoy has no equivalent of; it has no effect
            annotation …/sidecar-injection-schema has no effect yet: there is no helper container: what it did for NGINX is done by postanalytics, once for all pods
            annotation …/wallarm-parse-websocket has no effect yet: messages of WebSocket pass uninspected"#]],
    );
}

#[test]
fn hostile_values_are_quoted_and_cut() {
    let long = "é".repeat(1000);
    check(
        &[
            ("wallarm-mode", "a\"b\n\\c\u{1b}[31m"),
            ("application-port", &long),
            (&long, "x"),
        ],
        expect![[r#"
            annotation …/application-port: "éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé…" is not allowed (allowed: up to 8 different port numbers from 1 to 65535 with commas between them)
            annotation …/wallarm-mode: "a\"b\n\\c\u{1b}[31m" is not allowed (allowed: off, monitoring, safe_blocking, block)
            annotation …/ééééééééééééééééééééééééééééééééééééééééééééé…: there is no such annotation; docs/annotations.md lists all"#]],
    );
}
