//! Values that are JSON documents.

use super::{Walk, form::Reading};
use crate::{
    detect::{Place, Value},
    parse::json::{self, Outcome, Sink},
    point::Element,
    prefilter::Classes,
};

pub(super) fn fits(value: &Value<'_>, _: &Classes) -> bool {
    matches!(
        value.place,
        Place::Path | Place::Query | Place::Body | Place::Cookie | Place::Header | Place::RawBody | Place::File
    ) && json::is_container(value.bytes)
}

/// Reads a value that is a whole JSON container in the eyes of every reader.
pub(super) fn read(walk: &mut Walk<'_>, value: &Value<'_>, _: &Classes, depth: usize) -> Reading {
    let mut scratch = walk.scratch.json.take();
    let outcome = json::parse(value.bytes, &mut scratch, &mut Nothing);
    walk.scratch.json.give(scratch);
    let is_whole = outcome.is_strict && outcome.is_whole;
    if !is_whole || !walk.budget.spend(value.bytes.len() as u64) || !walk.budget.may_descend(depth) {
        return Reading::None;
    }
    let place = match value.place {
        Place::RawBody => Place::Body,
        place => place,
    };
    walk.json(value.bytes, place, depth + 1);
    Reading::Whole
}

impl Walk<'_> {
    /// Reads a JSON document at the current point.
    pub(crate) fn json(&mut self, bytes: &[u8], place: Place, depth: usize) -> Outcome {
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
        self.budget.flags.depth |= outcome.is_too_deep;
        outcome
    }
}

/// Hands members of a JSON document to the walk.
struct Members<'s, 'w> {
    walk: &'s mut Walk<'w>,
    place: Place,
    depth: usize,
}

impl Sink for Members<'_, '_> {
    fn member(&mut self, name: &[u8], raw: &[u8]) {
        self.walk.scratch.point.push_name(Element::Hash, name);
        if name.first() == Some(&b'$') || name == b"prototype" {
            // What an operator of a query says depends on what it applies to, and so does a prototype.
            let mut joined = self.walk.scratch.buffers.take();
            self.walk.scratch.point.write_names(&mut joined);
            self.walk.name(&joined, Place::Name, self.depth);
            self.walk.scratch.buffers.give(joined);
        } else {
            self.walk.within(raw, |walk| walk.name(name, Place::Name, self.depth));
        }
    }

    fn item(&mut self, index: u32) {
        self.walk.scratch.point.push_index(Element::Array, index);
    }

    fn string(&mut self, value: &[u8], raw: &[u8]) {
        self.walk.within(raw, |walk| walk.value(value, self.place, self.depth));
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

impl Sink for Nothing {
    fn member(&mut self, _name: &[u8], _raw: &[u8]) {}
    fn item(&mut self, _index: u32) {}
    fn string(&mut self, _value: &[u8], _raw: &[u8]) {}
    fn literal(&mut self, _value: &[u8]) {}
    fn garbage(&mut self, _value: &[u8]) {}
    fn end(&mut self) {}
    fn wants_more(&self) -> bool {
        true
    }
}
