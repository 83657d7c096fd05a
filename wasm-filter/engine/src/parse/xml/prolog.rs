//! Reads what stands before the root element: XML declaration, comments, processing instructions and the document type
//! with its entity declarations (XML 1.0 sections 2.8 and 4.2).
//!
//! Shared by the parser, which needs entities to expand them, and by the detector of external entities, which also reads
//! prologs that documents wrap in CDATA sections.

use std::ops::Range;

/// Receives what a prolog declares. Ranges are positions in the text that is read.
pub(crate) trait Declarations {
    /// The XML declaration: its span after `<?xml`, and the encoding that it names.
    fn declaration(&mut self, span: Range<usize>, encoding: Option<Range<usize>>);
    /// A processing instruction without its brackets.
    fn instruction(&mut self, inner: Range<usize>);
    /// A comment without its brackets.
    fn comment(&mut self, inner: Range<usize>);
    /// The external subset that a document type names, and where that is said.
    fn external_subset(&mut self, external: External, span: Range<usize>);
    /// An entity is declared, and where.
    fn entity(&mut self, entity: Entity, span: Range<usize>);
}

/// An external identifier (section 4.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct External {
    /// The public identifier, when there is one.
    pub(crate) public: Option<Range<usize>>,
    /// The system identifier; empty when it is missing, as HTML allows.
    pub(crate) system: Range<usize>,
}

/// A declared entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entity {
    pub(crate) name: Range<usize>,
    /// Whether it is for use in declarations only: `%name;`.
    pub(crate) is_parameter: bool,
    pub(crate) content: Content,
}

/// What an entity stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A literal, without its quotes.
    Literal(Range<usize>),
    /// Something to be fetched.
    External(External),
    /// Something named to the application and not fetched.
    Unparsed(External),
}

/// Reads one text from front to back; never looks at a byte more than a fixed number of times.
#[derive(Debug)]
pub(crate) struct Reader<'t> {
    text: &'t [u8],
    pub(crate) at: usize,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Reader<'t> {
        Reader { text, at: 0 }
    }

    /// Reads a prolog, to the first thing that belongs to none.
    pub(crate) fn prolog(&mut self, sink: &mut impl Declarations) {
        loop {
            self.skip_space();
            let start = self.at;
            let is_whole = if self.skip(b"<?xml") && !self.is_in_name() {
                self.declaration(sink)
            } else if self.skip_instruction(start) {
                let is_whole = self.skip_past(b"?>");
                sink.instruction(self.inner(start + 2, is_whole, 2));
                is_whole
            } else if self.skip(b"<!--") {
                let is_whole = self.skip_past(b"-->");
                sink.comment(self.inner(start + 4, is_whole, 3));
                is_whole
            } else if self.skip(b"<!DOCTYPE") {
                self.doctype(sink)
            } else if self.skip(b"<!ENTITY") {
                // The text of an external subset, or of a parameter entity.
                self.entity(sink)
            } else {
                return;
            };
            if !is_whole {
                return;
            }
        }
    }

    /// Whether the name just skipped goes on, as in `<?xml-stylesheet`.
    fn is_in_name(&self) -> bool {
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.');
        self.rest().first().is_some_and(is_name)
    }

    fn skip_instruction(&mut self, start: usize) -> bool {
        self.at = start;
        self.skip(b"<?")
    }

    /// The span from `start` to the current position, without an end mark of `n_end` bytes when it was found.
    fn inner(&self, start: usize, is_whole: bool, n_end: usize) -> Range<usize> {
        let end = if is_whole { self.at - n_end } else { self.at };
        start.min(end)..end
    }

    /// Reads the XML declaration after `<?xml` (section 2.8).
    fn declaration(&mut self, sink: &mut impl Declarations) -> bool {
        let start = self.at;
        if !self.skip_past(b"?>") {
            return false;
        }
        let end = self.at;
        let inner = self.text.get(start..end).unwrap_or_default();
        let mut encoding = None;
        if let Some(found) = memchr::memmem::find(inner, b"encoding") {
            self.at = start + found + b"encoding".len();
            self.skip_space();
            self.skip(b"=");
            self.skip_space();
            encoding = self.quoted().filter(|range| range.end <= end);
            self.at = end;
        }
        sink.declaration(start..end, encoding);
        true
    }

    /// Reads a document type declaration after its keyword. False when the text ends in it.
    fn doctype(&mut self, sink: &mut impl Declarations) -> bool {
        let start = self.at;
        self.skip_space();
        self.name();
        self.skip_space();
        if let Some(external) = self.external_id() {
            sink.external_subset(external, start..self.at);
        }
        self.skip_space();
        if self.skip(b"[") && !self.subset(sink) {
            return false;
        }
        self.skip_past(b">")
    }

    /// Reads declarations up to the closing bracket. False when the text ends before.
    fn subset(&mut self, sink: &mut impl Declarations) -> bool {
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
                self.entity(sink)
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
    fn entity(&mut self, sink: &mut impl Declarations) -> bool {
        let start = self.at;
        self.skip_space();
        let is_parameter = self.skip(b"%");
        self.skip_space();
        let name = self.name();
        self.skip_space();
        let content = if let Some(external) = self.external_id() {
            self.skip_space();
            if self.skip(b"NDATA") {
                Some(Content::Unparsed(external))
            } else {
                Some(Content::External(external))
            }
        } else {
            self.quoted().map(Content::Literal)
        };
        if let Some(content) = content {
            let entity = Entity {
                name,
                is_parameter,
                content,
            };
            sink.entity(entity, start..self.at);
        }
        self.skip_past(b">")
    }

    /// Reads `SYSTEM "…"` or `PUBLIC "…" "…"`.
    fn external_id(&mut self) -> Option<External> {
        let mut public = None;
        if self.skip(b"PUBLIC") {
            self.skip_space();
            public = Some(self.quoted()?);
        } else if !self.skip(b"SYSTEM") {
            return None;
        }
        self.skip_space();
        let system = self.quoted().unwrap_or(self.at..self.at);
        Some(External { public, system })
    }

    // === Steps ===

    pub(crate) fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Steps over these bytes, letters of either case.
    pub(crate) fn skip(&mut self, expected: &[u8]) -> bool {
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

    pub(crate) fn skip_space(&mut self) {
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
    pub(crate) fn quoted(&mut self) -> Option<Range<usize>> {
        let quote = self.rest().first().copied().filter(|b| matches!(b, b'"' | b'\''))?;
        let start = self.at + 1;
        self.at = start;
        let is_closed = self.skip_past(&[quote]);
        Some(start..if is_closed { self.at - 1 } else { self.at })
    }
}
