//! From a request through the real Envoy to an attack in the real postanalytics.

use e2e::{
    app::App,
    collector::Collector,
    poll,
    postanalytics::Postanalytics,
    proxy::{Proxy, Setup},
};
use waf_policy::{FilterConfig, Mode};
use waf_proto::v1::{Action, AttackStatus};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hits_become_attacks_and_none_is_lost_to_a_kill() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let address = Collector::free_address().await?;
    let first = Postanalytics::start(address, data.path()).await?;
    let app = App::start().await?;
    let filter = FilterConfig {
        mode: Mode::Block,
        ..FilterConfig::default()
    };
    let proxy = Proxy::start(Setup {
        postanalytics: address,
        ..Setup::new(app.address(), filter)
    })
    .await?;
    let mut connection = proxy.connect().await?;
    let target = "/view?file=../../../../etc/passwd";
    assert_eq!(connection.get(target).await?.status, 403);
    let attack = poll::until("the attack", async || Ok(first.attacks("shop.example").await?.pop())).await?;
    assert_eq!(
        (attack.attack_type.as_str(), attack.hits, attack.blocked_hits),
        ("ptrav", 1, 1)
    );
    assert_eq!(attack.status(), AttackStatus::Blocked);
    assert_eq!(attack.path, b"/view");

    // Killed in the middle of reports; what was acknowledged is there afterwards, what was not is sent again.
    for _ in 0..100 {
        assert_eq!(connection.get(target).await?.status, 403);
    }
    let sent = "wasmcustom.wallarm_report_hits_sent_total";
    proxy.wait_for_stat(sent, 2).await?;
    for _ in 0..100 {
        assert_eq!(connection.get(target).await?.status, 403);
    }
    drop(first);
    let second = Postanalytics::start(address, data.path()).await?;
    proxy.wait_for_stat(sent, 201).await?;
    let hits = poll::until("201 hits", async || {
        let hits = second.hits("shop.example").await?;
        Ok((hits.len() >= 201).then_some(hits))
    })
    .await?;
    assert_eq!(hits.len(), 201);
    for stored in &hits {
        let hit = stored.hit.as_ref().expect("a stored hit has its hit");
        assert_eq!(
            (hit.action(), stored.node.as_str()),
            (Action::Blocked, "node-of-the-test")
        );
    }
    let attacks = second.attacks("shop.example").await?;
    assert_eq!(
        attacks
            .iter()
            .map(|attack| (attack.hits, attack.sources))
            .collect::<Vec<_>>(),
        [(201, 1)]
    );
    assert_eq!(proxy.stat("wasmcustom.wallarm_report_hits_dropped_total").await?, 0);
    Ok(())
}
