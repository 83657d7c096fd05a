use proptest::prelude::*;

use super::*;
use crate::host::fake::FakeHost;

struct Bench {
    host: FakeHost,
    metrics: Metrics,
    reporter: Reporter,
}

impl Bench {
    fn new() -> Bench {
        let host = FakeHost::default();
        let metrics = Metrics::define(&host);
        let mut reporter = Reporter::new(host.random());
        reporter.configure(GrpcTarget::cluster("collector"), "node-1".to_owned());
        Bench {
            host,
            metrics,
            reporter,
        }
    }

    fn push(&mut self, name: &str) {
        let hit = Hit {
            request_id: name.to_owned(),
            ..Hit::default()
        };
        self.reporter.push(hit, &self.host, &self.metrics);
    }

    fn tick(&mut self) {
        self.reporter.tick(&self.host, &self.metrics);
    }

    fn n_calls(&self) -> usize {
        self.host.calls.borrow().len()
    }

    fn answer_last(&mut self, status: u32) {
        let token = self.host.calls.borrow().last().unwrap().token;
        self.reporter.answer(token, status, &self.host, &self.metrics);
    }

    fn last_request(&self) -> ReportHitsRequest {
        let calls = self.host.calls.borrow();
        let call = calls.last().unwrap();
        assert_eq!(call.path, "/waf.v1.ReportService/ReportHits");
        assert_eq!(call.target, GrpcTarget::cluster("collector").unwrap().as_str());
        ReportHitsRequest::decode(call.message.as_slice()).unwrap()
    }

    /// Ticks until a call is made; returns how many ticks it took.
    fn tick_until_call(&mut self) -> u32 {
        let before = self.n_calls();
        (1..=200)
            .find(|_| {
                self.tick();
                self.n_calls() > before
            })
            .expect("no call within 200 ticks")
    }
}

#[test]
fn nothing_to_report_makes_no_call() {
    let mut bench = Bench::new();
    bench.tick();
    assert_eq!(bench.n_calls(), 0);
}

#[test]
fn batches_are_numbered_and_acknowledged() {
    let mut bench = Bench::new();
    for sequence in 1..=3 {
        bench.push("a");
        bench.push("b");
        bench.tick();
        bench.tick();
        let request = bench.last_request();
        assert_eq!(request.sequence, sequence);
        assert_eq!(request.hits.len(), 2);
        assert_eq!(
            request.producer,
            Some(Producer {
                node: "node-1".to_owned(),
                boot: 0x5eed
            })
        );
        bench.answer_last(0);
    }
    assert_eq!(bench.n_calls(), 3);
    assert_eq!(bench.host.counter("wallarm_report_hits_sent_total"), 6);
}

#[test]
fn failed_batch_is_sent_again_unchanged_with_growing_pauses() {
    let mut bench = Bench::new();
    bench.push("first");
    bench.tick();
    let first = bench.last_request();
    bench.push("second");
    let mut pauses = Vec::new();
    for _ in 0..8 {
        bench.answer_last(14);
        pauses.push(bench.tick_until_call());
        assert_eq!(bench.last_request(), first);
    }
    assert_eq!(pauses.first(), Some(&2), "{pauses:?}");
    assert!(
        pauses.iter().all(|pause| *pause <= MAX_BACKOFF_TICKS * 5 / 4),
        "{pauses:?}"
    );
    assert!(*pauses.last().unwrap() >= MAX_BACKOFF_TICKS * 3 / 4, "{pauses:?}");
    bench.answer_last(0);
    bench.tick();
    assert_eq!(bench.last_request().sequence, 2);
    assert_eq!(bench.last_request().hits[0].request_id, "second");
    assert_eq!(bench.host.counter("wallarm_report_batches_failed_total"), 8);
    assert_eq!(bench.host.counter("wallarm_report_hits_dropped_total"), 0);
}

#[test]
fn lost_answer_counts_as_failure_and_late_answer_is_ignored() {
    let mut bench = Bench::new();
    bench.push("a");
    bench.tick();
    let token = bench.host.calls.borrow()[0].token;
    bench.tick_until_call();
    assert_eq!(bench.last_request().sequence, 1);
    bench.reporter.answer(token, 0, &bench.host, &bench.metrics);
    assert_eq!(bench.host.counter("wallarm_report_hits_sent_total"), 0);
    bench.answer_last(0);
    assert_eq!(bench.host.counter("wallarm_report_hits_sent_total"), 1);
}

