//! What happens when things break: postanalytics, the module itself, its configuration.

use e2e::{
    app::App,
    collector::Collector,
    module::Module,
    proxy::{Proxy, Setup},
};
use tokio::net::TcpListener;
use waf_policy::{FilterConfig, Mode};

const ATTACK: &str = "?file=../../../../etc/passwd";

fn block() -> FilterConfig {
    FilterConfig {
        mode: Mode::Block,
        ..FilterConfig::default()
    }
}

/// Most hits that one VM keeps while it cannot send them.
const RING_HITS: usize = 512;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postanalytics_away() -> anyhow::Result<()> {
    let app = App::start().await?;
    let address = Collector::free_address().await?;
    let proxy = Proxy::start(Setup {
        postanalytics: address,
        ..Setup::new(app.address(), block())
    })
    .await?;
    let mut connection = proxy.connect().await?;
    assert_eq!(connection.get(&format!("/first{ATTACK}")).await?.status, 403);
    let failed = "wasmcustom.wallarm_report_batches_failed_total";
    proxy.wait_for_stat(failed, 1).await?;

    // Traffic and blocking go on; more hits than there is room for.
    let n_attacks = RING_HITS + 88;
    for _ in 0..n_attacks {
        assert_eq!(connection.get(&format!("/while-away{ATTACK}")).await?.status, 403);
    }
    assert_eq!(connection.get("/clean").await?.status, 200);

    // It comes back: what was kept arrives, the oldest first, and what was not is counted.
    let collector = Collector::start(address).await?;
    collector.wait_for("/first", 1).await?;
    let dropped = "wasmcustom.wallarm_report_hits_dropped_total";
    let sent = "wasmcustom.wallarm_report_hits_sent_total";
    proxy.wait_for_stat(sent, RING_HITS as u64).await?;
    let n_dropped = proxy.stat(dropped).await?;
    let n_sent = proxy.wait_for_stat(sent, n_attacks as u64 + 1 - n_dropped).await?;
    assert_eq!(n_sent + n_dropped, n_attacks as u64 + 1);
    assert!(n_dropped > 0);
    assert_eq!(collector.hits().len() as u64, n_sent);
    let batches = collector.batches();
    assert_eq!(batches.last().map(|batch| batch.dropped_total), Some(n_dropped));
    let numbers: Vec<u64> = batches.iter().map(|batch| batch.sequence).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());

    // And again, now that the connection had been good.
    drop(collector);
    let before = proxy.stat(failed).await?;
    assert_eq!(connection.get(&format!("/second{ATTACK}")).await?.status, 403);
    proxy.wait_for_stat(failed, before + 1).await?;
    let collector = Collector::start(address).await?;
    collector.wait_for("/second", 1).await?;
    assert_eq!(proxy.stat(dropped).await?, n_dropped);
    Ok(())
}

