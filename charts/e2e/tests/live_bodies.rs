//! Bodies and streams through the real Envoy: nothing of an attack leaks, nothing honest is changed or delayed.

use bytes::Bytes;
use e2e::{
    app::App,
    client::{http1::Connection, http2},
    proxy::{Proxy, Setup},
};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Request};
use tokio_tungstenite::tungstenite::Message;
use waf_policy::{FilterConfig, Mode};

const ATTACK: &[u8] = b"a=1&file=../../../../etc/passwd";
const FORM: &str = "application/x-www-form-urlencoded";

struct Bench {
    app: App,
    proxy: Proxy,
}

impl Bench {
    async fn start(mode: Mode, hold_headers: bool) -> anyhow::Result<Bench> {
        let app = App::start().await?;
        let filter = FilterConfig {
            mode,
            ..FilterConfig::default()
        };
        let proxy = Proxy::start(Setup {
            hold_headers,
            ..Setup::new(app.address(), filter)
        })
        .await?;
        Ok(Bench { app, proxy })
    }
}

/// Bytes that repeat only after megabytes, so that a lost or doubled part shows.
fn pattern(n_bytes: usize) -> Vec<u8> {
    (0..n_bytes as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn form_head(target: &str, more: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nhost: shop.example\r\ncontent-type: {FORM}\r\n{more}\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn block_mode() -> anyhow::Result<()> {
    let bench = Bench::start(Mode::Block, true).await?;
    slow_attack_reaches_nobody(&bench).await?;
    http1_chunks_and_trailers(&bench).await?;
    http2_trailers(&bench).await?;
    grpc_is_refused_in_its_own_words(&bench).await?;
    empty_bodies(&bench).await?;
    expectation_is_answered(&bench).await?;
    uploads(&bench, "held").await?;
    attack_at_the_start_of_an_upload(&bench).await?;
    client_that_gives_up(&bench).await?;
    odd_heads(&bench).await?;
    websocket(&bench).await?;
    pretended_upgrade(&bench).await?;
    events(&bench).await?;
    assert_eq!(bench.proxy.stat("wasmcustom.wallarm_host_errors_total").await?, 0);
    // The pretended upgrade: its head had to pass.
    assert_eq!(bench.proxy.stat("wasmcustom.wallarm_verdicts_late_total").await?, 1);
    no_vm_was_lost(&bench).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn monitoring_mode() -> anyhow::Result<()> {
    let bench = Bench::start(Mode::Monitoring, true).await?;
    slow_body_is_not_delayed(&bench).await?;
    uploads(&bench, "collected").await?;
    websocket(&bench).await?;
    events(&bench).await?;
    assert_eq!(bench.proxy.stat("wasmcustom.wallarm_host_errors_total").await?, 0);
    no_vm_was_lost(&bench).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn block_mode_without_held_headers() -> anyhow::Result<()> {
    let bench = Bench::start(Mode::Block, false).await?;
    slow_attack_is_refused_late(&bench).await?;
    http2_trailers(&bench).await?;
    uploads(&bench, "compatible").await?;
    websocket(&bench).await?;
    events(&bench).await?;
    let mut connection = bench.proxy.connect().await?;
    assert_eq!(connection.get("/x?file=../../../../etc/passwd").await?.status, 403);
    assert_eq!(bench.app.received("/x?file=../../../../etc/passwd"), None);
    assert_eq!(bench.proxy.stat("wasmcustom.wallarm_host_errors_total").await?, 0);
    no_vm_was_lost(&bench).await
}

async fn no_vm_was_lost(bench: &Bench) -> anyhow::Result<()> {
    assert_eq!(bench.proxy.stat("wasm.wallarm.vm_reload_success").await?, 0);
    assert!(!bench.proxy.log().contains("critical"), "{}", bench.proxy.log());
    Ok(())
}

/// While the body comes, the application does not even know that there is a request.
async fn slow_attack_reaches_nobody(bench: &Bench) -> anyhow::Result<()> {
    let before = bench.app.n_bytes();
    let mut connection = bench.proxy.connect().await?;
    let len = ATTACK.len();
    connection
        .send(form_head("/slow", &format!("content-length: {len}\r\n")))
        .await?;
    let (first, last) = ATTACK.split_at(len - 1);
    for part in first.chunks(5) {
        let n_received = bench.proxy.stat("http.ingress.downstream_cx_rx_bytes_total").await?;
        connection.send(part).await?;
        // The part has gone through Envoy before the next one is sent.
        bench
            .proxy
            .wait_for_stat(
                "http.ingress.downstream_cx_rx_bytes_total",
                n_received + part.len() as u64,
            )
            .await?;
    }
    assert_eq!(bench.app.n_bytes(), before);
    connection.send(last).await?;
    let response = connection.response().await?;
    assert_eq!(response.status, 403);
    assert_eq!(bench.app.n_bytes(), before);
    assert_eq!(bench.app.received("/slow"), None);
    let line = bench.proxy.access_log("/slow").await?;
    assert_eq!(line["details"], "wallarm_block", "{line}");
    Ok(())
}

async fn slow_attack_is_refused_late(bench: &Bench) -> anyhow::Result<()> {
    let mut connection = bench.proxy.connect().await?;
    let len = ATTACK.len();
    connection
        .send(form_head("/late", &format!("content-length: {len}\r\n")))
        .await?;
    connection.send(&ATTACK[..len - 1]).await?;
    // The head and the first part are with the application already.
    e2e::poll::until("the first part", async || {
        let received = bench.app.received("/late");
        Ok(received.filter(|request| request.body == ATTACK[..len - 1]))
    })
    .await?;
    connection.send(&ATTACK[len - 1..]).await?;
    assert_eq!(connection.response().await?.status, 403);
    let received = bench.app.received("/late").unwrap();
    assert!(!received.is_complete, "{received:?}");
    let line = bench.proxy.access_log("/late").await?;
    assert!(line["waf"].as_str().unwrap_or_default().ends_with(" late"), "{line}");
    assert_eq!(bench.proxy.stat("wasmcustom.wallarm_verdicts_late_total").await?, 1);
    Ok(())
}

async fn slow_body_is_not_delayed(bench: &Bench) -> anyhow::Result<()> {
    let mut connection = bench.proxy.connect().await?;
    let len = ATTACK.len();
    connection
        .send(form_head("/flow", &format!("content-length: {len}\r\n")))
        .await?;
    for end in [7, len - 1] {
        let start = bench.app.received("/flow").map_or(0, |request| request.body.len());
        connection.send(&ATTACK[start..end]).await?;
        e2e::poll::until("the part", async || {
            let received = bench.app.received("/flow");
            Ok(received.filter(|request| request.body == ATTACK[..end]))
        })
        .await?;
    }
    connection.send(&ATTACK[len - 1..]).await?;
    assert_eq!(connection.response().await?.status, 200);
    let line = bench.proxy.access_log("/flow").await?;
    assert!(
        line["waf"].as_str().unwrap_or_default().starts_with("monitored ptrav"),
        "{line}"
    );
    Ok(())
}

async fn http1_chunks_and_trailers(bench: &Bench) -> anyhow::Result<()> {
    let chunked = "transfer-encoding: chunked\r\n";
    let before = bench.app.n_bytes();
    let mut connection = bench.proxy.connect().await?;
    connection.send(form_head("/chunked/attack", chunked)).await?;
    for chunk in ATTACK.chunks(3) {
        let chunk = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
        connection.send(chunk).await?;
    }
    connection.send("0\r\n\r\n").await?;
    assert_eq!(connection.response().await?.status, 403);
    assert_eq!(bench.app.n_bytes(), before);

    let mut connection = bench.proxy.connect().await?;
    connection.send(form_head("/chunked/clean", chunked)).await?;
    connection
        .send("3\r\na=1\r\n4\r\n&b=2\r\n0\r\nx-sum: 7\r\n\r\n")
        .await?;
    assert_eq!(connection.response().await?.status, 200);
    let received = bench.app.wait_for("/chunked/clean").await?;
    assert_eq!(received.body, b"a=1&b=2");
    assert_eq!(received.trailers, b"x-sum: 7\r\n");

    // The attack ends with trailers.
    let before = bench.app.n_bytes();
    let mut connection = bench.proxy.connect().await?;
    connection.send(form_head("/chunked/trailers", chunked)).await?;
    let body = [
        format!("{:x}\r\n", ATTACK.len()).as_bytes(),
        ATTACK,
        b"\r\n0\r\nx-sum: 7\r\n\r\n",
    ]
    .concat();
    connection.send(body).await?;
    assert_eq!(connection.response().await?.status, 403);
    assert_eq!(bench.app.n_bytes(), before);
    Ok(())
}

fn h2_request(path: &str, content_type: &str) -> anyhow::Result<Request<()>> {
    let request = Request::post(format!("http://shop.example{path}")).header("content-type", content_type);
    Ok(request.body(())?)
}

/// In HTTP/2 only the trailers tell that the body is complete.
async fn http2_trailers(bench: &Bench) -> anyhow::Result<()> {
    let connection = http2::Connection::open(bench.proxy.ingress()).await?;
    let trailers = || HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), HeaderValue::from_static("7"))]);

    let mut attack = connection.start(h2_request("/h2/attack", FORM)?, false).await?;
    attack.send(&ATTACK[..10], false)?;
    attack.send(&ATTACK[10..], false)?;
    attack.send_trailers(trailers())?;
    let response = attack.response().await?;
    assert_eq!(response.status(), 403);
    assert!(
        !bench
            .app
            .received("/h2/attack")
            .is_some_and(|request| request.is_complete)
    );

    let mut clean = connection.start(h2_request("/h2/clean", FORM)?, false).await?;
    clean.send(b"a=1", false)?;
    clean.send(b"&b=2", false)?;
    clean.send_trailers(trailers())?;
    assert_eq!(clean.response().await?.body(), b"ok\n");
    let received = bench.app.wait_for("/h2/clean").await?;
    assert_eq!(received.body, b"a=1&b=2");
    assert_eq!(received.trailers, b"x-sum: 7\r\n");

    let mut empty = connection.start(h2_request("/h2/empty", FORM)?, false).await?;
    empty.send_trailers(trailers())?;
    assert_eq!(empty.response().await?.status(), 200);
    Ok(())
}

async fn grpc_is_refused_in_its_own_words(bench: &Bench) -> anyhow::Result<()> {
    let connection = http2::Connection::open(bench.proxy.ingress()).await?;
    let request = Request::post("http://shop.example/pkg.Service/Call")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-file", "../../../../etc/passwd")
        .body(())?;
    let response = connection.start(request, false).await?.response().await?;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "7");
    let line = bench.proxy.access_log("/pkg.Service/Call").await?;
    assert_eq!(line["details"], "wallarm_block", "{line}");

    // A call in which both sides wait for each other's messages is not held up.
    let request = Request::post("http://shop.example/pkg.Service/Talk").header("content-type", "application/grpc");
    let mut talk = connection.start(request.body(())?, false).await?;
    for n_parts in 1..4 {
        talk.send(b"\0\0\0\0\x02\x08\x01", false)?;
        e2e::poll::until("the message", async || {
            let received = bench.app.received("/pkg.Service/Talk");
            Ok(received.filter(|request| request.body.len() == n_parts * 7))
        })
        .await?;
    }
    talk.send(b"", true)?;
    assert_eq!(talk.response().await?.status(), 200);
    Ok(())
}

