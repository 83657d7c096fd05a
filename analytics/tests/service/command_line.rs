//! What people see: golden output of the real program, asking a real service.

use expect_test::{Expect, expect};
use jiff::SignedDuration;
use waf_proto::v1;

use crate::{
    running::{Running, eventually, program},
    sample,
};

/// Asks and compares the answer. What changes from run to run is replaced by words.
fn check(service: &Running, arguments: &[&str], expected: Expect) -> String {
    let output = program()
        .args(arguments)
        .args(["--server", &service.url()])
        .output()
        .unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    let remarks = String::from_utf8(output.stderr).unwrap();
    let all = if remarks.is_empty() {
        answer.clone()
    } else {
        format!("{answer}[{}] {remarks}", output.status.code().unwrap())
    };
    assert!(all.chars().all(|char| char == '\n' || !char.is_control()), "{all:?}");
    let mut text = String::new();
    for line in all.lines() {
        text.push_str(&blank(line, &service.url()));
        text.push('\n');
    }
    expected.assert_eq(&text);
    answer
}

/// Replaces ids, times and addresses of this run.
fn blank(line: &str, url: &str) -> String {
    let line = line.replace(url, "URL");
    let is_word = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | ':' | '.');
    let mut text = String::new();
    let mut rest = line.as_str();
    while let Some(char) = rest.chars().next() {
        let end = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end.max(char.len_utf8()));
        let is_id = word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_time = word.starts_with("20") && word.ends_with('Z') && word.contains('T');
        text.push_str(if is_id {
            "ID"
        } else if is_time {
            "TIME"
        } else {
            word
        });
        rest = after;
    }
    text
}

async fn with_hits() -> (tempfile::TempDir, Running) {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let minutes = SignedDuration::from_mins;
    let mut sqli = sample::hit(
        "sqli",
        "shop.example",
        "/items",
        minutes(3) + SignedDuration::from_secs(20),
    );
    sqli.request_id = "r-1".to_owned();
    let mut blocked = sqli.clone();
    blocked.action = v1::Action::Blocked.into();
    blocked.response_status = 403;
    blocked.mode = "block".to_owned();
    blocked.remote_addr = "2001:db8::1".to_owned();
    blocked.time.as_mut().unwrap().seconds += 60;
    blocked.request_id = "r-2".to_owned();
    let mut ptrav = sample::hit("ptrav", "shop.example", "/..%2f", minutes(61));
    ptrav.findings[0].point = sample::point(&[("uri", None)]);
    ptrav.findings[0].payload = br"..\..\etc/passwd".to_vec();
    ptrav.request_id = "r-3".to_owned();
    // Clears the screen, sets the window title, reverses text.
    let mut evil = sample::hit("xss", "evil\u{1b}[2J", "/\u{9b}31m", minutes(125));
    evil.findings[0].payload = b"<svg\x1b]0;owned\x07 onload=\xff\xe2\x80\xae>\r\nroot@prod:~#".to_vec();
    evil.findings[0].point = sample::point(&[("get", Some("\u{1b}[31mq\u{202e}"))]);
    evil.request_id = "\u{1b}c".to_owned();
    let mut reports = service.reports().await;
    let batch = sample::batch("shop-7d9c", 1, vec![evil, ptrav, sqli, blocked]);
    reports.report_hits(batch).await.unwrap();
    eventually("the hits are stored", || async {
        (service.metric("analytics_hits_applied_total") == 4.0).then_some(())
    })
    .await;
    (folder, service)
}

