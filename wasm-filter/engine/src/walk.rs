//! The walk over a request: parsers and decoders in, values to detectors out, limits all the way.

use std::ops::Range;

use waf_policy::{AttackType, Limits};

use crate::{
    Finding, Verdict,
    decode::{base64, htmljs, percent},
    detect::{self, Fuel, Place, Signs, THRESHOLD, Value},
    memo::{Cost, Memo},
    parse::{
        json,
        pairs::{self, Pairs},
    },
    point::{Element, PointStack},
    prefilter::{Classes, byte, pair},
};

/// Memory reused between requests. One per VM; after the first requests nothing is allocated for clean ones.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) point: PointStack,
    signs: Signs,
    detectors: detect::Scratch,
    buffers: Pool<Vec<u8>>,
    json: Pool<json::Scratch>,
    pairs: Pool<Pairs>,
    memo: Memo,
}

/// Parts of scratch memory that nested parsers take in turn.
#[derive(Debug, Default)]
struct Pool<T>(Vec<T>);

impl<T: Default> Pool<T> {
    fn take(&mut self) -> T {
        self.0.pop().unwrap_or_default()
    }

    fn give(&mut self, part: T) {
        self.0.push(part);
    }
}

/// Largest buffer kept between uses, in bytes. A single huge value does not hold memory for ever.
const MAX_KEPT_BYTES: usize = 64 * 1024;

/// What one request has used up so far.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) n_points: usize,
    pub(crate) n_decoded_bytes: usize,
    pub(crate) n_fuel: u64,
}

/// Sees every point of a request, with its value before detection. For tests and the playground.
pub type Trace<'t> = &'t mut dyn FnMut(&PointStack, &Value<'_>);

/// One walk over a head or a body.
pub(crate) struct Walk<'w> {
    limits: &'w Limits,
    has_prefilter: bool,
    pub(crate) scratch: &'w mut Scratch,
    verdict: &'w mut Verdict,
    usage: &'w mut Usage,
    fuel: Fuel,
    trace: Option<Trace<'w>>,
}

