//! Values that are GraphQL documents.

use super::{Walk, form::Reading};
use crate::{
    GqlSummary,
    detect::{Place, Value},
    parse::gql::{self, Outcome, Sink},
    point::{Element, Step},
    prefilter::{Classes, byte},
};

pub(super) fn fits(value: &Value<'_>, classes: &Classes) -> bool {
    classes.all_bytes(byte::BRACE_OPEN | byte::BRACE_CLOSE)
        && matches!(value.place, Place::Query | Place::Body | Place::RawBody)
        && gql::may_begin(value.bytes)
}

/// Reads a value that is a document as a whole.
pub(super) fn read(walk: &mut Walk<'_>, value: &Value<'_>, _: &Classes, depth: usize) -> Reading {
    if !walk.budget.spend(value.bytes.len() as u64) {
        return Reading::None;
    }
    let mut text = walk.scratch.buffers.take();
    let outcome = gql::parse(value.bytes, &mut text, &mut Nothing);
    walk.budget.flags.depth |= outcome.is_too_deep;
    let is_read = outcome.is_document && walk.budget.may_descend(depth) && walk.budget.may_decode(value.bytes.len());
    if is_read {
        walk.gql.count(&outcome, value.bytes.len());
        let outer = walk.scratch.point.depth();
        walk.scratch.point.push(Element::Gql);
        let place = match value.place {
            Place::RawBody => Place::Body,
            place => place,
        };
        let mut sink = Parts {
            walk: &mut *walk,
            place,
            depth: depth + 1,
        };
        gql::parse(value.bytes, &mut text, &mut sink);
        walk.scratch.point.truncate(outer);
    }
    walk.scratch.buffers.give(text);
    match (is_read, outcome.has_keyword) {
        (false, _) => Reading::None,
        // `{php}` is a document as well as a template.
        (true, false) => Reading::Read,
        (true, true) => Reading::Whole,
    }
}

impl Walk<'_> {
    /// Whether bytes are a document as a whole.
    pub(crate) fn is_gql(&mut self, bytes: &[u8]) -> bool {
        if !self.budget.spend(bytes.len() as u64) {
            return false;
        }
        let mut text = self.scratch.buffers.take();
        let outcome = gql::parse(bytes, &mut text, &mut Nothing);
        self.scratch.buffers.give(text);
        outcome.is_document
    }
}

impl GqlSummary {
    fn count(&mut self, outcome: &Outcome, n_bytes: usize) {
        self.n_documents += 1;
        self.max_document_bytes = self.max_document_bytes.max(n_bytes);
        self.max_depth = self.max_depth.max(outcome.depth);
        self.max_aliases = self.max_aliases.max(outcome.n_aliases);
        self.max_value_bytes = self.max_value_bytes.max(outcome.max_value_bytes);
        self.is_introspection |= outcome.is_introspection;
    }
}

/// Hands the parts of a document to the walk.
struct Parts<'s, 'w> {
    walk: &'s mut Walk<'w>,
    place: Place,
    depth: usize,
}

impl Sink for Parts<'_, '_> {
    fn enter(&mut self, element: Element, key: Step<'_>) {
        self.walk.scratch.point.enter(element, key);
    }

    fn leave(&mut self) {
        self.walk.scratch.point.pop();
    }

    fn string(&mut self, value: &[u8], raw: &[u8]) {
        self.walk.within(raw, |walk| walk.value(value, self.place, self.depth));
    }

    fn literal(&mut self, value: &[u8]) {
        self.walk.inert(value, self.place);
    }

    fn comment(&mut self, text: &[u8]) {
        self.walk.value(text.trim_ascii(), self.place, self.depth);
    }

    fn wants_more(&self) -> bool {
        self.walk.wants_more()
    }
}

/// Takes nothing, to find out only whether a value is a document.
struct Nothing;

impl Sink for Nothing {
    fn enter(&mut self, _element: Element, _key: Step<'_>) {}
    fn leave(&mut self) {}
    fn string(&mut self, _value: &[u8], _raw: &[u8]) {}
    fn literal(&mut self, _value: &[u8]) {}
    fn comment(&mut self, _text: &[u8]) {}
    fn wants_more(&self) -> bool {
        true
    }
}