async fn empty_bodies(bench: &Bench) -> anyhow::Result<()> {
    let mut connection = bench.proxy.connect().await?;
    assert_eq!(connection.post("/empty", FORM, b"").await?.status, 200);
    connection
        .send(form_head("/empty/chunked", "transfer-encoding: chunked\r\n"))
        .await?;
    connection.send("0\r\n\r\n").await?;
    assert_eq!(connection.response().await?.status, 200);

    let h2 = http2::Connection::open(bench.proxy.ingress()).await?;
    let mut late_end = h2.start(h2_request("/empty/h2", FORM)?, false).await?;
    late_end.send(b"", true)?;
    assert_eq!(late_end.response().await?.status(), 200);
    Ok(())
}

async fn expectation_is_answered(bench: &Bench) -> anyhow::Result<()> {
    let mut connection = bench.proxy.connect().await?;
    let more = "expect: 100-continue\r\ncontent-length: 3\r\n";
    connection.send(form_head("/expect", more)).await?;
    assert_eq!(connection.response_head().await?.0, 100);
    connection.send("a=1").await?;
    assert_eq!(connection.response().await?.status, 200);
    Ok(())
}

/// Bodies around and far above what is inspected arrive byte for byte.
async fn uploads(bench: &Bench, name: &str) -> anyhow::Result<()> {
    let cap = FilterConfig::default().limits.max_body_bytes;
    for n_bytes in [1, cap - 1, cap, cap + 1, 3 << 20] {
        let body = pattern(n_bytes);
        let target = format!("/upload/{name}/{n_bytes}");
        let mut connection = bench.proxy.connect().await?;
        let response = connection.post(&target, "application/octet-stream", &body).await?;
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        let received = bench.app.wait_for(&target).await?;
        assert!(received.body == body, "{target} was changed");
    }
    // Just below the limit, then everything at once: Envoy's buffer must have room for both.
    let body = pattern(3 << 20);
    let target = format!("/upload/{name}/burst");
    let mut connection = bench.proxy.connect().await?;
    let len = body.len();
    connection
        .send(format!(
            "POST {target} HTTP/1.1\r\nhost: shop\r\ncontent-length: {len}\r\n\r\n"
        ))
        .await?;
    let n_received = bench.proxy.stat("http.ingress.downstream_cx_rx_bytes_total").await?;
    connection.send(&body[..cap - 1]).await?;
    bench
        .proxy
        .wait_for_stat("http.ingress.downstream_cx_rx_bytes_total", n_received + cap as u64 - 1)
        .await?;
    connection.send(&body[cap - 1..]).await?;
    let response = connection.response().await?;
    assert_eq!(response.status, 200, "{target}: {}", response.text());
    assert!(bench.app.wait_for(&target).await?.body == body, "{target} was changed");

    let line = bench.proxy.access_log(&format!("/upload/{name}/{}", 3 << 20)).await?;
    assert_eq!(line["waf"], "pass limits=body", "{line}");
    let line = bench.proxy.access_log(&format!("/upload/{name}/{cap}")).await?;
    assert_eq!(line["waf"], serde_json::Value::Null, "{line}");

    let h2 = http2::Connection::open(bench.proxy.ingress()).await?;
    let target = format!("/upload/{name}/h2");
    let mut upload = h2
        .start(h2_request(&target, "application/octet-stream")?, false)
        .await?;
    for part in body.chunks(16 << 10) {
        upload.body.reserve_capacity(part.len());
        upload.body.send_data(Bytes::copy_from_slice(part), false)?;
    }
    upload.send(b"", true)?;
    assert_eq!(upload.response().await?.status(), 200);
    assert!(bench.app.wait_for(&target).await?.body == body, "{target} was changed");
    Ok(())
}