/// Somebody takes the connection and never says a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postanalytics_mute() -> anyhow::Result<()> {
    let app = App::start().await?;
    let mute = TcpListener::bind("127.0.0.1:0").await?;
    let address = mute.local_addr()?;
    let mut proxy = Proxy::start(Setup {
        postanalytics: address,
        ..Setup::new(app.address(), block())
    })
    .await?;
    let mut connection = proxy.connect().await?;
    assert_eq!(connection.get(&format!("/mute{ATTACK}")).await?.status, 403);
    proxy
        .wait_for_stat("wasmcustom.wallarm_report_batches_failed_total", 1)
        .await?;
    assert_eq!(connection.get("/clean").await?.status, 200);

    // Hits outlive a change of configuration.
    proxy.update(|filter| filter.application = 7.try_into().expect("7 is a valid application"))?;
    proxy
        .wait_for_stat("extension_config_discovery.http_filter.wallarm.config_reload", 2)
        .await?;
    assert_eq!(connection.get(&format!("/mute/7{ATTACK}")).await?.status, 403);
    drop(mute);
    // Connections that the mute one took are reset with it; Envoy opens a new one.
    let collector = e2e::poll::until("the port", async || Ok(Collector::start(address).await.ok())).await?;
    assert_eq!(collector.wait_for("/mute", 1).await?[0].application, -1);
    assert_eq!(collector.wait_for("/mute/7", 1).await?[0].application, 7);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_costs_one_request() -> anyhow::Result<()> {
    let app = App::start().await?;
    let collector = Collector::start(Collector::free_address().await?).await?;
    let proxy = Proxy::start(Setup {
        module: Module::Trapping,
        postanalytics: collector.address(),
        ..Setup::new(app.address(), block())
    })
    .await?;
    let mut connection = proxy.connect().await?;
    assert_eq!(connection.get(&format!("/before{ATTACK}")).await?.status, 403);
    collector.wait_for("/before", 1).await?;

    for n_traps in 1..=3 {
        let mut victim = proxy.connect().await?;
        victim
            .send("GET /trap HTTP/1.1\r\nhost: shop\r\nx-wallarm-test-trap: 1\r\n\r\n")
            .await?;
        assert_eq!(victim.response().await?.status, 503);
        // Never open: until the module is back, requests are refused.
        let mut statuses = Vec::new();
        e2e::poll::until("the module to come back", async || {
            let target = format!("/after/{n_traps}{ATTACK}");
            let status = proxy.connect().await?.get(&target).await?.status;
            statuses.push(status);
            Ok((status == 403).then_some(()))
        })
        .await?;
        assert!(
            statuses.iter().all(|status| *status == 503 || *status == 403),
            "{statuses:?}"
        );
        assert_eq!(proxy.stat("wasm.wallarm.vm_reload_success").await?, n_traps);
        // The next trap takes along what the VM has not sent yet.
        collector.wait_for(&format!("/after/{n_traps}"), 1).await?;
    }
    assert_eq!(proxy.connect().await?.get("/clean").await?.status, 200);
    assert_eq!(app.received("/trap"), None);
    assert!(proxy.log().contains("trap asked for by a test"), "{}", proxy.log());

    // The new VM is a new producer.
    let mut boots: Vec<u64> = collector
        .batches()
        .iter()
        .filter_map(|batch| batch.producer.as_ref())
        .map(|producer| producer.boot)
        .collect();
    boots.dedup();
    assert_eq!(boots.len(), 4, "{boots:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_configuration_at_start() -> anyhow::Result<()> {
    let app = App::start().await?;
    let mut proxy = Proxy::start_unready(
        Setup {
            raw_filter: Some(r#"{"limits":{"max_points":"many"}}"#.to_owned()),
            ..Setup::new(app.address(), block())
        },
        |_| {},
    )?;
    // Not ready, and nothing passes uninspected.
    proxy.wait_for_status("/healthz", 500).await?;
    assert_eq!(proxy.connect().await?.get("/").await?.status, 500);
    assert_eq!(app.n_bytes(), 0);
    let reason = "plugin configuration, key limits.max_points: invalid type";
    assert!(proxy.log().contains(reason), "{}", proxy.log());

    proxy.update_raw(r#"{"mode":"block","from_the_future":{"x":1}}"#)?;
    proxy.wait_for_status("/healthz", 200).await?;
    // Each listener takes the new configuration by itself, the ingress a moment after the status listener.
    let status = e2e::poll::until("the ingress", async || {
        let status = proxy.connect().await?.get(&format!("/{ATTACK}")).await?.status;
        Ok((status != 500).then_some(status))
    })
    .await?;
    assert_eq!(status, 403);
    assert_eq!(proxy.connect().await?.get("/clean").await?.status, 200);
    assert!(proxy.log().contains("keys that this version ignores: from_the_future"));
    Ok(())
}

/// Many changes under traffic: no request is lost and memory stays flat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_changes() -> anyhow::Result<()> {
    let app = App::start().await?;
    let mut proxy = Proxy::start(Setup::new(app.address(), block())).await?;
    let mut connection = proxy.connect().await?;
    let reloads = "extension_config_discovery.http_filter.wallarm.config_reload";
    let rss = |proxy: &Proxy| -> anyhow::Result<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", proxy.pid()))?;
        Ok(statm.split(' ').nth(1).unwrap_or_default().parse::<u64>()? * 4096)
    };
    let mut early = 0;
    for n_changes in 1..=40u64 {
        let mode = if n_changes % 2 == 0 {
            Mode::Block
        } else {
            Mode::Monitoring
        };
        proxy.update(|filter| filter.mode = mode)?;
        proxy.wait_for_stat(reloads, n_changes + 1).await?;
        let expected = if mode == Mode::Block { 403 } else { 200 };
        assert_eq!(connection.get(&format!("/{n_changes}{ATTACK}")).await?.status, expected);
        assert_eq!(connection.get("/clean").await?.status, 200);
        if n_changes == 10 {
            early = rss(&proxy)?;
        }
    }
    let late = rss(&proxy)?;
    assert!(
        late < early + (8 << 20),
        "{early} bytes after 10 changes, {late} after 40"
    );
    assert_eq!(proxy.stat("wasm.wasm_vm_count").await?, 3);
    Ok(())
}
