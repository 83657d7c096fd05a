//! Reports hits to postanalytics.
//!
//! One [`Reporter`] per VM. Hits wait in a bounded ring; a tick sends them in batches, one batch at a time. A batch that
//! fails is kept and sent again with the same number, so postanalytics can tell a repetition; meanwhile the ring goes
//! on filling and drops its oldest hits, each of them counted. Requests never wait for any of this.

use std::{collections::VecDeque, time::Duration};

use prost::Message;
use waf_proto::v1::{Hit, Producer, ReportHitsRequest};

use crate::{
    host::{CallToken, GrpcTarget, Host},
    metrics::{Counter, Metrics},
};

/// How often a root context ticks.
pub const TICK: Duration = Duration::from_millis(500);
/// Most hits that wait.
pub const MAX_RING_HITS: usize = 512;
/// Most bytes that wait, counted as encoded.
pub const MAX_RING_BYTES: usize = 256 * 1024;
/// Most bytes of hits in one batch, counted as encoded.
pub const MAX_BATCH_BYTES: usize = 64 * 1024;

const SERVICE: &str = "waf.v1.ReportService";
const METHOD: &str = "ReportHits";
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Ticks after which an answer is given up. Answers are lost when the root context that asked is replaced.
const ANSWER_TICKS: u32 = 6;
/// First pause after a failure, in ticks (1 s).
const MIN_BACKOFF_TICKS: u32 = 2;
/// Longest pause after failures, in ticks (30 s).
const MAX_BACKOFF_TICKS: u32 = 60;
/// gRPC status INVALID_ARGUMENT: this very batch is refused and will be refused again.
const INVALID_ARGUMENT: u32 = 3;

/// Collects hits and sends them.
#[derive(Debug)]
pub struct Reporter {
    target: Option<GrpcTarget>,
    node: String,
    boot: u64,
    ring: VecDeque<(Hit, usize)>,
    ring_bytes: usize,
    dropped_hits: u64,
    next_sequence: u64,
    batch: Option<Batch>,
    state: State,
    backoff_ticks: u32,
    jitter: u64,
}

/// Hits that were given a number.
#[derive(Debug)]
struct Batch {
    message: Vec<u8>,
    n_hits: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Free to send.
    Ready,
    /// A call is under way.
    Waiting { token: CallToken, ticks_left: u32 },
    /// A call failed.
    Pausing { ticks_left: u32 },
}

impl Reporter {
    /// A reporter that has no target yet and drops nothing until it has one. `boot` tells this producer from others.
    pub fn new(boot: u64) -> Reporter {
        Reporter {
            target: None,
            node: String::new(),
            boot,
            ring: VecDeque::new(),
            ring_bytes: 0,
            dropped_hits: 0,
            next_sequence: 1,
            batch: None,
            state: State::Ready,
            backoff_ticks: MIN_BACKOFF_TICKS,
            // Any odd number keeps the generator below from standing still.
            jitter: boot | 1,
        }
    }

    /// Sets where to and in whose name hits are reported. Without a target hits are not kept.
    pub fn configure(&mut self, target: Option<GrpcTarget>, node: String) {
        self.target = target;
        self.node = node;
    }

    /// Hits that wait for a batch.
    pub fn n_waiting(&self) -> usize {
        self.ring.len()
    }

    /// Adds a hit. When there is no room the oldest hits make it.
    pub fn push(&mut self, hit: Hit, host: &impl Host, metrics: &Metrics) {
        if self.target.is_none() {
            return;
        }
        let n_bytes = hit.encoded_len();
        self.ring.push_back((hit, n_bytes));
        self.ring_bytes += n_bytes;
        let mut n_dropped = 0;
        while self.ring.len() > MAX_RING_HITS || self.ring_bytes > MAX_RING_BYTES {
            let Some((_, n_bytes)) = self.ring.pop_front() else {
                break;
            };
            self.ring_bytes -= n_bytes;
            n_dropped += 1;
        }
        self.count_dropped(n_dropped, host, metrics);
    }

