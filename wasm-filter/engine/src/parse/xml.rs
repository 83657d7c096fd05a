//! XML (1.0, with namespaces) as forgiving readers accept it: unquoted attributes, missing end tags, cut ends.
//!
//! Elements are handed out as they open and close, the text of an element once, when it closes, joined as applications
//! read it: text, CDATA sections, character references and internal entities make one string, whatever comments stand
//! between. Entities of the document's own declarations are expanded up to a bound; nothing is ever fetched. Memory
//! grows with the nesting and with the text of open elements, not with the document.

mod entity;
pub(crate) mod prolog;
mod sniff;
mod tag;

use std::ops::Range;

use self::{
    entity::Entities,
    prolog::{Content, Declarations, Entity, External, Reader},
    tag::{Attributes, Names},
};

/// Deepest nesting that is followed. Deeper elements are read as if they had no tags.
const MAX_NESTING: usize = 256;

/// Enclosing elements among which the one that an end tag closes is looked for.
const MAX_MISNESTED: usize = 16;

/// Text that memory is kept for between documents, in bytes.
const MAX_KEPT_BYTES: usize = 64 * 1024;

/// Receives the parts of a document.
pub(crate) trait Sink {
    /// An element opens, the `nth` of its name (from 0) within its parent. The name is `URI:prefix:name` in a namespace,
    /// else as written.
    fn element(&mut self, name: &[u8], written: &[u8], nth: u32);
    /// An attribute of the element that has just opened, with references resolved.
    fn attribute(&mut self, name: &[u8], value: &[u8]);
    /// All text that stands directly in the element that closes next, or in no element.
    fn text(&mut self, value: &[u8]);
    /// The innermost element closes, the `nth` of its name.
    fn end(&mut self, nth: u32);
    /// A comment.
    fn comment(&mut self, nth: u32, value: &[u8]);
    /// A processing instruction, without its brackets.
    fn instruction(&mut self, nth: u32, value: &[u8]);
    /// The system identifier of the external subset.
    fn external_subset(&mut self, system: &[u8]);
    /// A declared entity and its literal value or system identifier.
    fn entity(&mut self, nth: u32, name: &[u8], value: &[u8]);
    /// Whether to go on. False once a limit is reached.
    fn wants_more(&self) -> bool;
}

/// Memory reused between documents.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    open: Vec<Open>,
    /// Text of open elements, outermost first, that is not one piece of the document.
    text: Vec<u8>,
    names: Names,
    entities: Entities,
}

/// How a document ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// One root element, every element closed by its own end tag, every attribute quoted, no text beside the root.
    pub(crate) is_well_formed: bool,
    /// Nested deeper than is followed.
    pub(crate) is_too_deep: bool,
    /// Entities grew beyond what is expanded.
    pub(crate) is_overgrown: bool,
    /// Bytes that references and entities made.
    pub(crate) n_expanded_bytes: usize,
}

/// Whether a value reads as XML rather than as HTML, as markup in prose or as anything else.
pub(crate) fn is_document(input: &[u8], scratch: &mut Scratch) -> bool {
    sniff::is_document(input, scratch)
}

/// Whether a value could be XML at all: the first thing that [`is_document`] looks at.
pub(crate) fn may_be_document(input: &[u8]) -> bool {
    sniff::may_be_document(input)
}

/// Reads a document and pushes its parts. References may make `max_expanded_bytes` of text.
pub(crate) fn parse(input: &[u8], max_expanded_bytes: usize, scratch: &mut Scratch, sink: &mut impl Sink) -> Outcome {
    let Scratch {
        open,
        text,
        names,
        entities,
    } = scratch;
    // What the last document left goes, and most of the memory of a large one with it.
    open.clear();
    text.clear();
    text.shrink_to(MAX_KEPT_BYTES);
    names.clear();
    entities.clear(max_expanded_bytes);
    let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    let mut parser = Parser {
        input,
        at: 0,
        open,
        text,
        names,
        entities,
        n_deeper: 0,
        n_roots: 0,
        n_comments: 0,
        n_instructions: 0,
        outcome: Outcome {
            is_well_formed: true,
            ..Outcome::default()
        },
    };
    parser.prolog(sink);
    parser.content(sink);
    let is_one = parser.n_roots == 1;
    parser.outcome.is_well_formed &= is_one;
    parser.outcome.is_overgrown = parser.entities.is_overgrown();
    parser.outcome.n_expanded_bytes = parser.entities.n_expanded_bytes();
    parser.outcome
}

/// An open element; the outermost stands for the document itself.
#[derive(Debug)]
struct Open {
    name: Range<usize>,
    nth: u32,
    text: Text,
    mark: tag::Mark,
}

/// The text of an open element so far.
#[derive(Clone, Debug)]
enum Text {
    None,
    /// One piece of the document.
    Piece(Range<usize>),
    /// Everything in [`Scratch::text`] from here to the text of the next open element.
    Joined(usize),
}

