//! What each mode does to attacks, through the real Envoy.

use std::net::Ipv4Addr;

use e2e::{
    app::App,
    client::http1::Connection,
    collector::Collector,
    proxy::{Proxy, Setup},
};
use waf_policy::{FilterConfig, Mode};
use waf_proto::v1::{Action, Hit, point_element::Key};

/// A path traversal in each place that a client can put it.
fn attacks() -> Vec<(&'static str, Vec<u8>)> {
    const ATTACK: &str = "../../../../etc/passwd";
    let with_body = |path: &str, content_type: &str, body: &str| {
        let len = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: shop.example\r\nx-request-id: r-1\r\ncontent-type: {content_type}\r\ncontent-length: {len}\r\n\r\n{body}"
        )
        .into_bytes()
    };
    let without_body = |path_and_query: &str, field: &str| {
        format!("GET {path_and_query} HTTP/1.1\r\nhost: shop.example\r\n{field}\r\n").into_bytes()
    };
    vec![
        ("/query", without_body(&format!("/query?file={ATTACK}"), "")),
        (
            "/encoded",
            without_body("/encoded?file=..%2f..%2f..%2f..%2fetc%2fpasswd", ""),
        ),
        ("/header", without_body("/header", &format!("x-file: {ATTACK}\r\n"))),
        (
            "/cookie",
            without_body("/cookie", &format!("cookie: a=1; file={ATTACK}\r\n")),
        ),
        (
            "/form",
            with_body(
                "/form",
                "application/x-www-form-urlencoded",
                &format!("a=1&file={ATTACK}"),
            ),
        ),
        (
            "/json",
            with_body(
                "/json",
                "application/json",
                &format!(r#"{{"a":[1,{{"file":"{ATTACK}"}}]}}"#),
            ),
        ),
    ]
}

fn config(mode: Mode) -> FilterConfig {
    FilterConfig {
        mode,
        ..FilterConfig::default()
    }
}

/// Sends every attack on one connection per attack; returns statuses by path.
async fn send_attacks(proxy: &Proxy) -> anyhow::Result<Vec<(&'static str, u16)>> {
    let mut statuses = Vec::new();
    for (path, request) in attacks() {
        let mut connection = proxy.connect().await?;
        connection.send(&request).await?;
        statuses.push((path, connection.response().await?.status));
    }
    Ok(statuses)
}

fn all(status: u16) -> Vec<(&'static str, u16)> {
    attacks().into_iter().map(|(path, _)| (path, status)).collect()
}