#[test]
fn refused_call_is_a_failure() {
    let mut bench = Bench::new();
    bench.push("a");
    bench.host.failure.set(Some(crate::host::Status(12)));
    bench.tick();
    bench.host.failure.set(None);
    assert_eq!(bench.tick_until_call(), 2);
    assert_eq!(bench.last_request().sequence, 1);
}

#[test]
fn batch_that_postanalytics_cannot_read_is_dropped_and_counted() {
    let mut bench = Bench::new();
    bench.push("bad");
    bench.tick();
    bench.answer_last(INVALID_ARGUMENT);
    bench.push("good");
    bench.tick();
    assert_eq!(bench.last_request().sequence, 2);
    assert_eq!(bench.last_request().dropped_total, 1);
    assert_eq!(bench.host.counter("wallarm_report_hits_dropped_total"), 1);
}

#[test]
fn full_ring_drops_the_oldest_and_counts_them() {
    let mut bench = Bench::new();
    for i in 0..MAX_RING_HITS + 3 {
        bench.push(&i.to_string());
    }
    bench.tick();
    let request = bench.last_request();
    assert_eq!(request.hits[0].request_id, "3");
    assert_eq!(request.dropped_total, 3);
    assert_eq!(bench.host.counter("wallarm_report_hits_dropped_total"), 3);
}

#[test]
fn without_a_target_nothing_is_kept() {
    let mut bench = Bench::new();
    bench.reporter.configure(None, String::new());
    bench.push("a");
    bench.tick();
    assert_eq!((bench.reporter.n_waiting(), bench.n_calls()), (0, 0));
    assert_eq!(bench.host.counter("wallarm_report_hits_dropped_total"), 0);
}

#[test]
fn backlog_is_sent_without_waiting_for_ticks() {
    let mut bench = Bench::new();
    for _ in 0..MAX_RING_HITS {
        bench.push(&"x".repeat(400));
    }
    bench.tick();
    let mut n_hits = bench.last_request().hits.len();
    while bench.reporter.n_waiting() >= MAX_RING_HITS / 4 {
        let before = bench.n_calls();
        bench.answer_last(0);
        assert_eq!(bench.n_calls(), before + 1);
        n_hits += bench.last_request().hits.len();
    }
    assert_eq!(n_hits + bench.reporter.n_waiting(), MAX_RING_HITS);
}

proptest! {
    /// Whatever happens: every hit is acknowledged, waiting, or counted as dropped; bounds hold.
    #[test]
    fn every_hit_is_accounted_for(steps in proptest::collection::vec((0u8..8, 0usize..20_000), 0..600)) {
        let mut bench = Bench::new();
        let mut n_pushed = 0u64;
        for (step, size) in steps {
            match step {
                0..=4 => {
                    bench.push(&"x".repeat(size));
                    n_pushed += 1;
                }
                5 => bench.tick(),
                6 if bench.n_calls() > 0 => bench.answer_last(0),
                7 if bench.n_calls() > 0 => bench.answer_last(14),
                _ => {}
            }
            prop_assert!(bench.reporter.ring.len() <= MAX_RING_HITS);
            prop_assert!(bench.reporter.ring_bytes <= MAX_RING_BYTES);
            let summed: usize = bench.reporter.ring.iter().map(|(_, n_bytes)| n_bytes).sum();
            prop_assert_eq!(bench.reporter.ring_bytes, summed);
            let in_batch = bench.reporter.batch.as_ref().map_or(0, |batch| batch.n_hits);
            let sent = bench.host.counter("wallarm_report_hits_sent_total");
            let dropped = bench.host.counter("wallarm_report_hits_dropped_total");
            prop_assert_eq!(n_pushed, sent + dropped + in_batch + bench.reporter.n_waiting() as u64);
        }
        for call in bench.host.calls.borrow().iter() {
            prop_assert!(call.message.len() <= MAX_BATCH_BYTES + 4096);
        }
    }
}
