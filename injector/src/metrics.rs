//! What the webhook counts, for Prometheus.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use crate::admission::Decision;

/// Content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    admissions: Family<DecisionLabel, Counter>,
    admission_duration: Histogram,
    refused_requests: Family<StatusLabel, Counter>,
    failed_handshakes: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabel {
    decision: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

impl Metrics {
    /// One review was answered.
    pub fn admission(&self, decision: Decision, took: Duration) {
        let decision = decision.as_str();
        self.admissions.get_or_create(&DecisionLabel { decision }).inc();
        self.admission_duration.observe(took.as_secs_f64());
    }

    /// One request to `/inject` was no review.
    pub fn refused_request(&self, status: u16) {
        self.refused_requests.get_or_create(&StatusLabel { status }).inc();
    }

    /// One connection did not get through its TLS handshake.
    pub fn failed_handshake(&self) {
        self.failed_handshakes.inc();
    }

    /// All metrics in OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("wallarm_injector");
        let admissions = Family::default();
        registry.register("admissions", "Admission reviews by decision", admissions.clone());
        let admission_duration = Histogram::new(exponential_buckets(0.000_1, 4.0, 8));
        registry.register_with_unit(
            "admission_duration",
            "Time to answer one admission review",
            Unit::Seconds,
            admission_duration.clone(),
        );
        let refused_requests = Family::default();
        registry.register(
            "refused_requests",
            "Requests to /inject that were no reviews, by HTTP status",
            refused_requests.clone(),
        );
        let failed_handshakes = Counter::default();
        registry.register(
            "failed_handshakes",
            "TLS handshakes that failed",
            failed_handshakes.clone(),
        );
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", build);
        Metrics {
            registry,
            admissions,
            admission_duration,
            refused_requests,
            failed_handshakes,
        }
    }
}