fn check_hit(hit: &Hit, action: Action, status: u32) {
    assert_eq!(hit.attack_type, "ptrav");
    assert_eq!((hit.action(), hit.response_status), (action, status));
    assert_eq!(hit.host, b"shop.example");
    assert_eq!(hit.remote_addr, "127.0.0.1");
    assert_eq!(hit.application, -1);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let seconds = hit.time.as_ref().unwrap().seconds as u64;
    assert!(now.abs_diff(seconds) < 120, "{seconds}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn block_refuses_attacks_and_reports_them() -> anyhow::Result<()> {
    let app = App::start().await?;
    let collector = Collector::start((Ipv4Addr::LOCALHOST, 0).into()).await?;
    let proxy = Proxy::start(Setup {
        postanalytics: collector.address(),
        ..Setup::new(app.address(), config(Mode::Block))
    })
    .await?;

    // Clean requests pass on one connection, whatever happens to others.
    let mut clean = proxy.connect().await?;
    assert_eq!(clean.get("/clean?q=hello").await?.text(), "ok\n");

    assert_eq!(send_attacks(&proxy).await?, all(403));
    for (path, _) in attacks() {
        assert_eq!(app.received(path), None, "{path} reached the application");
        let hits = collector.wait_for(path, 1).await?;
        check_hit(&hits[0], Action::Blocked, 403);
        let line = proxy.access_log(path).await?;
        assert_eq!(
            (&line["code"], &line["details"]),
            (&403.into(), &"wallarm_block".into()),
            "{line}"
        );
        let field = line["waf"].as_str().unwrap_or_default();
        assert!(field.starts_with("blocked ptrav ["), "{line}");
    }
    assert_eq!(app.received("/query"), None);
    assert_eq!(clean.get("/clean2").await?.status, 200);

    let hit = &collector.wait_for("/json", 1).await?[0];
    assert_eq!((hit.mode.as_str(), hit.request_id.as_str()), ("block", "r-1"));
    let names: Vec<&str> = hit.findings[0]
        .point
        .iter()
        .map(|element| element.element.as_str())
        .collect();
    assert_eq!(names, ["post", "json_doc", "hash", "array", "hash"]);
    assert_eq!(hit.findings[0].point[3].key, Some(Key::Index(1)));
    assert_eq!(hit.findings[0].point[4].key, Some(Key::Name(b"file".to_vec())));
    let producer = collector.batches()[0].producer.clone().unwrap();
    assert_eq!(producer.node, "node-of-the-test");

    block_pages(&proxy).await?;
    metrics(&proxy).await
}

/// The page fits the client.
async fn block_pages(proxy: &Proxy) -> anyhow::Result<()> {
    let target = "/page?file=../../../../etc/passwd";
    for (fields, content_type, text) in [
        (
            "accept: text/html\r\n",
            "text/html; charset=utf-8",
            "<p>Request id: id-7</p>",
        ),
        (
            "accept: application/json\r\n",
            "application/json",
            r#""request_id":"id-7""#,
        ),
        (
            "content-type: application/json\r\n",
            "application/json",
            r#""request_id":"id-7""#,
        ),
    ] {
        let mut connection = proxy.connect().await?;
        let request = format!("GET {target} HTTP/1.1\r\nhost: shop\r\nx-request-id: id-7\r\n{fields}\r\n");
        connection.send(request).await?;
        let response = connection.response().await?;
        assert_eq!((response.status, response.header("content-type")), (403, content_type));
        assert_eq!(response.header("cache-control"), "no-store");
        assert!(response.text().contains(text), "{}", response.text());
    }
    Ok(())
}

/// Prometheus sees the module's counters with labels.
async fn metrics(proxy: &Proxy) -> anyhow::Result<()> {
    let page = proxy.admin("/stats/prometheus").await?;
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<u64>().ok())
    };
    let n_attacks = attacks().len() as u64 + 3;
    assert_eq!(
        value(r#"wallarm_hits_total{action="blocked",type="ptrav"}"#),
        Some(n_attacks),
        "{page}"
    );
    assert_eq!(value(r#"wallarm_hits_total{action="monitored",type="ptrav"}"#), Some(0));
    assert_eq!(value("wallarm_requests_blocked_total{}"), Some(n_attacks));
    assert_eq!(value("wallarm_verdicts_late_total{}"), Some(0));
    assert_eq!(value("wallarm_host_errors_total{}"), Some(0));
    assert!(value("wallarm_requests_total{}") >= Some(n_attacks + 2));
    assert_eq!(value(r#"wallarm_limits_reached_total{reason="body"}"#), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn monitoring_passes_attacks_unchanged_and_reports_them() -> anyhow::Result<()> {
    let app = App::start().await?;
    let collector = Collector::start((Ipv4Addr::LOCALHOST, 0).into()).await?;
    let mut proxy = Proxy::start(Setup {
        postanalytics: collector.address(),
        ..Setup::new(app.address(), config(Mode::Monitoring))
    })
    .await?;
    assert_eq!(send_attacks(&proxy).await?, all(200));
    for (path, request) in attacks() {
        let hits = collector.wait_for(path, 1).await?;
        check_hit(&hits[0], Action::Monitored, 200);
        let line = proxy.access_log(path).await?;
        assert_eq!(line["code"], 200);
        assert!(
            line["waf"]
                .as_str()
                .unwrap_or_default()
                .starts_with("monitored ptrav ["),
            "{line}"
        );

        let target = String::from_utf8(request.clone())?
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        let received = app.wait_for(&target).await?;
        let body_at = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(received.body, request[body_at..], "{path}");
    }

    update_without_restart(&mut proxy, &app).await
}

/// A changed file turns monitoring into blocking, for connections that are already open as well.
async fn update_without_restart(proxy: &mut Proxy, app: &App) -> anyhow::Result<()> {
    let target = "/update?file=../../../../etc/passwd";
    let mut kept: Connection = proxy.connect().await?;
    assert_eq!(kept.get(target).await?.status, 200);
    let before = app.n_bytes();
    proxy.update(|filter| filter.mode = Mode::Block)?;
    let updates = "extension_config_discovery.http_filter.wallarm.config_reload";
    proxy.wait_for_stat(updates, 2).await?;
    // The connection was opened before and still works.
    assert_eq!(kept.get(target).await?.status, 403);
    assert_eq!(app.n_bytes(), before);
    assert_eq!(kept.get("/update/clean").await?.status, 200);

    // A configuration that the module refuses changes nothing.
    let rejected = "extension_config_discovery.http_filter.wallarm.config_fail";
    let before = proxy.stat(rejected).await?;
    proxy.update_raw(r#"{"mode":"blocking"}"#)?;
    proxy.wait_for_stat(rejected, before + 1).await?;
    assert_eq!(kept.get(target).await?.status, 403);
    assert_eq!(kept.get("/update/clean").await?.status, 200);
    let reason = r#"key mode: mode "blocking" is not one of off, monitoring, safe_blocking, block"#;
    assert!(proxy.log().contains(reason), "{}", proxy.log());
    assert!(proxy.stat("wasmcustom.wallarm_config_rejected_total").await? >= 1);

    proxy.update(|filter| filter.mode = Mode::Off)?;
    proxy.wait_for_stat(updates, 3).await?;
    assert_eq!(kept.get(target).await?.status, 200);
    Ok(())
}
