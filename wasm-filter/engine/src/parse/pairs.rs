//! Name-value pairs of queries and forms, with repeated and structured names.
//!
//! `p[x]=1` is member `x` of `p`, `p[]=1` an item of `p`, and a repeated name makes an array, as PHP, Rack and others
//! read them. Source: Wallarm documentation, "Parsing requests", parser `form_urlencoded`.

use std::{cmp::Ordering, ops::Range};

use crate::{
    decode::percent::{self, Plus},
    point::{Element, PointStack},
};

/// One pair; names and values stand in the text that [`Pairs::parse`] fills.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) name: Range<usize>,
    pub(crate) value: Range<usize>,
    /// The name before decoding, in the input.
    pub(crate) raw_name: Range<usize>,
    /// The value before decoding, in the input.
    pub(crate) raw_value: Range<usize>,
    /// How many pairs before it have the same name.
    pub(crate) nth: u32,
    /// Whether there is no `=`, so that the name may just as well be a value.
    pub(crate) is_bare: bool,
    /// Whether another pair has the same name.
    pub(crate) is_repeated: bool,
}

/// The pairs of one query or form; reused between requests.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) list: Vec<Pair>,
    /// Indices of `list` by name, then position.
    by_name: Vec<u32>,
}

impl Pairs {
    /// Splits and decodes. `text` receives decoded names and values. Returns false when there were more than
    /// `max_pairs`; the rest is left out.
    pub(crate) fn parse(&mut self, input: &[u8], max_pairs: usize, text: &mut Vec<u8>) -> bool {
        self.list.clear();
        text.clear();
        let mut from = 0;
        for pair in input.split(|b| *b == b'&') {
            let at = from;
            from += pair.len() + 1;
            if pair.is_empty() {
                continue;
            }
            if self.list.len() == max_pairs {
                self.number(text);
                return false;
            }
            let equals = memchr::memchr(b'=', pair);
            let (name, value) = match equals {
                Some(at) => (
                    pair.get(..at).unwrap_or_default(),
                    pair.get(at + 1..).unwrap_or_default(),
                ),
                None => (pair, &[][..]),
            };
            let start = text.len();
            percent::decode(name, Plus::Space, text);
            let middle = text.len();
            percent::decode(value, Plus::Space, text);
            self.list.push(Pair {
                name: start..middle,
                value: middle..text.len(),
                raw_name: at..at + name.len(),
                raw_value: at + pair.len() - value.len()..at + pair.len(),
                nth: 0,
                is_bare: equals.is_none(),
                is_repeated: false,
            });
        }
        self.number(text);
        true
    }

    /// Forgets all pairs and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.by_name.clear();
    }

    /// Adds a pair that is not encoded: name and value are slices of `input`. False when there are `max_pairs` already.
    pub(crate) fn push_raw(
        &mut self,
        input: &[u8],
        name: &[u8],
        value: &[u8],
        max_pairs: usize,
        text: &mut Vec<u8>,
    ) -> bool {
        if self.list.len() == max_pairs {
            return false;
        }
        let start = text.len();
        text.extend_from_slice(name);
        self.list.push(Pair {
            name: start..text.len(),
            value: 0..0,
            raw_name: offset_range(input, name),
            raw_value: offset_range(input, value),
            nth: 0,
            is_bare: false,
            is_repeated: false,
        });
        true
    }

    /// Numbers pairs of the same name.
    pub(crate) fn number(&mut self, text: &[u8]) {
        let Pairs { list, by_name } = self;
        by_name.clear();
        if list.len() < 2 {
            return;
        }
        by_name.extend(0..list.len() as u32);
        // Sorted rather than hashed: names come from the attacker, who could make them collide.
        by_name.sort_unstable_by(|a, b| order(list, text, *a, *b));
        let mut nth = 0;
        for (previous, this) in by_name.iter().zip(by_name.iter().skip(1)) {
            nth = if name_of(list, text, *previous) == name_of(list, text, *this) {
                nth + 1
            } else {
                0
            };
            if nth > 0 {
                if let Some(pair) = list.get_mut(*previous as usize) {
                    pair.is_repeated = true;
                }
                if let Some(pair) = list.get_mut(*this as usize) {
                    pair.is_repeated = true;
                    pair.nth = nth;
                }
            }
        }
    }

    /// Positions of all pairs that have the name of the one at `first`, in order; empty unless it is the first of
    /// several.
    pub(crate) fn repetitions<'a>(&'a self, first: usize, text: &'a [u8]) -> impl Iterator<Item = &'a Pair> {
        let pair = self.list.get(first).filter(|pair| pair.is_repeated && pair.nth == 0);
        let name = pair.and_then(|pair| text.get(pair.name.clone())).unwrap_or_default();
        let name_at = move |at: &u32| {
            let pair = self.list.get(*at as usize)?;
            text.get(pair.name.clone())
        };
        let from = self
            .by_name
            .partition_point(|at| name_at(at).unwrap_or_default() < name);
        let is_some = pair.is_some();
        self.by_name
            .iter()
            .skip(from)
            .take_while(move |at| is_some && name_at(at) == Some(name))
            .filter_map(|at| self.list.get(*at as usize))
    }
}

/// Where a slice of `whole` stands in it.
fn offset_range(whole: &[u8], slice: &[u8]) -> Range<usize> {
    let start = slice.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start + slice.len()
}

/// Whether a name asks for an array by itself: `p[]`.
pub(crate) fn is_array_name(name: &[u8]) -> bool {
    memchr::memmem::find(name, b"[]").is_some()
}

/// Pushes the point of a pair: the element with the base name, then members and items.
pub(crate) fn push_point(point: &mut PointStack, element: Element, name: &[u8], nth: u32, is_repeated: bool) {
    let base = name
        .iter()
        .position(|b| *b == b'[')
        .filter(|at| *at > 0 && is_well_formed(name.get(*at..).unwrap_or_default()));
    let (base, mut rest) = base.and_then(|at| name.split_at_checked(at)).unwrap_or((name, &[]));
    point.push_name(element, base);
    let mut is_numbered = false;
    while let [b'[', tail @ ..] = rest {
        let end = memchr::memchr(b']', tail).unwrap_or(tail.len());
        let member = tail.get(..end).unwrap_or_default();
        if member.is_empty() {
            point.push_index(Element::Array, nth);
            is_numbered = true;
        } else {
            point.push_name(Element::Hash, member);
        }
        rest = tail.get(end + 1..).unwrap_or_default();
    }
    if is_repeated && !is_numbered {
        point.push_index(Element::Array, nth);
    }
}

/// Whether the rest of a name consists of bracketed members only.
fn is_well_formed(mut rest: &[u8]) -> bool {
    while let [b'[', tail @ ..] = rest {
        let Some(end) = memchr::memchr(b']', tail) else {
            return false;
        };
        rest = tail.get(end + 1..).unwrap_or_default();
    }
    rest.is_empty()
}

/// The name of the pair at a position.
fn name_of<'t>(list: &[Pair], text: &'t [u8], at: u32) -> &'t [u8] {
    let pair = list.get(at as usize);
    pair.and_then(|pair| text.get(pair.name.clone())).unwrap_or_default()
}

/// The order of two pairs: by name, then by position.
///
/// Not inlined: within the sort it makes the largest function of the module, and compiling the largest functions is what
/// Envoy needs most memory for.
#[inline(never)]
fn order(list: &[Pair], text: &[u8], a: u32, b: u32) -> Ordering {
    name_of(list, text, a).cmp(name_of(list, text, b)).then(a.cmp(&b))
}
