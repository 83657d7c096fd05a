//! The service's metrics: every name once.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, atomic::AtomicU64},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

/// What became of a batch.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum BatchResult {
    /// Stored and acknowledged.
    Stored,
    /// Acknowledged, because it was already there.
    Duplicate,
    /// Refused, because it breaks the contract.
    Invalid,
    /// Refused, because memory or spool are full.
    Overload,
    /// Refused, because the spool could not be written.
    Unavailable,
}

/// Label of `analytics_batches_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct BatchLabels {
    result: BatchResult,
}

/// Label of the counters of refused hits and cut fields.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct FieldLabels {
    field: &'static str,
}

/// Labels of `analytics_queries_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct QueryLabels {
    method: &'static str,
    code: String,
}

/// Label of the build information.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// Metrics of the service. Clones share the values.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    batches: Family<BatchLabels, Counter>,
    hits_refused: Family<FieldLabels, Counter>,
    fields_cut: Family<FieldLabels, Counter>,
    queries: Family<QueryLabels, Counter>,
    /// Hits made durable.
    pub hits_stored: Counter,
    /// Hits that producers say they dropped.
    pub hits_dropped_by_producers: Counter,
    /// Sequence numbers that producers left out.
    pub batches_missing: Counter,
    /// Time of a commit of the spool.
    pub spool_commit: Histogram,
    /// Transactions of the spool that failed.
    pub spool_failures: Counter,
    /// Bytes of batches in the spool.
    pub spool_bytes: Gauge<u64, AtomicU64>,
    /// Hits in the query store, counted as they are written.
    pub hits_applied: Counter,
    /// Hits that were only counted, see [`crate::sample`].
    pub hits_counted: Counter,
    /// How much is kept: 0 full, 1 regular, 2 extreme, 3 counts only.
    pub sampling_stage: Gauge<u64, AtomicU64>,
    /// Batches of the spool that could not be read.
    pub entries_unreadable: Counter,
    /// Attempts to write to the query store that failed.
    pub apply_failures: Counter,
    /// Time of a transaction of the query store.
    pub apply: Histogram,
    /// Stored attacks that turned out to be one.
    pub attacks_merged: Counter,
    /// Hits deleted by retention.
    pub hits_expired: Counter,
    /// Attacks deleted by retention.
    pub attacks_expired: Counter,
    /// Bytes in use in the query store.
    pub store_bytes: Gauge<u64, AtomicU64>,
}

// === impl BatchResult ===

impl EncodeLabelValue for BatchResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.write_str(match self {
            BatchResult::Stored => "stored",
            BatchResult::Duplicate => "duplicate",
            BatchResult::Invalid => "invalid",
            BatchResult::Overload => "overload",
            BatchResult::Unavailable => "unavailable",
        })
    }
}

// === impl Metrics ===

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("analytics");
        let seconds = || Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]);
        let mut metrics = Metrics {
            registry: Arc::default(),
            batches: Family::default(),
            hits_refused: Family::default(),
            fields_cut: Family::default(),
            queries: Family::default(),
            hits_stored: Counter::default(),
            hits_dropped_by_producers: Counter::default(),
            batches_missing: Counter::default(),
            spool_commit: seconds(),
            spool_failures: Counter::default(),
            spool_bytes: Gauge::default(),
            hits_applied: Counter::default(),
            hits_counted: Counter::default(),
            sampling_stage: Gauge::default(),
            entries_unreadable: Counter::default(),
            apply_failures: Counter::default(),
            apply: seconds(),
            attacks_merged: Counter::default(),
            hits_expired: Counter::default(),
            attacks_expired: Counter::default(),
            store_bytes: Gauge::default(),
        };
        let build = Info::new(BuildLabels {
            version: env!("CARGO_PKG_VERSION"),
        });
        registry.register("build", "Version of this program", build);
        let m = &metrics;
        registry.register(
            "batches",
            "Batches of hits received, by what became of them",
            m.batches.clone(),
        );
        registry.register(
            "hits_refused",
            "Hits refused, by the field at fault",
            m.hits_refused.clone(),
        );
        registry.register(
            "fields_cut",
            "Parts of hits cut to their limit, by field",
            m.fields_cut.clone(),
        );
        registry.register(
            "queries",
            "Queries answered, by method and gRPC code",
            m.queries.clone(),
        );
        registry.register(
            "hits_stored",
            "Hits made durable and acknowledged",
            m.hits_stored.clone(),
        );
        registry.register(
            "hits_dropped_by_producers",
            "Hits that sidecars report to have dropped",
            m.hits_dropped_by_producers.clone(),
        );
        registry.register(
            "batches_missing",
            "Sequence numbers that producers left out",
            m.batches_missing.clone(),
        );
        registry.register_with_unit(
            "spool_commit",
            "Time of a commit",
            Unit::Seconds,
            m.spool_commit.clone(),
        );
        registry.register(
            "spool_failures",
            "Transactions of the spool that failed",
            m.spool_failures.clone(),
        );
        registry.register_with_unit(
            "spool",
            "Batches not yet in the query store",
            Unit::Bytes,
            m.spool_bytes.clone(),
        );
        registry.register(
            "hits_applied",
            "Hits written to the query store",
            m.hits_applied.clone(),
        );
        registry.register(
            "hits_counted",
            "Hits counted in their attack and not kept one by one",
            m.hits_counted.clone(),
        );
        registry.register(
            "sampling_stage",
            "How much is kept: 0 full, 1 regular, 2 extreme, 3 counts only",
            m.sampling_stage.clone(),
        );
        registry.register(
            "entries_unreadable",
            "Batches of the spool that were skipped",
            m.entries_unreadable.clone(),
        );
        registry.register(
            "apply_failures",
            "Failed writes to the query store",
            m.apply_failures.clone(),
        );
        registry.register_with_unit(
            "apply",
            "Time to write to the query store",
            Unit::Seconds,
            m.apply.clone(),
        );
        registry.register(
            "attacks_merged",
            "Attacks that a late hit joined into one",
            m.attacks_merged.clone(),
        );
        registry.register("hits_expired", "Hits deleted by retention", m.hits_expired.clone());
        registry.register(
            "attacks_expired",
            "Attacks deleted by retention",
            m.attacks_expired.clone(),
        );
        registry.register_with_unit("store", "Size of the query store", Unit::Bytes, m.store_bytes.clone());
        metrics.registry = Arc::new(registry);
        metrics
    }
}

impl Metrics {
    /// Counts a batch.
    pub fn batch(&self, result: BatchResult) {
        self.batches.get_or_create(&BatchLabels { result }).inc();
    }

    /// Counts a hit that was refused.
    pub fn refused(&self, field: &'static str) {
        self.hits_refused.get_or_create(&FieldLabels { field }).inc();
    }

    /// Counts parts of hits that were cut.
    pub fn cut(&self, field: &'static str, n: u64) {
        self.fields_cut.get_or_create(&FieldLabels { field }).inc_by(n);
    }

    /// Counts a query.
    pub fn query(&self, method: &'static str, code: tonic::Code) {
        let code = format!("{code:?}");
        self.queries.get_or_create(&QueryLabels { method, code }).inc();
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
