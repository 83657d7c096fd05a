//! Start tags: attributes, namespaces and which of its siblings an element is.

use std::ops::Range;

/// Namespace declarations in force that are remembered.
const MAX_NAMESPACES: usize = 64;

/// Siblings of other names among which earlier elements of a name are looked for.
const MAX_COMPARED: usize = 32;

/// Bytes of a namespace that names show. Each element shows its namespace, so a long one would be copied again and again.
const MAX_SHOWN_BYTES: usize = 80;

/// Declarations and children that memory is kept for between documents.
const MAX_KEPT: usize = 1024;

/// Whether a byte may begin a name (XML 1.0 section 2.3). All of UTF-8 beyond ASCII counts.
pub(super) fn starts_name(b: u8) -> bool {
    b.is_ascii_alphabetic() || matches!(b, b'_' | b':' | 0x80..=0xff)
}

/// How long the name at the start is.
pub(super) fn name_length(bytes: &[u8]) -> usize {
    let is_end = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'>' | b'/' | b'=' | b'<' | b'"' | b'\'');
    bytes.iter().position(is_end).unwrap_or(bytes.len())
}

/// Iterates over names and values of the attributes of a tag, and steps behind it.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'i> {
    input: &'i [u8],
    at: usize,
    is_done: bool,
    is_empty_element: bool,
    is_well_formed: bool,
}

impl<'i> Attributes<'i> {
    /// Reads from behind the name of the tag.
    pub(super) fn new(input: &'i [u8], at: usize) -> Attributes<'i> {
        Attributes {
            input,
            at,
            is_done: false,
            is_empty_element: false,
            is_well_formed: true,
        }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether the tag ended with `/>`.
    pub(super) fn is_empty_element(&self) -> bool {
        self.is_empty_element
    }

    /// Whether the tag was closed and every attribute had a quoted value.
    pub(super) fn is_well_formed(&self) -> bool {
        self.is_well_formed && self.is_done
    }

    fn rest(&self) -> &'i [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    fn value(&mut self) -> Range<usize> {
        let quote = match self.rest().first() {
            Some(quote @ (b'"' | b'\'')) => *quote,
            _ => {
                self.is_well_formed = false;
                let rest = self.rest();
                let is_end = |b: &u8| b.is_ascii_whitespace() || *b == b'>';
                let end = rest.iter().position(is_end).unwrap_or(rest.len());
                // The slash of `<a b=c/>` ends the tag.
                let value = rest.get(..end).unwrap_or_default();
                let is_last = rest.get(end) == Some(&b'>') && value.ends_with(b"/");
                let start = self.at;
                self.at += end - usize::from(is_last);
                return start..self.at;
            }
        };
        let start = self.at + 1;
        let tail = self.input.get(start..).unwrap_or_default();
        match memchr::memchr(quote, tail) {
            Some(length) => {
                self.at = start + length + 1;
                start..start + length
            }
            None => {
                self.is_well_formed = false;
                self.at = self.input.len();
                start..self.at
            }
        }
    }
}

impl Iterator for Attributes<'_> {
    type Item = (Range<usize>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.skip_space();
            match self.rest() {
                _ if self.is_done => return None,
                [] => return None,
                [b'>', ..] => {
                    self.at += 1;
                    self.is_done = true;
                    return None;
                }
                [b'/', b'>', ..] => {
                    self.at += 2;
                    self.is_done = true;
                    self.is_empty_element = true;
                    return None;
                }
                [b'<', ..] => {
                    // The next tag begins before this one ends.
                    self.is_well_formed = false;
                    return None;
                }
                [b'/' | b'=' | b'"' | b'\'', ..] => {
                    self.is_well_formed = false;
                    self.at += 1;
                }
                rest => {
                    let start = self.at;
                    self.at += name_length(rest);
                    let name = start..self.at;
                    self.skip_space();
                    if self.rest().first() != Some(&b'=') {
                        self.is_well_formed = false;
                        return Some((name.clone(), name.end..name.end));
                    }
                    self.at += 1;
                    self.skip_space();
                    return Some((name, self.value()));
                }
            }
        }
    }
}

/// Namespaces in force and names of elements seen, for all open elements.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Prefixes, without `xmlns:`, and what they stand for.
    namespaces: Vec<(Range<usize>, Range<usize>)>,
    /// Names of children of open elements, outermost parent first, and how many had it.
    children: Vec<(Range<usize>, u32)>,
    key: Vec<u8>,
}

/// How much [`Names`] held when an element opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    n_namespaces: usize,
    n_children: usize,
}

impl Names {
    pub(super) fn clear(&mut self) {
        self.namespaces.clear();
        self.children.clear();
        self.children.shrink_to(MAX_KEPT);
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            n_namespaces: self.namespaces.len(),
            n_children: self.children.len(),
        }
    }

    /// The mark of an element whose start tag has been read: its namespaces are its own, its name is its parent's.
    pub(super) fn mark_within(&self, before: &Mark) -> Mark {
        Mark {
            n_namespaces: before.n_namespaces,
            n_children: self.children.len(),
        }
    }

    /// Forgets what an element brought.
    pub(super) fn forget(&mut self, mark: &Mark) {
        self.namespaces.truncate(mark.n_namespaces);
        self.children.truncate(mark.n_children);
    }

    /// Remembers an attribute that declares a namespace (Namespaces in XML 1.0 section 3).
    pub(super) fn declare(&mut self, input: &[u8], name: Range<usize>, value: Range<usize>) {
        let Some(tail) = input.get(name.clone()).and_then(|name| name.strip_prefix(b"xmlns")) else {
            return;
        };
        let prefix = match tail {
            [] => name.end..name.end,
            [b':', ..] => name.start + 6..name.end,
            _ => return,
        };
        if self.namespaces.len() < MAX_NAMESPACES {
            self.namespaces.push((prefix, value));
        }
    }

    /// Notes an element among the children of the one that has this mark; its full name and how many came before it.
    pub(super) fn name_element(&mut self, input: &[u8], name: Range<usize>, parent: &Mark) -> (&[u8], u32) {
        let written = input.get(name.clone()).unwrap_or_default();
        let siblings = self.children.get_mut(parent.n_children..).unwrap_or_default();
        let earlier = siblings
            .iter_mut()
            .rev()
            .take(MAX_COMPARED)
            .find(|(other, _)| input.get(other.clone()) == Some(written));
        let nth = match earlier {
            Some((_, n_seen)) => {
                *n_seen = n_seen.saturating_add(1);
                *n_seen - 1
            }
            None => {
                self.children.push((name, 1));
                0
            }
        };
        let (prefix, local) = match memchr::memchr(b':', written) {
            Some(at) => (
                written.get(..at).unwrap_or_default(),
                written.get(at + 1..).unwrap_or_default(),
            ),
            None => (&[][..], written),
        };
        let declared = self.namespaces.iter().rev();
        let namespace = declared
            .clone()
            .find(|(known, _)| input.get(known.clone()) == Some(prefix))
            .and_then(|(_, uri)| input.get(uri.clone()))
            .filter(|uri| !uri.is_empty());
        self.key.clear();
        let Some(uri) = namespace else {
            self.key.extend_from_slice(written);
            return (&self.key, nth);
        };
        let shown = uri.get(..MAX_SHOWN_BYTES).unwrap_or(uri);
        for part in [shown, b":", prefix, b":", local] {
            self.key.extend_from_slice(part);
        }
        (&self.key, nth)
    }
}