struct Parser<'i, 's> {
    input: &'i [u8],
    at: usize,
    open: &'s mut Vec<Open>,
    text: &'s mut Vec<u8>,
    names: &'s mut Names,
    entities: &'s mut Entities,
    /// Elements open beyond [`MAX_NESTING`].
    n_deeper: usize,
    n_roots: usize,
    n_comments: u32,
    n_instructions: u32,
    outcome: Outcome,
}

impl<'i> Parser<'i, '_> {
    fn part(&self, range: Range<usize>) -> &'i [u8] {
        self.input.get(range).unwrap_or_default()
    }

    fn rest(&self) -> &'i [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    fn prolog(&mut self, sink: &mut impl Sink) {
        let mut reader = Reader::new(self.input);
        let mut prolog = Prolog {
            input: self.input,
            entities: self.entities,
            n_comments: 0,
            n_instructions: 0,
            n_entities: 0,
            sink,
        };
        reader.prolog(&mut prolog);
        self.n_comments = prolog.n_comments;
        self.n_instructions = prolog.n_instructions;
        self.at = reader.at;
    }

    fn content(&mut self, sink: &mut impl Sink) {
        self.open.push(Open {
            name: 0..0,
            nth: 0,
            text: Text::None,
            mark: self.names.mark(),
        });
        while sink.wants_more() && self.at < self.input.len() {
            let n_text = memchr::memchr(b'<', self.rest()).unwrap_or(self.rest().len());
            if n_text > 0 {
                let start = self.at;
                self.at += n_text;
                self.add_text(start..self.at, true);
                continue;
            }
            match self.rest() {
                [b'<', b'/', ..] => self.end_tag(sink),
                [b'<', b'?', ..] => {
                    let inner = self.bracketed(2, b"?>");
                    sink.instruction(self.n_instructions, self.part(inner));
                    self.n_instructions += 1;
                }
                [b'<', b'!', b'-', b'-', ..] => {
                    let inner = self.bracketed(4, b"-->");
                    sink.comment(self.n_comments, self.part(inner));
                    self.n_comments += 1;
                }
                rest if rest.starts_with(b"<![CDATA[") => {
                    let inner = self.bracketed(9, b"]]>");
                    self.add_text(inner, false);
                }
                [b'<', b'!', ..] => {
                    self.outcome.is_well_formed = false;
                    self.bracketed(2, b">");
                }
                [b'<', first, ..] if tag::starts_name(*first) => self.start_tag(sink),
                _ => {
                    // A bare `<` is text to whoever does not refuse it.
                    self.outcome.is_well_formed = false;
                    self.at += 1;
                    self.add_text(self.at - 1..self.at, false);
                }
            }
        }
        while let Some(open) = self.open.pop() {
            self.flush(&open, sink);
            if !self.open.is_empty() {
                self.outcome.is_well_formed = false;
                sink.end(open.nth);
            }
        }
    }

    /// Steps over something in brackets; its inside. To the end of the document when the closing bracket is missing.
    fn bracketed(&mut self, n_opening: usize, closing: &[u8]) -> Range<usize> {
        let start = self.at + n_opening;
        let tail = self.input.get(start..).unwrap_or_default();
        let (end, after) = match memchr::memmem::find(tail, closing) {
            Some(found) => (start + found, start + found + closing.len()),
            None => {
                self.outcome.is_well_formed = false;
                (self.input.len(), self.input.len())
            }
        };
        self.at = after;
        start.min(end)..end
    }

    // === Elements ===

    fn start_tag(&mut self, sink: &mut impl Sink) {
        let name_start = self.at + 1;
        let n_name = tag::name_length(self.part(name_start..self.input.len()));
        let name = name_start..name_start + n_name;
        let mark = self.names.mark();
        let mut attributes = Attributes::new(self.input, name.end);
        let first = attributes.clone();
        for (name, value) in &mut attributes {
            self.names.declare(self.input, name, value);
        }
        self.at = attributes.at();
        self.outcome.is_well_formed &= attributes.is_well_formed();
        let is_nested = self.open.len() <= MAX_NESTING;
        let mut nth = 0;
        if is_nested {
            let parent = self.open.last().map(|open| open.mark.clone()).unwrap_or_default();
            let input = self.input;
            let (key, position) = self.names.name_element(input, name.clone(), &parent);
            nth = position;
            sink.element(key, input.get(name.clone()).unwrap_or_default(), nth);
        } else {
            self.outcome.is_too_deep = true;
        }
        for (name, value) in first {
            if !sink.wants_more() {
                break;
            }
            self.attribute(name, value, sink);
        }
        if self.open.len() == 1 {
            self.n_roots += 1;
        }
        match (is_nested, attributes.is_empty_element()) {
            (true, true) => {
                self.names.forget(&mark);
                sink.end(nth);
            }
            (true, false) => self.open.push(Open {
                name,
                nth,
                text: Text::None,
                mark: self.names.mark_within(&mark),
            }),
            (false, is_empty) => {
                self.names.forget(&mark);
                self.n_deeper += usize::from(!is_empty);
            }
        }
    }

    fn attribute(&mut self, name: Range<usize>, value: Range<usize>, sink: &mut impl Sink) {
        let (name, value) = (self.part(name), self.part(value));
        if memchr::memchr(b'&', value).is_none() {
            sink.attribute(name, value);
            return;
        }
        let start = self.text.len();
        self.entities.resolve(self.input, value, self.text);
        sink.attribute(name, self.text.get(start..).unwrap_or_default());
        self.text.truncate(start);
    }

    fn end_tag(&mut self, sink: &mut impl Sink) {
        let start = self.at + 2;
        let inner = self.bracketed(2, b">");
        let n_name = tag::name_length(self.part(inner));
        let name = self.part(start..start + n_name);
        if self.n_deeper > 0 {
            self.n_deeper -= 1;
            return;
        }
        let input = self.input;
        let found = self
            .open
            .iter()
            .skip(1)
            .rev()
            .take(MAX_MISNESTED)
            .position(|open| input.get(open.name.clone()) == Some(name));
        self.outcome.is_well_formed &= found == Some(0);
        let n_closed = found.map_or(0, |position| position + 1);
        for _ in 0..n_closed {
            if let Some(open) = self.open.pop() {
                self.flush(&open, sink);
                self.names.forget(&open.mark);
                sink.end(open.nth);
            }
        }
    }

    // === Text ===

    fn add_text(&mut self, piece: Range<usize>, has_references: bool) {
        let bytes = self.part(piece.clone());
        let is_outside = self.open.len() == 1;
        let Some(open) = self.open.last_mut() else { return };
        if matches!(open.text, Text::None) && bytes.trim_ascii().is_empty() {
            return;
        }
        self.outcome.is_well_formed &= !is_outside || bytes.trim_ascii().is_empty();
        let is_plain = !has_references || memchr::memchr(b'&', bytes).is_none();
        match open.text.clone() {
            Text::None if is_plain => {
                open.text = Text::Piece(piece);
                return;
            }
            Text::None => open.text = Text::Joined(self.text.len()),
            Text::Piece(first) => {
                open.text = Text::Joined(self.text.len());
                self.text.extend_from_slice(self.input.get(first).unwrap_or_default());
            }
            Text::Joined(_) => {}
        }
        if is_plain {
            self.text.extend_from_slice(bytes);
        } else {
            self.entities.resolve(self.input, bytes, self.text);
        }
    }

    /// Hands out the text of an element that closes.
    fn flush(&mut self, open: &Open, sink: &mut impl Sink) {
        match open.text.clone() {
            Text::None => {}
            Text::Piece(piece) => sink.text(self.part(piece).trim_ascii()),
            Text::Joined(start) => {
                let joined = self.text.get(start..).unwrap_or_default();
                sink.text(joined.trim_ascii());
                self.text.truncate(start);
            }
        }
    }
}

