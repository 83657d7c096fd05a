//! Values that are XML documents.

use super::{Walk, form::Reading};
use crate::{
    detect::{Place, Value},
    parse::xml::{self, Sink},
    point::Element,
    prefilter::{Classes, byte},
};

/// Most bytes that entities of one document may grow to. Real documents name a few words by them.
const MAX_EXPANDED_BYTES: usize = 256 * 1024;

pub(super) fn fits(value: &Value<'_>, classes: &Classes) -> bool {
    classes.any_byte(byte::LESS)
        && matches!(
            value.place,
            Place::Path
                | Place::Query
                | Place::Body
                | Place::Cookie
                | Place::Header
                | Place::UserAgent
                | Place::RawBody
                | Place::File
        )
        && xml::may_be_document(value.bytes)
}

/// Reads a value that is a document by its own account. It is judged as a whole as well: a browser may read it as HTML,
/// and external entities show only there.
pub(super) fn read(walk: &mut Walk<'_>, value: &Value<'_>, _: &Classes, depth: usize) -> Reading {
    if !walk.is_xml(value.bytes) || !walk.budget.may_descend(depth) {
        return Reading::None;
    }
    let place = match value.place {
        Place::RawBody => Place::Body,
        place => place,
    };
    walk.xml(value.bytes, place, depth + 1);
    Reading::Read
}

impl Walk<'_> {
    /// Whether a value is an XML document by its own account.
    pub(crate) fn is_xml(&mut self, bytes: &[u8]) -> bool {
        if !xml::may_be_document(bytes) || !self.budget.spend(bytes.len() as u64) {
            return false;
        }
        let mut scratch = self.scratch.xml.take();
        let is_document = xml::is_document(bytes, &mut scratch);
        self.scratch.xml.give(scratch);
        is_document
    }

    /// Reads an XML document at the current point.
    pub(crate) fn xml(&mut self, bytes: &[u8], place: Place, depth: usize) {
        // Two looks at each tag, and one at each text.
        if !self.budget.spend(2 * bytes.len() as u64) {
            return;
        }
        let max_expanded_bytes = self.budget.decoded_left().min(MAX_EXPANDED_BYTES);
        let mut scratch = self.scratch.xml.take();
        let outer = self.scratch.point.depth();
        self.scratch.point.push(Element::Xml);
        let mut sink = Parts {
            walk: self,
            place,
            depth,
        };
        let outcome = xml::parse(bytes, max_expanded_bytes, &mut scratch, &mut sink);
        self.scratch.point.truncate(outer);
        self.scratch.xml.give(scratch);
        self.budget.count_decoded(outcome.n_expanded_bytes);
        self.budget.spend(outcome.n_expanded_bytes as u64);
        self.budget.flags.depth |= outcome.is_too_deep;
        self.budget.flags.expansion |= outcome.is_overgrown;
    }
}

/// Hands parts of an XML document to the walk.
struct Parts<'s, 'w> {
    walk: &'s mut Walk<'w>,
    place: Place,
    depth: usize,
}

impl Parts<'_, '_> {
    /// Judges a name that is none by the rules of XML.
    fn name(&mut self, name: &[u8]) {
        let is_ordinary = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | 0x80..);
        if !name.iter().all(is_ordinary) {
            self.walk.name(name, Place::Name, self.depth);
        }
    }

    fn numbered(&mut self, element: Element, nth: u32, value: &[u8]) {
        self.walk.scratch.point.push_index(element, nth);
        self.walk.value(value, self.place, self.depth);
        self.walk.scratch.point.pop();
    }
}

impl Sink for Parts<'_, '_> {
    fn element(&mut self, name: &[u8], written: &[u8], nth: u32) {
        self.walk.scratch.point.push_name(Element::XmlTag, name);
        if nth > 0 {
            self.walk.scratch.point.push_index(Element::XmlTagArray, nth);
        }
        self.name(written);
    }

    fn attribute(&mut self, name: &[u8], value: &[u8]) {
        self.walk.scratch.point.push_name(Element::XmlAttr, name);
        if name.starts_with(b"xmlns") {
            // A namespace is an identifier: nobody fetches it or shows it.
            self.walk.inert(value, self.place);
        } else {
            self.name(name);
            self.walk.value(value, self.place, self.depth);
        }
        self.walk.scratch.point.pop();
    }

    fn text(&mut self, value: &[u8]) {
        self.walk.value(value, self.place, self.depth);
    }

    fn end(&mut self, nth: u32) {
        if nth > 0 {
            self.walk.scratch.point.pop();
        }
        self.walk.scratch.point.pop();
    }

    fn comment(&mut self, nth: u32, value: &[u8]) {
        self.numbered(Element::XmlComment, nth, value);
    }

    fn instruction(&mut self, nth: u32, value: &[u8]) {
        self.numbered(Element::XmlPi, nth, value);
    }

    fn external_subset(&mut self, system: &[u8]) {
        self.walk.scratch.point.push(Element::XmlDtd);
        self.walk.value(system, self.place, self.depth);
        self.walk.scratch.point.pop();
    }

    fn entity(&mut self, nth: u32, name: &[u8], value: &[u8]) {
        self.walk.scratch.point.push_index(Element::XmlDtdEntity, nth);
        self.name(name);
        self.walk.value(value, self.place, self.depth);
        self.walk.scratch.point.pop();
    }

    fn wants_more(&self) -> bool {
        self.walk.wants_more()
    }
}
