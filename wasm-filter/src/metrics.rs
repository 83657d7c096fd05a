//! The module's metrics: a fixed set, defined once per VM.
//!
//! Envoy keeps one value per name for the whole process and never forgets a name, so nothing that a client controls may
//! become part of one. A label is written `.label=value` at the end of the name; the bootstrap's `stats_tags` turn it
//! into a Prometheus label. Envoy shows the names with the prefix `wasmcustom.` in `/stats`.

use waf_engine::{Action, LimitFlags};
use waf_policy::AttackType;

use crate::host::{Host, MetricId};

/// Labels used in metric names, for the `stats_tags` of a bootstrap.
pub const LABELS: [&str; 3] = ["type", "action", "reason"];

/// Counters without labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Requests seen, whatever the mode.
    Requests,
    /// Requests refused.
    Blocked,
    /// Requests whose verdict came after a part of them had been passed on.
    Late,
    /// Hits acknowledged by postanalytics.
    ReportSentHits,
    /// Hits dropped before they were acknowledged.
    ReportDroppedHits,
    /// Attempts to send a batch that failed.
    ReportFailedBatches,
    /// Plugin configurations refused.
    ConfigRejected,
    /// Calls to the host that failed and made the filter do less than it should.
    HostErrors,
}

impl Counter {
    const ALL: [Counter; 8] = [
        Counter::Requests,
        Counter::Blocked,
        Counter::Late,
        Counter::ReportSentHits,
        Counter::ReportDroppedHits,
        Counter::ReportFailedBatches,
        Counter::ConfigRejected,
        Counter::HostErrors,
    ];

    /// The name as the host knows it.
    pub fn name(self) -> &'static str {
        match self {
            Counter::Requests => "wallarm_requests_total",
            Counter::Blocked => "wallarm_requests_blocked_total",
            Counter::Late => "wallarm_verdicts_late_total",
            Counter::ReportSentHits => "wallarm_report_hits_sent_total",
            Counter::ReportDroppedHits => "wallarm_report_hits_dropped_total",
            Counter::ReportFailedBatches => "wallarm_report_batches_failed_total",
            Counter::ConfigRejected => "wallarm_config_rejected_total",
            Counter::HostErrors => "wallarm_host_errors_total",
        }
    }
}

/// The counters of one VM.
#[derive(Debug)]
pub struct Metrics {
    plain: Vec<Option<MetricId>>,
    hits: Vec<(AttackType, Action, Option<MetricId>)>,
    limits: Vec<(&'static str, Option<MetricId>)>,
}

impl Metrics {
    /// Defines every counter, so that each is there with value 0 before it counts.
    ///
    /// A counter that the host refuses is not counted; there is no better way to report it.
    pub fn define(host: &impl Host) -> Metrics {
        let define = |name: &str| host.define_counter(name).ok();
        let plain = Counter::ALL.map(|counter| define(counter.name())).to_vec();
        let mut hits = Vec::new();
        for attack_type in AttackType::ALL {
            for action in [Action::Monitor, Action::Block] {
                let name = format!("wallarm_hits_total.type={attack_type}.action={}", action.as_str());
                hits.push((*attack_type, action, define(&name)));
            }
        }
        let every_limit = LimitFlags {
            body: true,
            points: true,
            depth: true,
            decoded_bytes: true,
            expansion: true,
            fuel: true,
        };
        let limits = every_limit
            .names()
            .map(|limit| (limit, define(&format!("wallarm_limits_reached_total.reason={limit}"))))
            .collect();
        Metrics { plain, hits, limits }
    }

    /// Adds to a counter. Adding 0 does nothing (the host would refuse it).
    pub fn add(&self, host: &impl Host, counter: Counter, by: u64) {
        increment(host, self.plain.get(counter as usize).copied().flatten(), by);
    }

    /// Counts one hit.
    pub fn count_hit(&self, host: &impl Host, attack_type: AttackType, action: Action) {
        let known = self.hits.iter().find(|(t, a, _)| (*t, *a) == (attack_type, action));
        increment(host, known.and_then(|(_, _, id)| *id), 1);
    }

    /// Counts the limits that one request ran into.
    pub fn count_limits(&self, host: &impl Host, limits: LimitFlags) {
        for name in limits.names() {
            let known = self.limits.iter().find(|(limit, _)| *limit == name);
            increment(host, known.and_then(|(_, id)| *id), 1);
        }
    }
}

fn increment(host: &impl Host, id: Option<MetricId>, by: u64) {
    if let Some(id) = id
        && by > 0
    {
        // A counter that cannot count has nowhere to say so.
        let _ = host.increment(id, by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn every_counter_is_defined_once_and_counts_under_its_own_name() {
        let host = FakeHost::default();
        let metrics = Metrics::define(&host);
        for counter in Counter::ALL {
            metrics.add(&host, counter, 2);
            metrics.add(&host, counter, 0);
            assert_eq!(host.counter(counter.name()), 2);
        }
        metrics.count_hit(&host, AttackType::Sqli, Action::Block);
        assert_eq!(host.counter("wallarm_hits_total.type=sqli.action=blocked"), 1);
        let limits = LimitFlags {
            depth: true,
            ..LimitFlags::default()
        };
        metrics.count_limits(&host, limits);
        assert_eq!(host.counter("wallarm_limits_reached_total.reason=depth"), 1);

        let counters = host.counters.borrow();
        let mut names: Vec<&str> = counters.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let n_names = names.len();
        names.dedup();
        assert_eq!(names.len(), n_names);
        for label in names.iter().flat_map(|name| name.split('.').skip(1)) {
            let (label, _) = label.split_once('=').unwrap();
            assert!(LABELS.contains(&label), "{label} is not a declared label");
        }
    }
}
