//! Values in character sets that hide ASCII.

use super::Walk;
use crate::{
    decode::charset::{self, Charset},
    point::Element,
};

impl Walk<'_> {
    /// Judges a value as an application reads it that honours its character set.
    pub(crate) fn transcoded(&mut self, bytes: &[u8], charset: Charset, judge: impl FnOnce(&mut Self, &[u8])) {
        if !self.budget.may_decode(bytes.len().saturating_mul(charset::MAX_GROWTH)) {
            return;
        }
        let mut out = self.scratch.buffers.take();
        charset::transcode(bytes, charset, &mut out);
        self.budget.count_decoded(out.len());
        self.scratch.point.push(Element::Charset);
        judge(self, &out);
        self.scratch.point.pop();
        self.scratch.buffers.give(out);
    }
}
