//! One request on its way through Envoy: which bytes are inspected when, and what is told about it.
//!
//! The head is inspected as soon as it is there. A body is either *held* (Envoy keeps head and body until the verdict,
//! so nothing of an attack reaches the application) or *collected* (everything flows on and is copied up to the limit:
//! the verdict may come after a part has been passed on and is then called late). Held are plain bodies in a mode that
//! may block, if Envoy was told to allow it; collected are all others. Bytes beyond the limit flow uninspected. Nothing
//! here waits for the network, and nothing here decides: `enforce` does.

use std::rc::Rc;

use waf_engine::{Action, Body, Inspection, enforce};
use waf_policy::Mode;

use crate::{
    event::{self, Exchange, Outcome},
    head::{BodyKind, Head},
    host::Host,
    metrics::Counter,
    reply::{self, Audience},
    vm::{Held, Plugin, Vm},
};

/// Name of the property that access logs show as filter state `wasm.wallarm`.
pub const LOG_PROPERTY: &str = "wallarm";

/// What Envoy shall do with the part at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Pass it on.
    Continue,
    /// Keep it.
    Pause,
}

/// The state of one request.
#[derive(Debug)]
pub struct Stream<H: Host> {
    vm: Rc<Vm<H>>,
    plugin: Option<Rc<Plugin>>,
    phase: Phase,
    inspection: Inspection,
    exchange: Exchange,
    audience: Audience,
    action: Action,
    is_late: bool,
    response_began: bool,
    held: Held<H>,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is left to inspect.
    Done,
    /// Envoy keeps head and body.
    Holding,
    /// Head and body flow; this is a copy of the body so far.
    Collecting {
        bytes: Vec<u8>,
        content_length: Option<u64>,
        kind: BodyKind,
    },
    /// Refused; the response that passes by is our own.
    Blocked,
}

impl<H: Host> Stream<H> {
    /// A request under this configuration. Without one nothing is inspected: Envoy creates contexts of streams that the
    /// filter never sees, only to log them.
    pub fn new(vm: Rc<Vm<H>>, plugin: Option<Rc<Plugin>>) -> Stream<H> {
        Stream {
            held: Held::new(Rc::clone(&vm)),
            vm,
            plugin,
            phase: Phase::Done,
            inspection: Inspection::default(),
            exchange: Exchange::default(),
            audience: Audience::default(),
            action: Action::Pass,
            is_late: false,
            response_began: false,
        }
    }

    /// The head has arrived; `end_of_stream` when no body follows.
    pub fn request_headers(&mut self, end_of_stream: bool) -> Flow {
        let Some(plugin) = self.plugin.clone() else {
            return Flow::Continue;
        };
        self.count(Counter::Requests);
        if plugin.config.mode == Mode::Off {
            return Flow::Continue;
        }
        let Ok(map) = self.vm.host.request_headers() else {
            self.count(Counter::HostErrors);
            return Flow::Continue;
        };
        let pairs = map.pairs();
        let head = Head::new(&pairs);
        let request = head.as_request();
        let inspection = &mut self.inspection;
        self.vm
            .with_scratch(|scratch| plugin.engine.inspect_head(&request, scratch, inspection));

        if !end_of_stream || !self.inspection.verdict().is_clean() {
            let time = self.vm.host.now().unwrap_or_default();
            let exchange = Exchange::capture(time, head.method, head.authority, head.target, head.request_id);
            // When all requests together hold too much, this one is reported without its head rather than not at all.
            if self.held.take(exchange.n_bytes()) == exchange.n_bytes() {
                self.exchange = exchange;
            } else {
                self.exchange.time = time;
            }
            self.audience = head.audience();
        }
        if self.conclude(&plugin, false) == Flow::Pause {
            return Flow::Pause;
        }
        if end_of_stream {
            return Flow::Continue;
        }
        let kind = head.body_kind();
        if kind == BodyKind::Plain && plugin.config.hold_headers && may_block(plugin.config.mode) {
            self.phase = Phase::Holding;
            return Flow::Pause;
        }
        self.phase = Phase::Collecting {
            bytes: Vec::new(),
            content_length: head.content_length,
            kind,
        };
        Flow::Continue
    }

    /// A part of the body has arrived. `n_bytes` is what the host has at hand: everything so far while it holds the
    /// body, else this part.
    pub fn request_body(&mut self, n_bytes: usize, end_of_stream: bool) -> Flow {
        let Some(plugin) = self.plugin.clone() else {
            return Flow::Continue;
        };
        let max_bytes = plugin.engine.limits().max_body_bytes;
        match &mut self.phase {
            Phase::Done => Flow::Continue,
            Phase::Blocked => Flow::Pause,
            Phase::Holding if !end_of_stream && n_bytes <= max_bytes => Flow::Pause,
            Phase::Holding => self.judge_held(&plugin, end_of_stream && n_bytes <= max_bytes),
            Phase::Collecting {
                bytes, content_length, ..
            } => {
                let room = max_bytes.saturating_sub(bytes.len());
                let n_taken = self.held.take(n_bytes.min(room));
                if n_taken > 0 {
                    match self.vm.host.request_body(n_taken) {
                        Ok(part) => bytes.extend_from_slice(&part),
                        Err(_) => self.vm.metrics.add(&self.vm.host, Counter::HostErrors, 1),
                    }
                }
                let is_cut = n_taken < n_bytes;
                let is_all = content_length.is_some_and(|length| bytes.len() as u64 >= length);
                if end_of_stream || is_cut || is_all {
                    self.judge_collected(&plugin, !is_cut)
                } else {
                    Flow::Continue
                }
            }
        }
    }