impl<'w> Walk<'w> {
    pub(crate) fn new(
        limits: &'w Limits,
        has_prefilter: bool,
        scratch: &'w mut Scratch,
        verdict: &'w mut Verdict,
        usage: &'w mut Usage,
        trace: Option<Trace<'w>>,
    ) -> Walk<'w> {
        scratch.point.clear();
        let fuel = Fuel::new(limits.max_fuel.saturating_sub(usage.n_fuel));
        Walk {
            limits,
            has_prefilter,
            scratch,
            verdict,
            usage,
            fuel,
            trace,
        }
    }

    /// Records what was used. Call last.
    pub(crate) fn finish(self) {
        self.usage.n_fuel = self.limits.max_fuel - self.fuel.0.min(self.limits.max_fuel);
    }

    /// Whether points and fuel are left.
    pub(crate) fn wants_more(&self) -> bool {
        !self.verdict.limits.points && !self.verdict.limits.fuel
    }

    // === Values ===

    /// Judges a value that stands at the current point, and every form of it that a parser or decoder yields.
    pub(crate) fn value(&mut self, bytes: &[u8], place: Place, depth: usize) {
        if bytes.is_empty() || !self.count_point(bytes.len()) {
            return;
        }
        let value = Value { bytes, place };
        if let Some(trace) = &mut self.trace {
            trace(&self.scratch.point, &value);
        }
        let classes = Classes::of(bytes);
        if self.nested_json(bytes, place, depth) {
            return;
        }
        self.detect(&value, &classes);
        self.decode(bytes, place, &classes, depth);
    }

    /// Counts a value that its parser knows to carry nothing, such as a number.
    pub(crate) fn inert(&mut self, bytes: &[u8], place: Place) {
        if self.count_point(bytes.len())
            && let Some(trace) = &mut self.trace
        {
            trace(&self.scratch.point, &Value { bytes, place });
        }
    }

    /// As [`Walk::value`], for a value that many requests carry alike and that is no secret.
    pub(crate) fn common_value(&mut self, bytes: &[u8], place: Place) {
        // Tests that look at every value must see every value.
        let is_watched = self.trace.is_some() || !self.has_prefilter;
        if !is_watched
            && let Some(cost) = self.scratch.memo.recall(bytes, place)
            && self.usage.n_points + cost.n_points <= self.limits.max_points
            && self.usage.n_decoded_bytes + cost.n_decoded_bytes <= self.limits.max_decoded_bytes
            && cost.n_fuel < self.fuel.0
        {
            self.usage.n_points += cost.n_points;
            self.usage.n_decoded_bytes += cost.n_decoded_bytes;
            self.fuel.0 -= cost.n_fuel;
            return;
        }
        let before = (self.usage.n_points, self.usage.n_decoded_bytes, self.fuel.0);
        let (n_findings, limits) = (self.verdict.findings.len(), self.verdict.limits);
        self.value(bytes, place, 0);
        if self.verdict.findings.len() == n_findings && !limits.any() && !self.verdict.limits.any() {
            let cost = Cost {
                n_points: self.usage.n_points - before.0,
                n_decoded_bytes: self.usage.n_decoded_bytes - before.1,
                n_fuel: before.2 - self.fuel.0,
            };
            self.scratch.memo.remember(bytes, place, cost);
        }
    }

    /// Judges the name of what stands at the current point. Names of letters, digits, `_`, `-`, `[` and `]` carry
    /// nothing and are no points.
    pub(crate) fn name(&mut self, name: &[u8], place: Place, depth: usize) {
        let is_ordinary = name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'[' | b']'));
        if !is_ordinary {
            self.scratch.point.push(Element::Name);
            self.value(name, place, depth);
            self.scratch.point.pop();
        }
    }

    fn count_point(&mut self, n_bytes: usize) -> bool {
        if self.usage.n_points >= self.limits.max_points {
            self.verdict.limits.points = true;
            return false;
        }
        self.usage.n_points += 1;
        self.spend(n_bytes as u64 + 1)
    }

    fn spend(&mut self, units: u64) -> bool {
        let has_left = self.fuel.spend(units);
        self.verdict.limits.fuel |= !has_left;
        has_left
    }

    fn detect(&mut self, value: &Value<'_>, classes: &Classes) {
        let classes = if self.has_prefilter { classes } else { &Classes::ALL };
        let Scratch {
            signs,
            detectors,
            point,
            ..
        } = &mut *self.scratch;
        detect::scan(value, point.parameter(), classes, detectors, &mut self.fuel, signs);
        self.verdict.limits.fuel |= self.fuel.0 == 0;
        if self.scratch.signs.iter().next().is_some() {
            self.conclude(value);
            self.scratch.signs.clear();
        }
    }

    /// Turns signs of one value into findings.
    fn conclude(&mut self, value: &Value<'_>) {
        let Scratch { signs, point, .. } = &mut *self.scratch;
        for attack_type in AttackType::ALL {
            let weight = signs.weight(*attack_type);
            if weight < THRESHOLD || self.verdict.findings.len() >= Verdict::MAX_FINDINGS {
                continue;
            }
            let mut counted: Vec<_> = signs
                .iter()
                .filter(|sign| sign.stamp.attack_type == *attack_type)
                .collect();
            counted.sort_by_key(|sign| std::cmp::Reverse(sign.stamp.weight));
            let span = counted.first().map(|sign| sign.span.clone()).unwrap_or_default();
            self.verdict.findings.push(Finding {
                attack_type: *attack_type,
                point: point.to_path(),
                decoders: point.decoders().collect(),
                stamps: counted.iter().map(|sign| sign.stamp).collect(),
                payload: excerpt(value.bytes, &span).to_vec(),
                span,
                weight,
            });
        }
    }

    // === Other forms of a value ===

    /// Reads a value that is a whole JSON container by its members. True when that says all there is to say.
    fn nested_json(&mut self, bytes: &[u8], place: Place, depth: usize) -> bool {
        let may_nest = matches!(
            place,
            Place::Query | Place::Body | Place::Cookie | Place::Header | Place::RawBody | Place::File
        );
        if !may_nest || !json::is_container(bytes) {
            return false;
        }
        let mut scratch = self.scratch.json.take();
        // Only what every reader takes for JSON is read as JSON alone.
        let outcome = json::parse(bytes, &mut scratch, &mut Nothing);
        self.scratch.json.give(scratch);
        if !outcome.is_strict || !outcome.is_whole || !self.spend(bytes.len() as u64) {
            return false;
        }
        if depth >= self.limits.max_depth {
            self.verdict.limits.depth = true;
            return false;
        }
        let place = if place == Place::RawBody { Place::Body } else { place };
        self.json(bytes, place, depth + 1);
        true
    }

    /// Reads a JSON document at the current point.
    pub(crate) fn json(&mut self, bytes: &[u8], place: Place, depth: usize) -> json::Outcome {
        let mut scratch = self.scratch.json.take();
        let outer = self.scratch.point.depth();
        self.scratch.point.push(Element::JsonDoc);
        let mut sink = Members {
            walk: self,
            place,
            depth,
        };
        let outcome = json::parse(bytes, &mut scratch, &mut sink);
        self.scratch.point.truncate(outer);
        self.scratch.json.give(scratch);
        self.verdict.limits.depth |= outcome.is_too_deep;
        outcome
    }

    /// Reads the pairs of a query or a form.
    pub(crate) fn pairs(&mut self, bytes: &[u8], element: Element, place: Place, depth: usize) {
        if !self.may_decode(bytes.len()) {
            return;
        }
        let mut pairs = self.scratch.pairs.take();
        let mut text = self.scratch.buffers.take();
        if !pairs.parse(bytes, self.limits.max_points, &mut text) {
            self.verdict.limits.points = true;
        }
        for (position, pair) in pairs.list.iter().enumerate() {
            let name = text.get(pair.name.clone()).unwrap_or_default();
            let value = text.get(pair.value.clone()).unwrap_or_default();
            let outer = self.scratch.point.depth();
            pairs::push_point(&mut self.scratch.point, element, name, pair.nth, pair.is_repeated);
            if pair.nth == 0 {
                self.name(name, if pair.is_bare { place } else { Place::Name }, depth);
            }
            self.value(value, place, depth);
            self.scratch.point.truncate(outer);
            if pair.is_repeated && pair.nth == 0 && !pairs::is_array_name(name) {
                let mut joined = self.scratch.buffers.take();
                for (nth, other) in pairs.repetitions(position, &text).enumerate() {
                    if nth > 0 {
                        joined.push(b',');
                    }
                    joined.extend_from_slice(text.get(other.value.clone()).unwrap_or_default());
                }
                pairs::push_point(&mut self.scratch.point, element, name, 0, false);
                self.scratch.point.push(Element::Pollution);
                self.value(&joined, place, depth);
                self.scratch.point.truncate(outer);
                self.give_buffer(joined);
            }
        }
        self.give_buffer(text);
        self.scratch.pairs.give(pairs);
    }

    /// Judges the first decoded form of a value. Further forms follow from that one, so the work stays linear.
    fn decode(&mut self, bytes: &[u8], place: Place, classes: &Classes, depth: usize) {
        let is_form = matches!(place, Place::Query | Place::Body);
        let is_plain_place = matches!(place, Place::Uri | Place::Path | Place::UserAgent | Place::File);
        // A form-encoded value inside a value: spaces are still plus signs.
        let has_plus = is_form && classes.any_byte(byte::PLUS) && !classes.any_byte(byte::SPACE);
        if classes.any_pair(pair::PERCENT_HEX) || has_plus {
            let plus = if has_plus {
                percent::Plus::Space
            } else {
                percent::Plus::Literal
            };
            let decoder = |input: &[u8], out: &mut Vec<u8>| percent::decode(input, plus, out);
            if self.decoded(bytes, place, depth, Element::Percent, decoder) {
                return;
            }
        }
        if is_plain_place {
            return;
        }
        if classes.any_pair(pair::ENTITY | pair::BACKSLASH_ESCAPE)
            && self.decoded(bytes, place, depth, Element::Htmljs, htmljs::decode)
        {
            return;
        }
        if place != Place::Name && bytes.len() >= 8 && !classes.any_byte(base64::NEVER) {
            self.decoded(bytes, place, depth, Element::Base64, base64::decode);
        }
    }

    /// Judges what base64 text stands for, when it is plausible.
    pub(crate) fn base64(&mut self, bytes: &[u8], place: Place, depth: usize) {
        self.decoded(bytes, place, depth, Element::Base64, base64::decode);
    }

    /// Runs a decoder and judges what it yields. False when it yields nothing new.
    fn decoded(
        &mut self,
        bytes: &[u8],
        place: Place,
        depth: usize,
        element: Element,
        decoder: impl FnOnce(&[u8], &mut Vec<u8>) -> bool,
    ) -> bool {
        if !self.may_decode(bytes.len()) {
            return false;
        }
        let mut out = self.scratch.buffers.take();
        let is_changed = decoder(bytes, &mut out);
        if is_changed && depth >= self.limits.max_depth {
            self.verdict.limits.depth = true;
        } else if is_changed {
            self.usage.n_decoded_bytes += out.len();
            self.scratch.point.push(element);
            self.value(&out, place, depth + 1);
            self.scratch.point.pop();
        }
        self.give_buffer(out);
        is_changed
    }

    /// Whether a decoder may run over so many bytes; its output is never longer.
    fn may_decode(&mut self, n_bytes: usize) -> bool {
        if self.usage.n_decoded_bytes + n_bytes > self.limits.max_decoded_bytes {
            self.verdict.limits.decoded_bytes = true;
            return false;
        }
        self.spend(n_bytes as u64)
    }

    fn give_buffer(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        buffer.shrink_to(MAX_KEPT_BYTES);
        self.scratch.buffers.give(buffer);
    }
}