    /// Sends what waits, unless a call is under way or a pause is not over.
    pub fn tick(&mut self, host: &impl Host, metrics: &Metrics) {
        match &mut self.state {
            State::Ready => {}
            State::Waiting { ticks_left, .. } if *ticks_left > 1 => {
                *ticks_left -= 1;
                return;
            }
            State::Waiting { .. } => {
                // Too late to be told; the number makes sending it again harmless.
                self.fail(host, metrics);
                return;
            }
            State::Pausing { ticks_left } if *ticks_left > 1 => {
                *ticks_left -= 1;
                return;
            }
            State::Pausing { .. } => self.state = State::Ready,
        }
        self.send(host, metrics);
    }

    /// Takes the answer to a call; 0 is success. Answers to calls that were given up are ignored.
    pub fn answer(&mut self, token: CallToken, grpc_status: u32, host: &impl Host, metrics: &Metrics) {
        match self.state {
            State::Waiting { token: expected, .. } if expected == token => {}
            _ => return,
        }
        match grpc_status {
            0 => {
                let n_hits = self.batch.take().map_or(0, |batch| batch.n_hits);
                metrics.add(host, Counter::ReportSentHits, n_hits);
            }
            INVALID_ARGUMENT => {
                metrics.add(host, Counter::ReportFailedBatches, 1);
                let n_hits = self.batch.take().map_or(0, |batch| batch.n_hits);
                self.count_dropped(n_hits, host, metrics);
            }
            _ => return self.fail(host, metrics),
        }
        self.state = State::Ready;
        self.backoff_ticks = MIN_BACKOFF_TICKS;
        // A backlog does not wait for ticks; a few hits do, so that they share a batch.
        if self.ring_bytes >= MAX_BATCH_BYTES / 2 || self.ring.len() >= MAX_RING_HITS / 4 {
            self.send(host, metrics);
        }
    }

    fn send(&mut self, host: &impl Host, metrics: &Metrics) {
        if self.target.is_none() {
            return;
        }
        if self.batch.is_none() {
            self.batch = self.next_batch();
        }
        let (Some(target), Some(batch)) = (&self.target, &self.batch) else {
            return;
        };
        match host.grpc_call(target, SERVICE, METHOD, &batch.message, CALL_TIMEOUT) {
            Ok(token) => {
                self.state = State::Waiting {
                    token,
                    ticks_left: ANSWER_TICKS,
                };
            }
            Err(_) => self.fail(host, metrics),
        }
    }

    fn next_batch(&mut self) -> Option<Batch> {
        let mut hits = Vec::new();
        let mut n_bytes = 0;
        while let Some((_, hit_bytes)) = self.ring.front() {
            if !hits.is_empty() && n_bytes + hit_bytes > MAX_BATCH_BYTES {
                break;
            }
            let Some((hit, hit_bytes)) = self.ring.pop_front() else {
                break;
            };
            self.ring_bytes -= hit_bytes;
            n_bytes += hit_bytes;
            hits.push(hit);
        }
        if hits.is_empty() {
            return None;
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let n_hits = hits.len() as u64;
        let request = ReportHitsRequest {
            producer: Some(Producer {
                node: self.node.clone(),
                boot: self.boot,
            }),
            sequence,
            hits,
            dropped_total: self.dropped_hits,
        };
        Some(Batch {
            message: request.encode_to_vec(),
            n_hits,
        })
    }

    fn fail(&mut self, host: &impl Host, metrics: &Metrics) {
        metrics.add(host, Counter::ReportFailedBatches, 1);
        let ticks = self.backoff_ticks;
        self.backoff_ticks = (ticks * 2).min(MAX_BACKOFF_TICKS);
        // A quarter up or down, so that the VMs of many pods do not come back at the same moment.
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        let quarter = ticks / 4;
        let offset = (self.jitter % (2 * u64::from(quarter) + 1)) as u32;
        self.state = State::Pausing {
            ticks_left: ticks - quarter + offset,
        };
    }

    fn count_dropped(&mut self, n_hits: u64, host: &impl Host, metrics: &Metrics) {
        self.dropped_hits += n_hits;
        metrics.add(host, Counter::ReportDroppedHits, n_hits);
    }
}

#[cfg(test)]
mod tests;
