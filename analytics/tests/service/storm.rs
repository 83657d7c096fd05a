//! Under load repetitions are only counted, and no count is lost.

use std::time::Instant;

use jiff::SignedDuration;
use waf_proto::v1;

use crate::{
    running::{PATIENCE, Running, eventually},
    sample,
};

const N_SAMPLED: u64 = 4;
const BATCH_HITS: usize = 1000;

#[tokio::test]
async fn stored_and_counted_are_what_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let mut reports = service.reports().await;
    let deadline = Instant::now() + PATIENCE;
    let mut sequence = 0;
    // Batches sent since identical hits are only counted.
    let mut n_sampled = 0;
    while n_sampled < N_SAMPLED {
        assert!(Instant::now() < deadline, "the service does not mind the load");
        sequence += 1;
        let hits = (0..BATCH_HITS).map(|i| {
            let mut hit = sample::hit("sqli", "shop", &format!("/{}", i % 3), SignedDuration::ZERO);
            if i % 2 == 0 {
                hit.action = v1::Action::Blocked.into();
            }
            hit
        });
        let batch = sample::batch("pod", sequence, hits.collect());
        let answer = reports.report_hits(batch.clone()).await.unwrap().into_inner();
        assert_eq!(answer.stored as usize, BATCH_HITS);
        match answer.sampling_stage() {
            v1::SamplingStage::Full => assert_eq!((n_sampled, answer.flush_interval_ms), (0, 500)),
            stage => {
                assert!(stage >= v1::SamplingStage::Regular && answer.flush_interval_ms > 500);
                n_sampled += 1;
            }
        }
        // A batch that is sent again counts once.
        let again = reports.report_hits(batch).await.unwrap().into_inner();
        assert_eq!(again.stored, 0);
    }

    let sent = sequence * BATCH_HITS as u64;
    let seen = || async {
        let (kept, counted) = (
            service.metric("analytics_hits_applied_total"),
            service.metric("analytics_hits_counted_total"),
        );
        (kept + counted >= sent as f64).then_some((kept as u64, counted as u64))
    };
    let (kept, counted) = eventually("the store catches up", seen).await;
    assert_eq!(kept + counted, sent);
    assert!(
        counted >= (N_SAMPLED - 1) * BATCH_HITS as u64 - 100,
        "{counted} of {sent} were only counted"
    );

    let mut queries = service.queries().await;
    let request = v1::ListAttacksRequest::default();
    let attacks = queries.list_attacks(request).await.unwrap().into_inner().attacks;
    assert_eq!(attacks.len(), 3);
    let sum = |of: fn(&v1::Attack) -> u64| attacks.iter().map(of).sum::<u64>();
    assert_eq!(sum(|attack| attack.hits), sent);
    assert_eq!(sum(|attack| attack.blocked_hits), sent / 2);
    assert_eq!(sum(|attack| attack.counted_hits), counted);
}
