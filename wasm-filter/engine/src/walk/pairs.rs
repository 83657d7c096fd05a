//! Queries and forms: names with values.

use super::Walk;
use crate::{
    decode::percent::{self, Plus},
    detect::Place,
    parse::pairs::{self, Pair, Pairs},
    point::Element,
};

/// Shortest text without a value of its own that is judged even when it is a word, in bytes: it may be encoded.
const MIN_BARE_BYTES: usize = 8;

fn is_base64(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b' ' | b'+' | b'/' | b'-' | b'_')
}

impl Walk<'_> {
    /// Reads the pairs of a query or a form.
    pub(crate) fn pairs(&mut self, bytes: &[u8], element: Element, place: Place, depth: usize) {
        if !self.budget.may_decode(bytes.len()) {
            return;
        }
        let mut pairs = self.scratch.pairs.take();
        let mut text = self.scratch.buffers.take();
        if !pairs.parse(bytes, self.budget.limits.max_points, &mut text) {
            self.budget.flags.points = true;
        }
        for (position, pair) in pairs.list.iter().enumerate() {
            let name = text.get(pair.name.clone()).unwrap_or_default();
            let value = text.get(pair.value.clone()).unwrap_or_default();
            let raw_name = bytes.get(pair.raw_name.clone()).unwrap_or_default();
            let raw_value = bytes.get(pair.raw_value.clone()).unwrap_or_default();
            // What nothing was decoded of still stands in the request, and so do the parts that parsers find in it.
            let value = if value == raw_value { raw_value } else { value };
            let outer = self.scratch.point.depth();
            pairs::push_point(&mut self.scratch.point, element, name, pair.nth, pair.is_repeated);
            // What has no value of its own is a value itself; `=` at its end may be padding of base64.
            let is_bare = value.iter().all(|b| *b == b'=');
            if is_bare && name.len() >= MIN_BARE_BYTES && name.iter().all(is_base64) {
                self.within(raw_name, |walk| walk.value(name, place, depth));
            } else if pair.nth == 0 {
                let name_place = if pair.is_bare { place } else { Place::Name };
                self.within(raw_name, |walk| walk.name(name, name_place, depth));
            }
            self.within(raw_value, |walk| walk.value(value, place, depth));
            self.scratch.point.truncate(outer);
            let joins = |pair: &Pair| text.get(pair.value.clone()).unwrap_or_default();
            self.pollution((bytes, place, depth), &pairs, position, &text, element, joins);
        }
        self.scratch.buffers.give(text);
        self.scratch.pairs.give(pairs);
        if memchr::memchr(b';', bytes).is_some() {
            self.pairs_behind_semicolons(bytes, element, place, depth);
        }
    }

    /// Judges what stands behind semicolons as pairs of their own, as readers do that follow HTML 4.01 appendix B.2.2.
    /// What stands before them was judged with the rest of its value.
    fn pairs_behind_semicolons(&mut self, bytes: &[u8], element: Element, place: Place, depth: usize) {
        let is_ordinary = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']');
        let mut text = self.scratch.buffers.take();
        let pairs = bytes.split(|b| *b == b'&');
        for piece in pairs.flat_map(|pair| pair.split(|b| *b == b';').skip(1)) {
            let equals = memchr::memchr(b'=', piece).unwrap_or(0);
            let (name, value) = piece.split_at_checked(equals).unwrap_or_default();
            if name.is_empty() || !name.iter().all(is_ordinary) {
                continue;
            }
            if !self.wants_more() || !self.budget.may_decode(piece.len()) {
                break;
            }
            let raw = value.get(1..).unwrap_or_default();
            text.clear();
            let is_encoded = percent::decode(raw, Plus::Space, &mut text);
            let value = if is_encoded { &text[..] } else { raw };
            let outer = self.scratch.point.depth();
            pairs::push_point(&mut self.scratch.point, element, name, 0, false);
            self.within(raw, |walk| walk.value(value, place, depth));
            self.scratch.point.truncate(outer);
        }
        self.scratch.buffers.give(text);
    }

    /// Judges the values of a repeated name joined with commas, as some applications read them (OWASP, "HTTP parameter
    /// pollution"), once per name. They come from the whole of `bytes`.
    pub(super) fn pollution<'t>(
        &mut self,
        (bytes, place, depth): (&[u8], Place, usize),
        pairs: &Pairs,
        position: usize,
        names: &[u8],
        element: Element,
        value_of: impl Fn(&Pair) -> &'t [u8],
    ) {
        let Some(pair) = pairs
            .list
            .get(position)
            .filter(|pair| pair.is_repeated && pair.nth == 0)
        else {
            return;
        };
        let name = names.get(pair.name.clone()).unwrap_or_default();
        if pairs::is_array_name(name) {
            return;
        }
        let n_bytes = pairs
            .repetitions(position, names)
            .map(|pair| value_of(pair).len() + 1)
            .sum();
        if !self.budget.may_decode(n_bytes) {
            return;
        }
        self.budget.count_decoded(n_bytes);
        let mut joined = self.scratch.buffers.take();
        for (nth, other) in pairs.repetitions(position, names).enumerate() {
            if nth > 0 {
                joined.push(b',');
            }
            joined.extend_from_slice(value_of(other));
        }
        let outer = self.scratch.point.depth();
        pairs::push_point(&mut self.scratch.point, element, name, 0, false);
        self.scratch.point.push(Element::Pollution);
        self.within(bytes, |walk| walk.value(&joined, place, depth));
        self.scratch.point.truncate(outer);
        self.scratch.buffers.give(joined);
    }
}
