//! Values that are encoded.

use waf_policy::Parser;

use super::{Walk, form::Reading};
use crate::{
    decode::{base64, hexadecimal, htmljs, percent, quoted_printable, unicode},
    detect::{Place, Value},
    point::Element,
    prefilter::{Classes, byte, pair},
};

/// Places whose values are percent-encoded and nothing else. The parts of a target are decoded one by one.
fn is_plain(place: Place) -> bool {
    matches!(place, Place::Uri | Place::File)
}

/// A form-encoded value inside a value: spaces are still plus signs.
fn has_plus(value: &Value<'_>, classes: &Classes) -> bool {
    matches!(value.place, Place::Query | Place::Body) && classes.any_byte(byte::PLUS) && !classes.any_byte(byte::SPACE)
}

pub(super) fn fits_percent(value: &Value<'_>, classes: &Classes) -> bool {
    classes.any_pair(pair::PERCENT_HEX) || has_plus(value, classes)
}

pub(super) fn percent(walk: &mut Walk<'_>, value: &Value<'_>, classes: &Classes, depth: usize) -> Reading {
    let plus = match has_plus(value, classes) {
        true => percent::Plus::Space,
        false => percent::Plus::Literal,
    };
    walk.decoded(value, depth, Element::Percent, |input, out| {
        percent::decode(input, plus, out)
    })
}

pub(super) fn fits_htmljs(value: &Value<'_>, classes: &Classes) -> bool {
    classes.any_pair(pair::ENTITY | pair::BACKSLASH_ESCAPE) && !is_plain(value.place)
}

pub(super) fn htmljs(walk: &mut Walk<'_>, value: &Value<'_>, _: &Classes, depth: usize) -> Reading {
    walk.decoded(value, depth, Element::Htmljs, htmljs::decode)
}

pub(super) fn fits_unicode(value: &Value<'_>, classes: &Classes) -> bool {
    classes.any_byte(byte::HIGH) && value.place != Place::File
}

pub(super) fn unicode(walk: &mut Walk<'_>, value: &Value<'_>, _: &Classes, depth: usize) -> Reading {
    walk.decoded(value, depth, Element::Unicode, unicode::fold)
}

pub(super) fn fits_hex(value: &Value<'_>, classes: &Classes) -> bool {
    !classes.any_byte(hexadecimal::NEVER)
        && value.bytes.len() >= hexadecimal::MIN_DIGITS
        && value.place != Place::Name
        && !is_plain(value.place)
}

pub(super) fn hex(walk: &mut Walk<'_>, value: &Value<'_>, _: &Classes, depth: usize) -> Reading {
    walk.decoded(value, depth, Element::Hex, hexadecimal::decode)
}

pub(super) fn fits_base64(value: &Value<'_>, classes: &Classes) -> bool {
    !classes.any_byte(base64::NEVER) && value.bytes.len() >= 8 && value.place != Place::Name && !is_plain(value.place)
}

pub(super) fn base64(walk: &mut Walk<'_>, value: &Value<'_>, _: &Classes, depth: usize) -> Reading {
    walk.decoded(value, depth, Element::Base64, base64::decode)
}

pub(super) fn fits_data_url(value: &Value<'_>, classes: &Classes) -> bool {
    classes.all_bytes(byte::COLON | byte::SEMICOLON | byte::COMMA)
        && !is_plain(value.place)
        && base64::of_data_url(value.bytes).is_some()
}

pub(super) fn data_url(walk: &mut Walk<'_>, value: &Value<'_>, _: &Classes, depth: usize) -> Reading {
    let bytes = base64::of_data_url(value.bytes).unwrap_or_default();
    let content = Value { bytes, ..*value };
    walk.decoded(&content, depth, Element::Base64, base64::decode)
}

impl Walk<'_> {
    /// Judges what base64 text stands for, when it is plausible.
    pub(crate) fn base64(&mut self, bytes: &[u8], place: Place, depth: usize) {
        if !self.reads(Parser::Base64) {
            return;
        }
        let value = Value { bytes, place };
        self.within(bytes, |walk| {
            walk.decoded(&value, depth, Element::Base64, base64::decode);
        });
    }

    /// Judges what quoted-printable text stands for.
    pub(crate) fn quoted_printable(&mut self, bytes: &[u8], place: Place, depth: usize) {
        let value = Value { bytes, place };
        self.within(bytes, |walk| {
            walk.decoded(&value, depth, Element::QuotedPrintable, quoted_printable::decode);
        });
    }

    /// Runs a decoder whose output is never longer than its input, and judges what it yields.
    pub(super) fn decoded(
        &mut self,
        value: &Value<'_>,
        depth: usize,
        element: Element,
        decoder: impl FnOnce(&[u8], &mut Vec<u8>) -> bool,
    ) -> Reading {
        if !self.budget.may_decode(value.bytes.len()) {
            return Reading::None;
        }
        let mut out = self.scratch.buffers.take();
        let is_changed = decoder(value.bytes, &mut out);
        if is_changed && self.budget.may_descend(depth) {
            self.budget.count_decoded(out.len());
            self.scratch.point.push(element);
            self.value(&out, value.place, depth + 1);
            self.scratch.point.pop();
        }
        self.scratch.buffers.give(out);
        if is_changed { Reading::Read } else { Reading::None }
    }
}