async fn attack_at_the_start_of_an_upload(bench: &Bench) -> anyhow::Result<()> {
    let before = bench.app.n_bytes();
    let body = [ATTACK, b"&rest=", &vec![b'x'; 2 << 20]].concat();
    let mut connection = bench.proxy.connect().await?;
    connection
        .send(form_head(
            "/upload/attack",
            &format!("content-length: {}\r\n", body.len()),
        ))
        .await?;
    // The refusal comes before the end, and Envoy closes: sending may fail half-way.
    let _ = connection.send(&body[..512 << 10]).await;
    assert_eq!(connection.response().await?.status, 403);
    assert_eq!(bench.app.n_bytes(), before);
    Ok(())
}

async fn client_that_gives_up(bench: &Bench) -> anyhow::Result<()> {
    let before = bench.app.n_bytes();
    let resets = bench.proxy.stat("http.ingress.downstream_rq_rx_reset").await?;
    let mut connection = bench.proxy.connect().await?;
    connection.send(form_head("/gone", "content-length: 100\r\n")).await?;
    connection.send("a=1").await?;
    bench
        .proxy
        .wait_for_stat("http.ingress.downstream_rq_active", 1)
        .await?;
    drop(connection);
    bench.proxy.access_log("/gone").await?;
    assert_eq!(bench.app.n_bytes(), before);
    assert!(bench.proxy.stat("http.ingress.downstream_rq_rx_reset").await? >= resets);
    Ok(())
}