#[tokio::test]
async fn tables() {
    let (_folder, service) = with_hits().await;
    check(
        &service,
        &["attacks"],
        expect![[r#"
         LAST    TYPE   STATUS             HITS  SOURCES  ADDRESS                  POINT                           PAYLOAD                                                       ID
         2m ago  sqli   partially blocked     2        2  shop.example/items       ["get","id"]                    1' OR '1'='1                                                  ID
         1h ago  ptrav  monitored             1        1  shop.example/..%2f       ["uri"]                         ..\\..\\etc/passwd                                            ID
         2h ago  xss    monitored             1        1  evil\u{1b}[2j/\u{9b}31m  ["get","\\u001b[31mq\u{202e}"]  <svg\u{1b}]0;owned\u{7} onload=\xff\u{202e}>\r\nroot@prod:~#  ID
    "#]],
    );
    check(
        &service,
        &["hits", "--limit", "2"],
        expect![[r#"
            TIME    TYPE  ACTION     SOURCE       METHOD  ADDRESS             POINT         PAYLOAD       REQUEST ID
            2m ago  sqli  blocked    2001:db8::1  GET     shop.example/items  ["get","id"]  1' OR '1'='1  r-2
            3m ago  sqli  monitored  203.0.113.7  GET     shop.example/items  ["get","id"]  1' OR '1'='1  r-1
            [0] There are more hits, see --limit.
        "#]],
    );
    check(
        &service,
        &["attacks", "--type", "xss", "--type", "sqli", "--since", "1h"],
        expect![[r#"
             LAST    TYPE  STATUS             HITS  SOURCES  ADDRESS             POINT         PAYLOAD       ID
             2m ago  sqli  partially blocked     2        2  shop.example/items  ["get","id"]  1' OR '1'='1  ID
        "#]],
    );
    check(
        &service,
        &["hits", "--ip", "2001:DB8:0::1", "--host", "SHOP.example"],
        expect![[r#"
             TIME    TYPE  ACTION   SOURCE       METHOD  ADDRESS             POINT         PAYLOAD       REQUEST ID
             2m ago  sqli  blocked  2001:db8::1  GET     shop.example/items  ["get","id"]  1' OR '1'='1  r-2
        "#]],
    );
    check(
        &service,
        &["hits", "--type", "xss"],
        expect![[r#"
         TIME    TYPE  ACTION     SOURCE       METHOD  ADDRESS                  POINT                           PAYLOAD                                                       REQUEST ID
         2h ago  xss   monitored  203.0.113.7  GET     evil\u{1b}[2J/\u{9b}31m  ["get","\\u001b[31mq\u{202e}"]  <svg\u{1b}]0;owned\u{7} onload=\xff\u{202e}>\r\nroot@prod:~#  \u{1b}c
    "#]],
    );
    check(
        &service,
        &["attacks", "--host", "nowhere"],
        expect![[r#"
        No attacks.
    "#]],
    );
    check(
        &service,
        &["attacks", "--ip", "10.0.0.0/40"],
        expect![[r#"
        [1] error: filter.remote_addr: must be an address or a network such as 203.0.113.0/24 or 2001:db8::/32, found 10.0.0.0/40
    "#]],
    );
    check(
        &service,
        &[
            "hits",
            "type:sqli,xss",
            "ip:203.0.113.0/24 !type:xss",
            "since:1h",
            "!blocked",
        ],
        expect![[r#"
            TIME    TYPE  ACTION     SOURCE       METHOD  ADDRESS             POINT         PAYLOAD       REQUEST ID
            3m ago  sqli  monitored  203.0.113.7  GET     shop.example/items  ["get","id"]  1' OR '1'='1  r-1
        "#]],
    );
    check(
        &service,
        &["attacks", "blocked"],
        expect![[r#"
        LAST    TYPE  STATUS             HITS  SOURCES  ADDRESS             POINT         PAYLOAD       ID
        2m ago  sqli  partially blocked     2        2  shop.example/items  ["get","id"]  1' OR '1'='1  ID
    "#]],
    );
    check(
        &service,
        &["attacks", "colour:red"],
        expect![[r#"
        [1] error: filter.text: must be one of type:, host:, ip:, since:, until: and blocked, found colour:red
    "#]],
    );
    check(
        &service,
        &["attack", "00000000000000aa"],
        expect![[r#"
        [1] error: there is no attack ID
    "#]],
    );
}

#[tokio::test]
async fn one_attack() {
    let (_folder, service) = with_hits().await;
    let json = check(
        &service,
        &["attacks", "--type", "sqli", "-o", "json"],
        expect![[r#"
            [
              {
                "id": "ID",
                "attack_type": "sqli",
                "status": "partially blocked",
                "hits": 2,
                "blocked_hits": 1,
                "counted_hits": 0,
                "sources": 2,
                "application": -1,
                "host": "shop.example",
                "path": "/items",
                "point": [
                  "get",
                  "id"
                ],
                "payload": "1' OR '1'='1",
                "first_time": "TIME",
                "last_time": "TIME"
              }
            ]
        "#]],
    );
    let attacks: serde_json::Value = serde_json::from_str(&json).unwrap();
    let id = attacks[0]["id"].as_str().unwrap();
    check(
        &service,
        &["attack", id],
        expect![[r#"
            Attack       ID
            Type         sqli, SQL injection
            Status       partially blocked
            Address      shop.example/items
            Point        ["get","id"]
            Application  -1
            Hits         2, 1 blocked
            Sources      2
            First        TIME
            Last         TIME (2m ago)
            Payload      1' OR '1'='1
            Reason       a string literal is closed and a tautology follows

            Latest hits
            TIME    TYPE  ACTION     SOURCE       METHOD  ADDRESS             POINT         PAYLOAD       REQUEST ID
            2m ago  sqli  blocked    2001:db8::1  GET     shop.example/items  ["get","id"]  1' OR '1'='1  r-2
            3m ago  sqli  monitored  203.0.113.7  GET     shop.example/items  ["get","id"]  1' OR '1'='1  r-1
        "#]],
    );
    let hits = check(
        &service,
        &["hits", "--attack", id, "-o", "json", "--limit", "1"],
        expect![[r#"
            [
              {
                "id": "ID",
                "attack_id": "ID",
                "node": "shop-7d9c",
                "attack_type": "sqli",
                "time": "TIME",
                "request_id": "r-2",
                "application": -1,
                "remote_addr": "2001:db8::1",
                "method": "GET",
                "host": "shop.example",
                "path": "/items",
                "mode": "block",
                "action": "blocked",
                "response_status": 403,
                "findings": [
                  {
                    "point": [
                      "get",
                      "id"
                    ],
                    "payload": "1' OR '1'='1",
                    "reason": "a string literal is closed and a tautology follows",
                    "stamps": [
                      7
                    ],
                    "span": [
                      1,
                      12
                    ],
                    "decoders": [
                      "percent"
                    ]
                  }
                ],
                "limits": []
              }
            ]
            [0] There are more hits, see --limit.
        "#]],
    );
    let hits: serde_json::Value = serde_json::from_str(&hits).unwrap();
    assert_eq!(hits[0]["attack_id"], id);
    assert_eq!(hits[0]["findings"][0]["point"], serde_json::json!(["get", "id"]));
}

#[tokio::test]
async fn json_keeps_hostile_bytes_apart_from_the_terminal() {
    let (_folder, service) = with_hits().await;
    let json = check(
        &service,
        &["attacks", "--type", "xss", "-o", "json"],
        expect![[r#"
            [
              {
                "id": "ID",
                "attack_type": "xss",
                "status": "monitored",
                "hits": 1,
                "blocked_hits": 0,
                "counted_hits": 0,
                "sources": 1,
                "application": -1,
                "host": "evil\u001b[2j",
                "path": "/\u009b31m",
                "point": [
                  "get",
                  "\u001b[31mq\u202e"
                ],
                "payload": "<svg\u001b]0;owned\u0007 onload=�\u202e>\r\nroot@prod:~#",
                "first_time": "TIME",
                "last_time": "TIME"
              }
            ]
        "#]],
    );
    let attacks: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(attacks[0]["host"], "evil\u{1b}[2j");
    assert_eq!(attacks[0]["path"], "/\u{9b}31m");
}
