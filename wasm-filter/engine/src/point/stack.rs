//! The point of the value at hand, kept while parsers descend and ascend.

use std::fmt;

use super::{Element, Key, PointPath};

/// Longest name kept of an element, in bytes. Longer names are cut: the point stays readable and bounded.
const MAX_NAME_BYTES: usize = 128;

/// Most elements kept. Deeper ones are counted and inspected, only not named.
const MAX_ELEMENTS: usize = 64;

/// A point under construction. Pushing and popping allocates nothing once warm.
#[derive(Debug, Default)]
pub struct PointStack {
    elements: Vec<(Element, KeySpan)>,
    /// Names of all elements, one after another.
    names: Vec<u8>,
    /// Elements pushed beyond [`MAX_ELEMENTS`].
    unnamed: usize,
}

/// A key whose name stands in [`PointStack::names`].
#[derive(Clone, Copy, Debug)]
enum KeySpan {
    None,
    Name { start: usize, end: usize },
    Index(u32),
}

/// What distinguishes what begins from its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Nothing.
    Only,
    Name(&'a [u8]),
    Index(u32),
}

impl PointStack {
    /// Names that [`PointStack::write_names`] writes at most. With all of them, the operators of a deeply nested document would
    /// cost the square of its depth.
    const MAX_WRITTEN_NAMES: usize = 8;

    pub(crate) fn enter(&mut self, element: Element, step: Step<'_>) {
        match step {
            Step::Only => self.push(element),
            Step::Name(name) => self.push_name(element, name),
            Step::Index(index) => self.push_index(element, index),
        }
    }

    pub(crate) fn push(&mut self, element: Element) {
        self.push_span(element, KeySpan::None);
    }

    pub(crate) fn push_index(&mut self, element: Element, index: u32) {
        self.push_span(element, KeySpan::Index(index));
    }

    pub(crate) fn push_name(&mut self, element: Element, name: &[u8]) {
        let start = self.names.len();
        if self.elements.len() < MAX_ELEMENTS {
            let kept = name.get(..MAX_NAME_BYTES).unwrap_or(name);
            self.names.extend_from_slice(kept);
        }
        let end = self.names.len();
        self.push_span(element, KeySpan::Name { start, end });
    }

    /// As [`PointStack::push_name`], in upper case, as points name header fields.
    pub(crate) fn push_upper(&mut self, element: Element, name: &[u8]) {
        let start = self.names.len();
        self.push_name(element, name);
        if let Some(kept) = self.names.get_mut(start..) {
            kept.make_ascii_uppercase();
        }
    }

    fn push_span(&mut self, element: Element, key: KeySpan) {
        if self.elements.len() < MAX_ELEMENTS {
            self.elements.push((element, key));
        } else {
            self.unnamed += 1;
        }
    }

    pub(crate) fn pop(&mut self) {
        if self.unnamed > 0 {
            self.unnamed -= 1;
        } else if let Some((_, KeySpan::Name { start, .. })) = self.elements.pop() {
            self.names.truncate(start);
        }
    }

    /// How deep it is, for [`PointStack::truncate`].
    pub(crate) fn depth(&self) -> usize {
        self.elements.len() + self.unnamed
    }

    /// Pops until it is as deep as it was.
    pub(crate) fn truncate(&mut self, depth: usize) {
        while self.depth() > depth {
            self.pop();
        }
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.elements.clear();
        self.names.clear();
        self.unnamed = 0;
    }

    /// Writes the names of parameters and members of the point as forms write nested names: `a[b][c]`. A member without
    /// an enclosing name is written `[a]`.
    pub(crate) fn write_names(&self, out: &mut Vec<u8>) {
        let names = self.elements.iter().filter_map(|(element, key)| match (element, key) {
            (
                Element::Get | Element::FormUrlencoded | Element::Multipart | Element::Hash,
                KeySpan::Name { start, end },
            ) => self.names.get(*start..*end),
            _ => None,
        });
        let n_skipped = names.clone().count().saturating_sub(Self::MAX_WRITTEN_NAMES);
        let mut is_outermost = n_skipped == 0;
        for name in names.skip(n_skipped) {
            if is_outermost && !name.starts_with(b"$") {
                out.extend_from_slice(name);
            } else {
                out.push(b'[');
                out.extend_from_slice(name);
                out.push(b']');
            }
            is_outermost = false;
        }
    }

    /// The innermost element.
    pub(crate) fn last(&self) -> Option<Element> {
        self.elements.last().map(|(element, _)| *element)
    }

    /// Decoders of the chain, outermost first.
    pub fn decoders(&self) -> impl Iterator<Item = Element> {
        let elements = self.elements.iter().map(|(element, _)| *element);
        elements.filter(|element| element.is_decoder())
    }

    /// The name of the parameter, form field or member whose value this is, whatever decoders and repetition made of
    /// it. Empty when the value stands elsewhere.
    pub fn parameter(&self) -> &[u8] {
        let is_form = |element: &Element| {
            element.is_decoder()
                || matches!(
                    element,
                    Element::Array | Element::Pollution | Element::JsonDoc | Element::Xml | Element::XmlTagArray
                )
        };
        let holder = self.elements.iter().rev().find(|(element, _)| !is_form(element));
        match holder {
            Some((
                Element::Get | Element::FormUrlencoded | Element::Multipart | Element::Hash,
                KeySpan::Name { start, end },
            )) => self.names.get(*start..*end).unwrap_or_default(),
            Some((Element::XmlTag | Element::XmlAttr, KeySpan::Name { start, end })) => {
                let name = self.names.get(*start..*end).unwrap_or_default();
                let colon = memchr::memrchr(b':', name).map_or(0, |at| at + 1);
                name.get(colon..).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// An owned copy.
    pub fn to_path(&self) -> PointPath {
        let key = |key: &KeySpan| match *key {
            KeySpan::None => Key::None,
            KeySpan::Index(index) => Key::Index(index),
            KeySpan::Name { start, end } => Key::Name(self.names.get(start..end).unwrap_or_default().to_vec()),
        };
        PointPath(
            self.elements
                .iter()
                .map(|(element, span)| (*element, key(span)))
                .collect(),
        )
    }
}

impl fmt::Display for PointStack {
    /// Wallarm notation, as [`PointPath`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_path().fmt(f)
    }
}
