//! From the signs of one value to findings.

use std::ops::Range;

use waf_policy::AttackType;

use super::Walk;
use crate::{
    Finding, Verdict,
    detect::{self, Stamp, THRESHOLD, Value, sqli},
    prefilter::Classes,
};

impl Walk<'_> {
    /// Runs the detectors over a value that stands at the current point.
    pub(super) fn detect(&mut self, value: &Value<'_>, classes: &Classes) {
        let classes = if self.has_prefilter { classes } else { &Classes::ALL };
        let scratch = &mut *self.scratch;
        let parameter = scratch.point.parameter();
        let (detectors, signs) = (&mut scratch.detectors, &mut scratch.signs);
        detect::scan(value, parameter, classes, detectors, &mut self.budget.fuel, signs);
        if !self.has_second_opinion && sqli::may_match(classes) {
            sqli::sequences::scan(value, &mut self.budget.fuel, signs);
        }
        self.budget.flags.fuel |= self.budget.fuel.0 == 0;
        if !scratch.signs.0.is_empty() {
            self.conclude(value);
            self.scratch.signs.clear();
        }
    }

    /// Adds a sign that a parser or decoder found in a value, and no detector looks for.
    pub(crate) fn report(&mut self, stamp: &'static Stamp, value: &Value<'_>, span: Range<usize>) {
        self.scratch.signs.push(stamp, span);
        self.conclude(value);
        self.scratch.signs.clear();
    }

    /// Turns signs of one value into findings.
    fn conclude(&mut self, value: &Value<'_>) {
        let signs = &self.scratch.signs;
        let point = &self.scratch.point;
        for attack_type in AttackType::ALL {
            let weight = signs.weight(*attack_type);
            if weight < THRESHOLD || self.findings.len() >= Verdict::MAX_FINDINGS {
                continue;
            }
            let mut counted: Vec<_> = signs
                .iter()
                .filter(|sign| sign.stamp.attack_type == *attack_type)
                .collect();
            counted.sort_by_key(|sign| std::cmp::Reverse(sign.stamp.weight));
            let span = counted.first().map(|sign| sign.span.clone()).unwrap_or_default();
            self.findings.push(Finding {
                attack_type: *attack_type,
                point: point.to_path(),
                decoders: point.decoders().collect(),
                stamps: counted.iter().map(|sign| sign.stamp).collect(),
                payload: excerpt(value.bytes, &span).to_vec(),
                span,
                raw: self.cursor.span(),
                weight,
            });
        }
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