async fn odd_heads(bench: &Bench) -> anyhow::Result<()> {
    // Bytes that are not UTF-8 pass unchanged.
    let mut connection = bench.proxy.connect().await?;
    connection
        .send(b"GET /odd/bytes HTTP/1.1\r\nhost: shop\r\nx-name: caf\xe9 \xff\xfe\r\n\r\n")
        .await?;
    assert_eq!(connection.response().await?.status, 200);
    let head = bench.app.wait_for("/odd/bytes").await?.head;
    let needle = b"x-name: caf\xe9 \xff\xfe\r\n";
    assert!(head.windows(needle.len()).any(|window| window == needle));
    // And do not hide an attack next to them.
    connection
        .send(b"GET /odd/bytes/attack HTTP/1.1\r\nhost: shop\r\nx-name: \xff../../../../etc/passwd\r\n\r\n")
        .await?;
    assert_eq!(connection.response().await?.status, 403);

    // The attack stands in the second of two fields with the same name.
    let mut connection = bench.proxy.connect().await?;
    connection
        .send("GET /odd/hosts HTTP/1.1\r\nhost: shop\r\nhost: ../../../../etc/passwd\r\n\r\n")
        .await?;
    let status = connection.response().await?.status;
    assert!(status == 403 || status == 400, "{status}");
    assert_eq!(bench.app.received("/odd/hosts"), None);
    let mut connection = bench.proxy.connect().await?;
    connection
        .send("GET /odd/twice HTTP/1.1\r\nhost: shop\r\nx-file: readme\r\nx-file: ../../../../etc/passwd\r\n\r\n")
        .await?;
    assert_eq!(connection.response().await?.status, 403);

    // Two honest Host fields are the application's business.
    let mut connection = bench.proxy.connect().await?;
    connection
        .send("GET /odd/hosts/clean HTTP/1.1\r\nhost: shop\r\nhost: shop\r\n\r\n")
        .await?;
    connection.response().await?;

    let mut connection = bench.proxy.connect().await?;
    let long = "x".repeat(50 << 10);
    let response = connection.get(&format!("/odd/long?q={long}")).await?;
    assert_eq!(response.status, 200);

    let mut connection = bench.proxy.connect().await?;
    connection.send("GET /odd/old HTTP/1.0\r\n\r\n").await?;
    assert_eq!(connection.response().await?.status, 200);
    Ok(())
}

