//! Takes reports from filters: checks them, makes them durable, acknowledges them.
//!
//! A batch that breaks the contract as a whole is refused. One odd hit does not cost the others: it is left out and
//! counted, and parts that are too long are cut and counted. Nothing of what was captured is logged.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tonic::{Request, Response, Status};
use tracing::warn;
use waf_proto::v1::{self, report_service_server::ReportService};

use crate::{
    hit::{Batch, Hit, Producer, limits},
    journal::{AppendError, Appended, Journal},
    metrics::{BatchResult, Metrics},
    sample::{Flow, Pressure},
    status,
    wire::{self, Cuts, Refused},
};

/// How far ahead of ours a node's clock may be. Beyond that a hit gets the time at which it arrived.
const MAX_AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How old a hit may be when it arrives. Beyond that it gets the time at which it arrived.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The service that takes reports.
#[derive(Clone, Debug)]
pub struct Ingest {
    journal: Journal,
    pressure: Pressure,
    metrics: Metrics,
}

/// What a batch was found to be.
#[derive(Debug, Default)]
struct Accepted {
    hits: Vec<Hit>,
    refused: Vec<Refused>,
    cuts: Cuts,
}

// === impl Ingest ===

impl Ingest {
    /// A service that writes to a journal and tells `pressure` what arrives.
    pub fn new(journal: Journal, pressure: Pressure, metrics: Metrics) -> Self {
        Ingest {
            journal,
            pressure,
            metrics,
        }
    }

    async fn store(&self, request: v1::ReportHitsRequest) -> Result<v1::ReportHitsResponse, Status> {
        let v1::ReportHitsRequest {
            producer,
            sequence,
            hits,
            dropped_total,
        } = request;
        let (producer, hits) = match check(producer, sequence, hits) {
            Ok(checked) => checked,
            Err(status) => {
                self.metrics.batch(BatchResult::Invalid);
                return Err(status);
            }
        };
        let Accepted { hits, refused, cuts } = accept(hits, Timestamp::now());
        let n_stored = hits.len() as u32;
        let batch = Batch {
            producer: producer.clone(),
            sequence,
            hits,
            dropped_total,
        };
        let appended = self.journal.append(batch).await;
        self.metrics.batch(match appended {
            Ok(Appended::Now) => BatchResult::Stored,
            Ok(Appended::Already) => BatchResult::Duplicate,
            Err(AppendError::Busy | AppendError::Full) => BatchResult::Overload,
            Err(AppendError::Unavailable) => BatchResult::Unavailable,
        });
        let n_refused = refused.len() as u32;
        let (stored, refused_now) = match appended.map_err(|error| status::of_append(&error))? {
            Appended::Already => (0, 0),
            Appended::Now => {
                self.note(&producer, refused, cuts);
                (n_stored, n_refused)
            }
        };
        self.pressure
            .note(u64::from(stored), self.journal.fill(), Instant::now());
        let Flow { flush_interval, stage } = self.pressure.flow();
        Ok(v1::ReportHitsResponse {
            stored,
            refused: refused_now,
            flush_interval_ms: flush_interval.as_millis() as u32,
            sampling_stage: wire::stage_to(stage).into(),
        })
    }

    /// Counts what was left out of a batch that was stored.
    fn note(&self, producer: &Producer, refused: Vec<Refused>, cuts: Cuts) {
        for Refused { field, .. } in &refused {
            self.metrics.refused(field);
        }
        for (field, n) in cuts.0 {
            self.metrics.cut(field, n);
        }
        if let Some(first) = refused.first() {
            let Producer { node, boot } = producer;
            // Debug form: the name of the node comes from outside and may hold anything.
            warn!(?node, boot, n = refused.len(), %first, "Hits were refused.");
        }
    }
}

#[tonic::async_trait]
impl ReportService for Ingest {
    async fn report_hits(
        &self,
        request: Request<v1::ReportHitsRequest>,
    ) -> Result<Response<v1::ReportHitsResponse>, Status> {
        self.store(request.into_inner()).await.map(Response::new)
    }
}

/// What makes a batch one.
fn check(
    producer: Option<v1::Producer>,
    sequence: u64,
    hits: Vec<v1::Hit>,
) -> Result<(Producer, Vec<v1::Hit>), Status> {
    let Some(v1::Producer { node, boot }) = producer else {
        return Err(status::invalid("producer", "missing", "must be set"));
    };
    if node.is_empty() || node.len() > limits::NODE {
        let found = format!("{} bytes", node.len());
        return Err(status::invalid("producer.node", &found, "must have 1 to 253 bytes"));
    }
    if sequence == 0 || sequence > i64::MAX as u64 {
        let found = sequence.to_string();
        return Err(status::invalid("sequence", &found, "must be between 1 and 2^63-1"));
    }
    if hits.len() > limits::BATCH_HITS {
        let found = format!("{} hits", hits.len());
        return Err(status::invalid("hits", &found, "must hold at most 1000"));
    }
    Ok((Producer { node, boot }, hits))
}

/// Turns messages into hits.
fn accept(messages: Vec<v1::Hit>, now: Timestamp) -> Accepted {
    let mut accepted = Accepted::default();
    for message in messages {
        match wire::hit_from(message, &mut accepted.cuts) {
            Ok(mut hit) => {
                if hit.time > now + MAX_AHEAD || hit.time < now - MAX_AGE {
                    hit.time = now;
                    *accepted.cuts.0.entry("time").or_default() += 1;
                }
                accepted.hits.push(hit);
            }
            Err(refused) => accepted.refused.push(refused),
        }
    }
    accepted
}