    /// Trailers have arrived: the body is complete. In HTTP/2 nothing else says so.
    pub fn request_trailers(&mut self) -> Flow {
        let Some(plugin) = self.plugin.clone() else {
            return Flow::Continue;
        };
        match &self.phase {
            Phase::Done => Flow::Continue,
            Phase::Blocked => Flow::Pause,
            Phase::Holding => self.judge_held(&plugin, true),
            Phase::Collecting { .. } => self.judge_collected(&plugin, true),
        }
    }

    /// The response begins. Responses are not inspected.
    pub fn response_headers(&mut self) {
        if self.phase == Phase::Blocked {
            return;
        }
        self.response_began = true;
        if let Phase::Collecting {
            kind: BodyKind::Upgrade,
            ..
        } = self.phase
            && self.vm.host.response_status() == Ok(101)
        {
            // From here on it is another protocol.
            self.phase = Phase::Done;
        }
    }

    /// The request has ended: count it and report its hits. Called for streams that never were requests as well.
    pub fn log(&mut self) {
        let Some(plugin) = self.plugin.take() else { return };
        if let Phase::Collecting { bytes, .. } = &self.phase
            && !bytes.is_empty()
        {
            // The end never came, but these bytes have been passed on.
            self.response_began = true;
            self.judge_collected(&plugin, false);
        }
        let vm = &self.vm;
        let verdict = self.inspection.verdict();
        vm.metrics.count_limits(&vm.host, verdict.limits);
        if verdict.is_clean() {
            return;
        }
        for hit in verdict.hits() {
            vm.metrics.count_hit(&vm.host, hit.attack_type, self.action);
        }
        let address = vm.host.property(&["source", "address"]).unwrap_or_default();
        let address = String::from_utf8_lossy(&address);
        let status = vm.host.property(&["response", "code"]).unwrap_or_default();
        let outcome = Outcome {
            application: plugin.config.application,
            mode: plugin.config.mode,
            action: self.action,
            remote_addr: event::without_port(&address),
            // An integer property is 8 bytes, little-endian.
            response_status: status
                .first_chunk::<8>()
                .and_then(|bytes| u32::try_from(i64::from_le_bytes(*bytes)).ok())
                .unwrap_or(0),
        };
        let hits = event::hits(verdict, &self.exchange, &outcome);
        vm.with_reporter(|reporter, host, metrics| {
            for hit in hits {
                reporter.push(hit, host, metrics);
            }
        });
    }

    /// Judges the body that Envoy keeps.
    fn judge_held(&mut self, plugin: &Plugin, is_complete: bool) -> Flow {
        self.phase = Phase::Done;
        match self.vm.host.request_body(plugin.engine.limits().max_body_bytes) {
            Ok(bytes) => self.inspect_body(plugin, &bytes, is_complete),
            Err(_) => self.count(Counter::HostErrors),
        }
        self.conclude(plugin, false)
    }

    /// Judges the copy of a body that flows.
    fn judge_collected(&mut self, plugin: &Plugin, is_complete: bool) -> Flow {
        let phase = std::mem::replace(&mut self.phase, Phase::Done);
        if let Phase::Collecting { bytes, .. } = phase {
            self.inspect_body(plugin, &bytes, is_complete);
        }
        self.conclude(plugin, true)
    }

    fn inspect_body(&mut self, plugin: &Plugin, bytes: &[u8], is_complete: bool) {
        let inspection = &mut self.inspection;
        let body = Body { bytes, is_complete };
        self.vm
            .with_scratch(|scratch| plugin.engine.inspect_body(body, scratch, inspection));
    }

    /// Acts on the verdict as it stands. `head_left`: the application has already seen a part of the request.
    fn conclude(&mut self, plugin: &Plugin, head_left: bool) -> Flow {
        let verdict = self.inspection.verdict();
        let decided = enforce(plugin.config.mode, verdict);
        self.action = decided;
        let mut flow = Flow::Continue;
        if decided == Action::Block {
            self.is_late = head_left;
            self.action = Action::Monitor;
            if !self.response_began {
                let page = reply::blocked(self.audience, &self.exchange.request_id);
                match self.vm.host.send_local_reply(&page) {
                    Ok(()) => {
                        self.action = Action::Block;
                        self.phase = Phase::Blocked;
                        flow = Flow::Pause;
                        self.count(Counter::Blocked);
                    }
                    Err(_) => self.count(Counter::HostErrors),
                }
            }
            if self.is_late {
                self.count(Counter::Late);
            }
        }
        if let Some(field) = event::log_field(self.inspection.verdict(), self.action, self.is_late)
            && self.vm.host.set_property(LOG_PROPERTY, field.as_bytes()).is_err()
        {
            self.count(Counter::HostErrors);
        }
        flow
    }

    fn count(&self, counter: Counter) {
        self.vm.metrics.add(&self.vm.host, counter, 1);
    }
}

/// Whether `enforce` may block in this mode, so that waiting for a verdict is worth a delay.
fn may_block(mode: Mode) -> bool {
    match mode {
        Mode::Off | Mode::Monitoring => false,
        // Without lists nobody is on the gray one, so `enforce` never blocks here either.
        Mode::SafeBlocking => false,
        Mode::Block => true,
    }
}

#[cfg(test)]
mod tests;