/// Hands out what stands before the root and remembers entities.
struct Prolog<'p, S> {
    input: &'p [u8],
    entities: &'p mut Entities,
    n_comments: u32,
    n_instructions: u32,
    n_entities: u32,
    sink: &'p mut S,
}

impl<S: Sink> Declarations for Prolog<'_, S> {
    fn declaration(&mut self, _span: Range<usize>, _encoding: Option<Range<usize>>) {}

    fn instruction(&mut self, inner: Range<usize>) {
        let value = self.input.get(inner).unwrap_or_default();
        self.sink.instruction(self.n_instructions, value);
        self.n_instructions += 1;
    }

    fn comment(&mut self, inner: Range<usize>) {
        let value = self.input.get(inner).unwrap_or_default();
        self.sink.comment(self.n_comments, value);
        self.n_comments += 1;
    }

    fn external_subset(&mut self, external: External, _span: Range<usize>) {
        let system = self.input.get(external.system).unwrap_or_default();
        self.sink.external_subset(system);
    }

    fn entity(&mut self, entity: Entity, _span: Range<usize>) {
        let nth = self.n_entities;
        self.n_entities += 1;
        let name = entity.name.clone();
        let value = match &entity.content {
            Content::Literal(literal) if !entity.is_parameter => {
                self.entities.declare(self.input, entity.name, literal.clone())
            }
            Content::Literal(literal) => self.input.get(literal.clone()).unwrap_or_default(),
            Content::External(external) | Content::Unparsed(external) => {
                self.input.get(external.system.clone()).unwrap_or_default()
            }
        };
        let name = self.input.get(name).unwrap_or_default();
        self.sink.entity(nth, name, value);
    }
}

#[cfg(test)]
mod tests;