/// Hands members of a JSON document to the walk.
struct Members<'s, 'w> {
    walk: &'s mut Walk<'w>,
    place: Place,
    depth: usize,
}

impl json::Sink for Members<'_, '_> {
    fn member(&mut self, name: &[u8]) {
        self.walk.scratch.point.push_name(Element::Hash, name);
        if name.first() == Some(&b'$') {
            // What an operator of a query says depends on what it applies to.
            let mut joined = self.walk.scratch.buffers.take();
            self.walk.scratch.point.write_names(&mut joined);
            self.walk.name(&joined, Place::Name, self.depth);
            self.walk.give_buffer(joined);
        } else {
            self.walk.name(name, Place::Name, self.depth);
        }
    }

    fn item(&mut self, index: u32) {
        self.walk.scratch.point.push_index(Element::Array, index);
    }

    fn string(&mut self, value: &[u8]) {
        self.walk.value(value, self.place, self.depth);
    }

    fn literal(&mut self, value: &[u8]) {
        self.walk.inert(value, self.place);
    }

    fn garbage(&mut self, value: &[u8]) {
        self.walk.value(value, self.place, self.depth);
    }

    fn end(&mut self) {
        self.walk.scratch.point.pop();
    }

    fn wants_more(&self) -> bool {
        self.walk.wants_more()
    }
}

/// Takes nothing, to find out only whether a document is one.
struct Nothing;

impl json::Sink for Nothing {
    fn member(&mut self, _name: &[u8]) {}
    fn item(&mut self, _index: u32) {}
    fn string(&mut self, _value: &[u8]) {}
    fn literal(&mut self, _value: &[u8]) {}
    fn garbage(&mut self, _value: &[u8]) {}
    fn end(&mut self) {}
    fn wants_more(&self) -> bool {
        true
    }
}

/// The part of a value around a span, at most [`Finding::MAX_PAYLOAD_BYTES`].
fn excerpt<'v>(value: &'v [u8], span: &Range<usize>) -> &'v [u8] {
    const BEFORE: usize = 32;
    const AFTER: usize = 64;
    let start = span.start.saturating_sub(BEFORE).min(value.len());
    let end = span.end.max(span.start).saturating_add(AFTER).min(value.len());
    let end = end.min(start + Finding::MAX_PAYLOAD_BYTES);
    value.get(start..end).unwrap_or_default()
}
