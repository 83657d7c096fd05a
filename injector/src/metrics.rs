//! What the webhook counts, for Prometheus.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use crate::{admission::Decision, reload::Reload};

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
    open_connections: Gauge,
    certificate_expiry: Family<CertificateLabel, Gauge>,
    certificate_reloads: Family<ResultLabel, Counter>,
    settings_generation: Gauge,
    settings_reloads: Family<ResultLabel, Counter>,
    leader: Gauge,
    certificate_steps: Family<StepLabel, Counter>,
    ca_bundle_patches: Counter,
    events: Family<ResultLabel, Counter>,
}

/// A connection that counts as open until this is dropped.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabel {
    decision: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabel {
    certificate: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabel {
    step: &'static str,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
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

    /// One more connection, until the returned value is dropped.
    pub fn open_connection(&self) -> OpenConnection {
        self.open_connections.inc();
        OpenConnection(self.open_connections.clone())
    }

    /// When a certificate ends, in seconds since 1970. `certificate` is `serving` or `authority`.
    pub fn certificate_expiry(&self, certificate: &'static str, unix_s: i64) {
        let label = CertificateLabel { certificate };
        self.certificate_expiry.get_or_create(&label).set(unix_s);
    }

    /// The files of the certificate changed.
    pub fn certificate_reload(&self, result: Reload) {
        let result = result.as_str();
        self.certificate_reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// The file of the settings changed.
    pub fn settings_reload(&self, result: Reload) {
        if result == Reload::Accepted {
            self.settings_generation.inc();
        }
        let result = result.as_str();
        self.settings_reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// Whether this replica writes the certificates.
    pub fn leader(&self, is_leader: bool) {
        self.leader.set(is_leader.into());
    }

    /// The leader did something about the certificates, or `failed` to.
    pub fn certificate_step(&self, step: &'static str) {
        self.certificate_steps.get_or_create(&StepLabel { step }).inc();
    }

    /// The leader wrote the `caBundle` of the webhook configuration.
    pub fn ca_bundle_patch(&self) {
        self.ca_bundle_patches.inc();
    }

    /// A notice was `published` as a Kubernetes Event, `failed` to be, or was `dropped` because too many waited.
    pub fn event(&self, result: &'static str) {
        self.events.get_or_create(&ResultLabel { result }).inc();
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
        let open_connections = Gauge::default();
        registry.register(
            "open_connections",
            "Connections to the webhook, handshakes included",
            open_connections.clone(),
        );
        let certificate_expiry = Family::default();
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the certificate in use ends, seconds since 1970",
            certificate_expiry.clone(),
        );
        let certificate_reloads = Family::default();
        registry.register(
            "certificate_reloads",
            "Changes of the certificate's files, by result",
            certificate_reloads.clone(),
        );
        let settings_generation = Gauge::default();
        settings_generation.set(1);
        registry.register(
            "settings_generation",
            "1 for the settings at start, one more with every reload",
            settings_generation.clone(),
        );
        let settings_reloads = Family::default();
        registry.register(
            "settings_reloads",
            "Changes of the settings' file, by result",
            settings_reloads.clone(),
        );
        let leader = Gauge::default();
        registry.register("leader", "1 when this replica writes the certificates", leader.clone());
        let certificate_steps = Family::default();
        registry.register(
            "certificate_steps",
            "What the leader did about self-issued certificates",
            certificate_steps.clone(),
        );
        let ca_bundle_patches = Counter::default();
        registry.register(
            "ca_bundle_patches",
            "Writes of the caBundle of the webhook configuration",
            ca_bundle_patches.clone(),
        );
        let events = Family::default();
        registry.register("events", "Kubernetes Events about pods, by result", events.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", build);
        Metrics {
            registry,
            admissions,
            admission_duration,
            refused_requests,
            failed_handshakes,
            open_connections,
            certificate_expiry,
            certificate_reloads,
            settings_generation,
            settings_reloads,
            leader,
            certificate_steps,
            ca_bundle_patches,
            events,
        }
    }
}
