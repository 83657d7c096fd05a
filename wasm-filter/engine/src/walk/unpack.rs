//! Values that are compressed.

use super::{Walk, form::Reading};
use crate::{
    decode::unpack::{self, Format, Outcome},
    detect::{Place, Value, data_bomb},
    point::Element,
    prefilter::Classes,
};

/// What preparing a brotli stream costs: its window is allocated anew.
const BROTLI_FUEL: u64 = 256 * 1024;

/// Whether a value announces a format. Uploads are left alone: what stands in an archive is for people, and source code
/// in it is no attack.
pub(super) fn fits(value: &Value<'_>, _: &Classes) -> bool {
    matches!(
        value.place,
        Place::Path | Place::Query | Place::Body | Place::RawBody | Place::Cookie | Place::Header | Place::UserAgent
    ) && Format::of(value.bytes).is_some()
}

pub(super) fn read(walk: &mut Walk<'_>, value: &Value<'_>, _: &Classes, depth: usize) -> Reading {
    // What base64 hid is binary if it is not compressed, and nothing that detectors know.
    let otherwise = match walk.scratch.point.last() {
        Some(Element::Base64) => Reading::Whole,
        _ => Reading::None,
    };
    let Some(format) = Format::of(value.bytes) else {
        return otherwise;
    };
    if !walk.budget.may_descend(depth) {
        return otherwise;
    }
    let mut out = walk.scratch.buffers.take();
    let outcome = walk.unpack(value.bytes, format, &mut out);
    // A few bytes come out of any noise that begins right.
    let is_content = !out.is_empty() && outcome.is_some_and(|outcome| outcome.is_whole || outcome.is_cut);
    if is_content {
        walk.scratch.point.push(element_of(format));
        walk.value(&out, value.place, depth + 1);
        walk.scratch.point.pop();
    }
    walk.scratch.buffers.give(out);
    if is_content { Reading::Whole } else { otherwise }
}

/// The element that stands for a format.
pub(crate) fn element_of(format: Format) -> Element {
    match format {
        Format::Gzip | Format::Zlib | Format::Deflate => Element::Gzip,
        Format::Brotli => Element::Brotli,
    }
}

impl Walk<'_> {
    /// Appends what compressed bytes hold, as far as limits allow, and reports bombs. None when fuel is used up.
    pub(crate) fn unpack(&mut self, bytes: &[u8], format: Format, out: &mut Vec<u8>) -> Option<Outcome> {
        let fuel = bytes.len() as u64 + if format == Format::Brotli { BROTLI_FUEL } else { 0 };
        if !self.budget.spend(fuel) {
            return None;
        }
        let max_bytes = self.budget.decoded_left();
        let outcome = unpack::unpack(bytes, format, max_bytes, &mut self.scratch.unpack, out);
        self.budget.count_decoded(out.len());
        self.budget.spend(out.len() as u64);
        self.budget.flags.expansion |= outcome.is_cut;
        if outcome.is_bomb {
            let value = Value {
                bytes,
                place: Place::RawBody,
            };
            self.report(&data_bomb::COMPRESSION_BOMB, &value, 0..bytes.len());
        }
        Some(outcome)
    }
}
