//! Reads prologs: document type declarations, entity declarations and inclusions.

use std::ops::Range;

use super::{
    EXTERNAL_ENTITY, EXTERNAL_SUBSET, HIDDEN_ENCODING, HIDDEN_REFERENCE, INCLUSION, NESTED_DECLARATION,
    RELATIVE_ENTITY,
    bomb::Entities,
    reach::{self, Reach},
};
use crate::detect::{Signs, Stamp};

/// Reads one text from front to back; never looks at a byte more than a fixed number of times.
pub(super) struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    entities: &'t mut Entities,
    signs: &'t mut Signs,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t [u8], entities: &'t mut Entities, signs: &'t mut Signs) -> Reader<'t> {
        Reader {
            text,
            at: 0,
            entities,
            signs,
        }
    }

    /// Reads the document's prolog and those of documents that it wraps in CDATA sections.
    pub(super) fn document(mut self) {
        const CDATA: &[u8] = b"<![CDATA[";
        self.skip(b"\xef\xbb\xbf");
        self.prolog();
        let content = self.at;
        while let Some(found) = memchr::memmem::find(self.rest(), CDATA) {
            self.at += found + CDATA.len();
            self.prolog();
        }
        self.entities.resolve(self.text, content);
        self.inclusions();
    }

    fn prolog(&mut self) {
        loop {
            self.skip_space();
            let is_whole = if self.skip(b"<?xml") {
                self.declaration()
            } else if self.skip(b"<?") {
                self.skip_past(b"?>")
            } else if self.skip(b"<!--") {
                self.skip_past(b"-->")
            } else if self.skip(b"<!DOCTYPE") {
                self.doctype()
            } else if self.skip(b"<!ENTITY") {
                // The text of an external subset, or of a parameter entity.
                self.entity()
            } else {
                return;
            };
            if !is_whole {
                return;
            }
        }
    }

    /// Reads the XML declaration after `<?xml` (section 2.8).
    fn declaration(&mut self) -> bool {
        const HIDDEN: &[&[u8]] = &[
            b"utf-7",
            b"utf7",
            b"unicode-1-1-utf-7",
            b"ibm037",
            b"cp037",
            b"ibm500",
            b"cp500",
            b"cp1047",
        ];
        let start = self.at;
        if !self.skip_past(b"?>") {
            return false;
        }
        let end = self.at;
        let inner = self.text.get(start..end).unwrap_or_default();
        if let Some(found) = memchr::memmem::find(inner, b"encoding") {
            self.at = start + found + b"encoding".len();
            self.skip_space();
            self.skip(b"=");
            self.skip_space();
            let quoted = self.quoted().and_then(|range| self.text.get(range)).unwrap_or_default();
            if HIDDEN.iter().any(|hidden| quoted.eq_ignore_ascii_case(hidden)) {
                self.report(&HIDDEN_ENCODING, start + found);
            }
            self.at = end;
        }
        true
    }

    /// Reads a document type declaration after its keyword. False when the text ends in it.
    fn doctype(&mut self) -> bool {
        let start = self.at;
        self.skip_space();
        self.name();
        self.skip_space();
        if let Some((public, system)) = self.external_id() {
            let is_sign = match reach::of(system) {
                Reach::Beside | Reach::Published => false,
                Reach::Local | Reach::Foreign => true,
                Reach::Declarations => !public.is_some_and(is_formal),
            };
            if is_sign {
                self.report(&EXTERNAL_SUBSET, start);
            }
        }
        self.skip_space();
        if self.skip(b"[") && !self.subset() {
            return false;
        }
        self.skip_past(b">")
    }

    /// Reads declarations up to the closing bracket. False when the text ends before.
    fn subset(&mut self) -> bool {
        loop {
            self.skip_space();
            if self.skip(b"]") {
                return true;
            }
            let is_whole = if self.skip(b"<!--") {
                self.skip_past(b"-->")
            } else if self.skip(b"<?") {
                self.skip_past(b"?>")
            } else if self.skip(b"<!ENTITY") {
                self.entity()
            } else if self.skip(b"<!") {
                self.skip_past(b">")
            } else {
                self.at += 1;
                self.at < self.text.len()
            };
            if !is_whole {
                return false;
            }
        }
    }

    /// Reads an entity declaration after its keyword (section 4.2). False when the text ends in it.
    fn entity(&mut self) -> bool {
        let start = self.at;
        self.skip_space();
        let is_parameter = self.skip(b"%");
        self.skip_space();
        let name = self.name();
        self.skip_space();
        if let Some((public, system)) = self.external_id() {
            self.skip_space();
            // An unparsed entity is named to the application, not fetched.
            let is_unparsed = self.skip(b"NDATA");
            match reach::of(system) {
                _ if is_unparsed => {}
                Reach::Published => {}
                Reach::Beside => self.report(&RELATIVE_ENTITY, start),
                Reach::Declarations if is_parameter && public.is_some_and(is_formal) => {}
                Reach::Local | Reach::Declarations | Reach::Foreign => self.report(&EXTERNAL_ENTITY, start),
            }
        } else if let Some(literal) = self.quoted() {
            let inner = self.text.get(literal.clone()).unwrap_or_default();
            let declares = [&b"!ENTITY"[..], b"!DOCTYPE"]
                .iter()
                .any(|keyword| memchr::memmem::find(inner, keyword).is_some());
            if declares {
                self.report(&NESTED_DECLARATION, start);
            }
            let hides_reference = [&b"&#37;"[..], b"&#x25;"]
                .iter()
                .any(|percent| memchr::memmem::find(inner, percent).is_some());
            if is_parameter && hides_reference {
                self.report(&HIDDEN_REFERENCE, start);
            }
            self.entities.declare(self.text, name, is_parameter, literal);
        }
        self.skip_past(b">")
    }

    /// Reads `SYSTEM "…"` or `PUBLIC "…" "…"`; the public and the system identifier.
    fn external_id(&mut self) -> Option<(Option<&'t [u8]>, &'t [u8])> {
        let text = self.text;
        let mut public = None;
        if self.skip(b"PUBLIC") {
            self.skip_space();
            let range = self.quoted()?;
            public = text.get(range);
        } else if !self.skip(b"SYSTEM") {
            return None;
        }
        self.skip_space();
        // HTML allows a public identifier alone.
        let system = self.quoted().and_then(|range| text.get(range)).unwrap_or_default();
        Some((public, system))
    }

    /// Looks for XInclude elements that fetch what an including document would not (XInclude 1.1 section 3.1).
    fn inclusions(&mut self) {
        const NAMESPACE: &[u8] = b"http://www.w3.org/2001/XInclude";
        const ELEMENT: &[u8] = b":include";
        if memchr::memmem::find(self.text, NAMESPACE).is_none() {
            return;
        }
        self.at = 0;
        while let Some(found) = memchr::memmem::find(self.rest(), ELEMENT) {
            let start = self.at + found;
            self.at = start + ELEMENT.len();
            let rest = self.rest();
            let end = memchr::memchr(b'>', rest).unwrap_or(rest.len());
            let attributes = rest.get(..end).unwrap_or_default();
            let before = self.at;
            self.at += end;
            let after = self.at;
            if let Some(href) = memchr::memmem::find(attributes, b"href") {
                self.at = before + href + b"href".len();
                self.skip_space();
                self.skip(b"=");
                self.skip_space();
                let system = self.quoted().and_then(|range| self.text.get(range)).unwrap_or_default();
                if matches!(reach::of(system), Reach::Local | Reach::Foreign) {
                    self.report(&INCLUSION, start);
                }
                self.at = after;
            }
        }
    }

    // === Steps ===

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Steps over these bytes, letters of either case.
    fn skip(&mut self, expected: &[u8]) -> bool {
        let is_next = self
            .rest()
            .get(..expected.len())
            .is_some_and(|next| next.eq_ignore_ascii_case(expected));
        if is_next {
            self.at += expected.len();
        }
        is_next
    }

    /// Steps behind the next occurrence, or to the end of the text.
    fn skip_past(&mut self, expected: &[u8]) -> bool {
        let found = memchr::memmem::find(self.rest(), expected);
        self.at = found.map_or(self.text.len(), |found| self.at + found + expected.len());
        found.is_some()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    fn name(&mut self) -> Range<usize> {
        let start = self.at;
        let is_end =
            |b: &u8| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'<' | b'>' | b'[' | b']' | b'%' | b'&');
        let rest = self.rest();
        self.at += rest.iter().position(is_end).unwrap_or(rest.len());
        start..self.at
    }

    /// Reads a quoted literal; its inside. Steps to the end of the text when it has no end.
    fn quoted(&mut self) -> Option<Range<usize>> {
        let quote = self.rest().first().copied().filter(|b| matches!(b, b'"' | b'\''))?;
        let start = self.at + 1;
        self.at = start;
        let is_closed = self.skip_past(&[quote]);
        Some(start..if is_closed { self.at - 1 } else { self.at })
    }

    fn report(&mut self, stamp: &'static Stamp, start: usize) {
        self.signs.push(stamp, start..self.at.max(start));
    }
}

/// Whether a public identifier is formal (ISO 8879 clause 10.2), as `-//W3C//DTD XHTML 1.0//EN` is.
fn is_formal(public: &[u8]) -> bool {
    memchr::memmem::find_iter(public, b"//").count() >= 2
}