async fn websocket(bench: &Bench) -> anyhow::Result<()> {
    let stream = Connection::open(bench.proxy.ingress()).await?.into_stream()?;
    let (mut socket, response) = tokio_tungstenite::client_async("ws://shop.example/ws", stream).await?;
    assert_eq!(response.status(), 101);
    // Messages are not inspected yet; whatever they look like, they pass.
    for text in ["hello", "file=../../../../etc/passwd"] {
        socket.send(Message::text(text)).await?;
        let echo = e2e::poll::in_time("the echo", async { Ok(socket.next().await) }).await?;
        assert_eq!(echo.transpose()?, Some(Message::text(text)));
    }
    let large = Message::binary(pattern(1 << 20));
    socket.send(large.clone()).await?;
    let echo = e2e::poll::in_time("the large echo", async { Ok(socket.next().await) }).await?;
    assert!(echo.transpose()? == Some(large));
    socket.close(None).await?;
    Ok(())
}

/// Who sends a body and calls it an upgrade is judged all the same.
async fn pretended_upgrade(bench: &Bench) -> anyhow::Result<()> {
    let mut connection = bench.proxy.connect().await?;
    let more = format!(
        "connection: upgrade\r\nupgrade: websocket\r\ncontent-length: {}\r\n",
        ATTACK.len()
    );
    connection.send(form_head("/pretended", &more)).await?;
    connection.send(ATTACK).await?;
    assert_eq!(connection.response().await?.status, 403);
    let received = bench.app.received("/pretended");
    assert!(!received.is_some_and(|request| request.is_complete));
    Ok(())
}

/// The first event arrives while the application has not yet made the second.
async fn events(bench: &Bench) -> anyhow::Result<()> {
    let mut connection = bench.proxy.connect().await?;
    connection
        .send("GET /events HTTP/1.1\r\nhost: shop\r\naccept: text/event-stream\r\n\r\n")
        .await?;
    assert_eq!(connection.response_head().await?.0, 200);
    assert_eq!(connection.chunk().await?, Some(b"data: first\n\n".to_vec()));
    bench.app.release();
    assert_eq!(connection.chunk().await?, Some(b"data: second\n\n".to_vec()));
    assert_eq!(connection.chunk().await?, None);
    Ok(())
}
