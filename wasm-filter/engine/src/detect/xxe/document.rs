//! Judges what documents declare and include.

use std::ops::Range;

use super::{
    EXTERNAL_ENTITY, EXTERNAL_SUBSET, HIDDEN_ENCODING, HIDDEN_REFERENCE, INCLUSION, NESTED_DECLARATION,
    RELATIVE_ENTITY,
    bomb::Entities,
    reach::{self, Reach},
};
use crate::{
    detect::{Signs, Stamp},
    parse::xml::prolog::{Content, Declarations, Entity, External, Reader},
};

/// Encodings in which a filter that expects ASCII does not see declarations.
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

/// Reads a document's prolog, those of documents that it wraps in CDATA sections, and its inclusions.
pub(super) fn judge(text: &[u8], entities: &mut Entities, signs: &mut Signs) {
    const CDATA: &[u8] = b"<![CDATA[";
    let mut judge = Judge { text, entities, signs };
    let mut reader = Reader::new(text);
    reader.skip(b"\xef\xbb\xbf");
    reader.prolog(&mut judge);
    let content = reader.at;
    while let Some(found) = memchr::memmem::find(reader.rest(), CDATA) {
        reader.at += found + CDATA.len();
        reader.prolog(&mut judge);
    }
    judge.entities.resolve(text, content);
    judge.inclusions();
}

struct Judge<'t> {
    text: &'t [u8],
    entities: &'t mut Entities,
    signs: &'t mut Signs,
}

impl<'t> Judge<'t> {
    fn part(&self, range: Range<usize>) -> &'t [u8] {
        self.text.get(range).unwrap_or_default()
    }

    fn is_formal(&self, public: Option<Range<usize>>) -> bool {
        public.is_some_and(|public| is_formal(self.part(public)))
    }

    /// Looks for XInclude elements that fetch what an including document would not (XInclude 1.1 section 3.1).
    fn inclusions(&mut self) {
        const NAMESPACE: &[u8] = b"http://www.w3.org/2001/XInclude";
        const ELEMENT: &[u8] = b":include";
        if memchr::memmem::find(self.text, NAMESPACE).is_none() {
            return;
        }
        let mut reader = Reader::new(self.text);
        while let Some(found) = memchr::memmem::find(reader.rest(), ELEMENT) {
            let start = reader.at + found;
            reader.at = start + ELEMENT.len();
            let rest = reader.rest();
            let end = memchr::memchr(b'>', rest).unwrap_or(rest.len());
            let after = reader.at + end;
            if let Some(href) = memchr::memmem::find(rest.get(..end).unwrap_or_default(), b"href") {
                reader.at += href + b"href".len();
                reader.skip_space();
                reader.skip(b"=");
                reader.skip_space();
                let system = reader.quoted().map(|range| self.part(range)).unwrap_or_default();
                if matches!(reach::of(system), Reach::Local | Reach::Foreign) {
                    self.report(&INCLUSION, start..reader.at);
                }
            }
            reader.at = after;
        }
    }

    fn report(&mut self, stamp: &'static Stamp, span: Range<usize>) {
        self.signs.push(stamp, span.start..span.end.max(span.start));
    }
}

impl Declarations for Judge<'_> {
    fn declaration(&mut self, span: Range<usize>, encoding: Option<Range<usize>>) {
        let named = encoding.map(|range| self.part(range)).unwrap_or_default();
        if HIDDEN.iter().any(|hidden| named.eq_ignore_ascii_case(hidden)) {
            self.report(&HIDDEN_ENCODING, span);
        }
    }

    fn instruction(&mut self, _inner: Range<usize>) {}

    fn comment(&mut self, _inner: Range<usize>) {}

    fn external_subset(&mut self, external: External, span: Range<usize>) {
        let is_sign = match reach::of(self.part(external.system)) {
            Reach::Beside | Reach::Published => false,
            Reach::Local | Reach::Foreign => true,
            Reach::Declarations => !self.is_formal(external.public),
        };
        if is_sign {
            self.report(&EXTERNAL_SUBSET, span);
        }
    }

    fn entity(&mut self, entity: Entity, span: Range<usize>) {
        let Entity {
            name,
            is_parameter,
            content,
        } = entity;
        match content {
            Content::Unparsed(_) => {}
            Content::External(external) => match reach::of(self.part(external.system)) {
                Reach::Published => {}
                Reach::Beside => self.report(&RELATIVE_ENTITY, span),
                Reach::Declarations if is_parameter && self.is_formal(external.public) => {}
                Reach::Local | Reach::Declarations | Reach::Foreign => self.report(&EXTERNAL_ENTITY, span),
            },
            Content::Literal(literal) => {
                let inner = self.part(literal.clone());
                let has = |marks: [&[u8]; 2]| marks.iter().any(|mark| memchr::memmem::find(inner, mark).is_some());
                if has([b"!ENTITY", b"!DOCTYPE"]) {
                    self.report(&NESTED_DECLARATION, span.clone());
                }
                if is_parameter && has([b"&#37;", b"&#x25;"]) {
                    self.report(&HIDDEN_REFERENCE, span);
                }
                self.entities.declare(self.text, name, is_parameter, literal);
            }
        }
    }
}

/// Whether a public identifier is formal (ISO 8879 clause 10.2), as `-//W3C//DTD XHTML 1.0//EN` is.
fn is_formal(public: &[u8]) -> bool {
    memchr::memmem::find_iter(public, b"//").count() >= 2
}
