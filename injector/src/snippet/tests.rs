//! What snippets may say.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(text: &str, expected: Expect) {
    let said = match read(text, Context::Server) {
        Ok((snippet, warnings)) => {
            let mut said = format!("{:?}\n", short(&snippet.filtering));
            for location in &snippet.locations {
                let Location {
                    modifier,
                    path,
                    filtering,
                } = location;
                said.push_str(&format!("{modifier} {path} {:?}\n", short(filtering)));
            }
            said + &warnings.join("\n")
        }
        Err(mistakes) => format!("refused\n{}", mistakes.join("\n")),
    };
    expected.assert_eq(said.trim_end());
}

fn short(filtering: &Filtering) -> (Option<String>, Option<i32>, Option<String>) {
    (
        filtering.mode.map(|mode| mode.to_string()),
        filtering.application.map(|application| application.get()),
        filtering.disabled_parsers.map(|parsers| format!("{parsers:?}")),
    )
}

#[test]
fn directives_of_filtering_are_read() {
    check(
        "wallarm_mode block; wallarm_application 7;wallarm_parser_disable base64; wallarm_parser_disable jwt; disable_acl on",
        expect![[r#"(Some("block"), Some(7), Some("{Base64, Jwt}"))"#]],
    );
}

#[test]
fn locations_are_parts_and_inherit() {
    check(
        r#"
        # Parts of one application.
        location /wallarm-mode/monitoring { wallarm_mode monitoring; }
        location ~* "\\.php$" { wallarm_application 3; }
        location /api { wallarm_application 4; location /api/deep { wallarm_mode "off"; } }
        location = /plain { proxy_pass http://x; }
        wallarm_mode block;
        "#,
        expect![[r#"
            (Some("block"), None, None)
             /wallarm-mode/monitoring (Some("monitoring"), None, None)
            ~* \.php$ (Some("block"), Some(3), None)
             /api (Some("block"), Some(4), None)
             /api/deep (Some("off"), Some(4), None)
            "proxy_pass http://x" has no effect: it is for NGINX; use an envoy-*-snippet"#]],
    );
}

#[test]
fn the_rest_is_named() {
    check(
        "gzip on; wallarm_timeslice 10; wallarm_rate_limit $remote_addr rate=10r/s; wallarm_parse_websocket on; disable_acl off; \
         wallarm_application $http_custom_id; if ($x) { set $y 1; }",
        expect![[r#"
            (None, None, None)
            "gzip on" has no effect: it is for NGINX; use an envoy-*-snippet
            "wallarm_timeslice 10" has no effect: the filter does not follow it yet
            "wallarm_rate_limit $remote_addr rate=10r/s" has no effect: the filter does not follow it yet
            "wallarm_parse_websocket on" has no effect: messages of WebSocket pass uninspected
            "disable_acl off" has no effect: there are no IP lists yet
            "wallarm_application $http_custom_id" has no effect: variables are not supported; the application of the block around it counts
            "if ($x)" has no effect: it is for NGINX; use an envoy-*-snippet"#]],
    );
}

#[test]
fn mistakes_are_all_named() {
    check(
        "wallarm_mode blok; wallarm_mod block; wallarm_mode; deny all; if ($x) { wallarm_mode off; } \
         if ($y) { return 403; } location ~ x { location /y { wallarm_mode off; } } location { } location /a%20b { } location ~ (?=a) { } location @x { }",
        expect![[r#"
            refused
            "wallarm_mode blok": "blok" is not allowed (allowed: off, monitoring, safe_blocking, block)
            there is no directive "wallarm_mod"
            "wallarm_mode": "" is not allowed (allowed: off, monitoring, safe_blocking, block)
            "deny all" would not be enforced; Envoy does not read it
            "wallarm_mode" inside of "if ($x)" is not supported
            "return" inside of "if ($y)" is not supported
            location "/y" inside of location "x" is not supported
            "location" needs a path
            location "/a%20b" is not allowed (allowed: a path of letters, digits and /-._~ that begins with /)
            location "(?=a)" is not a regular expression that Envoy reads (RE2)
            location "@x" is not allowed (allowed: a path of letters, digits and /-._~ that begins with /)"#]],
    );
    for text in ["a {", "a }", "\"a", "{}", &"a {".repeat(9)] {
        assert!(read(text, Context::Server).is_err(), "{text}");
    }
    assert!(read("location /a { wallarm_mode off; }", Context::Http).is_err());
}

#[test]
fn the_order_is_that_of_nginx() {
    let order = |text: &str| {
        let (snippet, _) = read(text, Context::Server).unwrap();
        ordered(&snippet.locations).map(|(parts, everything)| {
            let paths = parts.into_iter().map(|(path, _)| format!("{path:?}"));
            (
                paths.collect::<Vec<_>>().join(" "),
                everything.mode.map(|mode| mode.to_string()),
            )
        })
    };
    let off = |paths: &[&str]| {
        paths
            .iter()
            .map(|path| format!("location {path} {{ wallarm_mode off; }}"))
            .collect::<String>()
    };
    assert_eq!(
        order(&off(&["/a", "/a/b", "~ x", "= /a", "^~ /s", "~* y", "/"])),
        Ok((
            r#"Exact("/a") Prefix("/s") Regex("x") Regex("(?i)y") Prefix("/a/b") Prefix("/a")"#.to_owned(),
            Some("off".to_owned())
        ))
    );
    assert!(
        order(&off(&["^~ /s", "/s/t", "~ x"])).is_err(),
        "Envoy has no such order"
    );
    assert!(order(&off(&["^~ /s", "/s/t"])).is_ok());
    assert!(order(&off(&["/s", "^~ /s"])).is_err(), "twice");
    assert!(order(&off(&["/s", "= /s"])).is_ok());
    let many = (0..17).map(|idx| format!("/{idx}")).collect::<Vec<_>>();
    assert!(order(&off(&many.iter().map(String::as_str).collect::<Vec<_>>())).is_err());
}

proptest! {
    #[test]
    fn any_text_is_survived(text in proptest::collection::vec(
        proptest::sample::select(&[" ", ";", "{", "}", "\"", "'", "\\", "#", "\n", "=", "~", "$", "/a", "é", "location ", "wallarm_mode ", "block", "deny "][..]),
        0..40,
    )) {
        if let Ok((snippet, _)) = read(&text.concat(), Context::Server) {
            let _ = ordered(&snippet.locations);
        }
    }
}
