//! The walk over a request: parsers and decoders in, values to detectors out, limits all the way.
//!
//! A value goes through [`Walk::value`], which offers it to the tables of `form`; what a parser or decoder yields comes
//! back the same way, one step deeper.

mod budget;
mod charset;
mod conclusion;
mod decoders;
mod form;
mod gql;
mod json;
mod jwt;
mod multipart;
mod pairs;
mod protobuf;
mod scratch;
mod unpack;
mod viewstate;
mod xml;

use waf_policy::{Parser, ParserSet};

use self::budget::Budget;
pub(crate) use self::budget::Usage;
pub use self::scratch::Scratch;
pub(crate) use self::unpack::element_of;
use crate::{
    Finding, GqlSummary, Settings, Verdict,
    detect::{Place, Value, mass_assignment},
    point::{Element, PointStack},
    prefilter::Classes,
    raw::{Cursor, Part},
};

/// Sees every point of a request, with its value before detection. For tests and the playground.
pub type Trace<'t> = &'t mut dyn FnMut(&PointStack, &Value<'_>);

/// One walk over a head or a body.
pub(crate) struct Walk<'w> {
    pub(crate) scratch: &'w mut Scratch,
    pub(crate) budget: Budget<'w>,
    parsers: ParserSet,
    has_prefilter: bool,
    /// Whether SQL injection needs the second opinion of the grammar.
    has_second_opinion: bool,
    /// Whether the parsers are those that the memo knows of.
    has_memo: bool,
    findings: &'w mut Vec<Finding>,
    gql: &'w mut GqlSummary,
    cursor: Cursor,
    trace: Option<Trace<'w>>,
}

impl<'w> Walk<'w> {
    pub(crate) fn new(
        settings: &'w Settings,
        own_parsers: Option<ParserSet>,
        has_prefilter: bool,
        scratch: &'w mut Scratch,
        verdict: &'w mut Verdict,
        usage: &'w mut Usage,
        trace: Option<Trace<'w>>,
    ) -> Walk<'w> {
        scratch.point.clear();
        scratch.memo.begin(settings);
        let Verdict { findings, limits, gql } = verdict;
        Walk {
            scratch,
            budget: Budget::new(&settings.limits, limits, usage),
            parsers: own_parsers.unwrap_or_else(|| settings.parsers()),
            has_prefilter,
            has_second_opinion: settings.enable_libdetection,
            has_memo: own_parsers.is_none(),
            findings,
            gql,
            cursor: Cursor::default(),
            trace,
        }
    }

    /// Records what was used. Call last.
    pub(crate) fn finish(self) {
        self.budget.finish();
    }

    /// Whether points and fuel are left.
    pub(crate) fn wants_more(&self) -> bool {
        self.budget.has_left()
    }

    /// Whether a parser is switched on.
    pub(crate) fn reads(&self, parser: Parser) -> bool {
        self.parsers.contains(parser)
    }

    // === Where values come from ===

    /// Begins with a part of the request.
    pub(crate) fn enter(&mut self, part: Part, bytes: &[u8]) {
        self.cursor = Cursor::of(part, bytes);
    }

    /// Judges something that was read from `raw`, a slice of the value at hand. Findings of decoded values then point
    /// at that slice instead of the whole.
    #[inline]
    pub(crate) fn within(&mut self, raw: &[u8], judge: impl FnOnce(&mut Self)) {
        let outer = self.cursor;
        self.cursor.narrow(raw);
        judge(self);
        self.cursor = outer;
    }

    // === Values ===

    /// Judges a value that stands at the current point, and every form of it that a parser or decoder yields.
    pub(crate) fn value(&mut self, bytes: &[u8], place: Place, depth: usize) {
        if bytes.is_empty() || !self.budget.count_point(bytes.len()) {
            return;
        }
        let value = Value { bytes, place };
        if let Some(trace) = &mut self.trace {
            trace(&self.scratch.point, &value);
        }
        let outer = self.cursor;
        self.cursor.narrow(bytes);
        let classes = Classes::of(bytes);
        if !self.read_structure(&value, &classes, depth) {
            self.detect(&value, &classes);
            self.read_encoding(&value, &classes, depth);
        }
        self.cursor = outer;
    }

    /// Counts a value that its parser knows to carry nothing, such as a number.
    pub(crate) fn inert(&mut self, bytes: &[u8], place: Place) {
        if self.budget.count_point(bytes.len())
            && let Some(trace) = &mut self.trace
        {
            trace(&self.scratch.point, &Value { bytes, place });
        }
    }

    /// As [`Walk::value`], for a value that many requests carry alike and that is no secret.
    pub(crate) fn common_value(&mut self, bytes: &[u8], place: Place) {
        // Tests that look at every value must see every value.
        if !self.has_memo || self.trace.is_some() || !self.has_prefilter {
            return self.value(bytes, place, 0);
        }
        if let Some(cost) = self.scratch.memo.recall(bytes, place)
            && self.budget.charge(&cost)
        {
            return;
        }
        let before = self.budget.used();
        let (n_findings, limits) = (self.findings.len(), *self.budget.flags);
        self.value(bytes, place, 0);
        if self.findings.len() == n_findings && !limits.any() && !self.budget.flags.any() {
            let cost = self.budget.used().since(&before);
            self.scratch.memo.remember(bytes, place, cost);
        }
    }

    /// Judges the name of what stands at the current point. Names of letters, digits, `_`, `-`, `[` and `]` carry
    /// nothing and are no points.
    pub(crate) fn name(&mut self, name: &[u8], place: Place, depth: usize) {
        let is_ordinary = name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'[' | b']'));
        if !is_ordinary || mass_assignment::may_name(name) {
            self.scratch.point.push(Element::Name);
            self.value(name, place, depth);
            self.scratch.point.pop();
        }
    }
}
