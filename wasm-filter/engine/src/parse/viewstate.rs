//! View state of ASP.NET: what `LosFormatter` and `ObjectStateFormatter` write, after base64.
//!
//! Source: .NET reference source, `System.Web.UI.ObjectStateFormatter` (format version 1, markers and tokens); the
//! meaning of tokens is a fact of the format, the reader is our own.

use crate::point::{Element, Step};

/// Deepest nesting that is followed.
const MAX_NESTING: usize = 32;

/// Longest authentication code after the state, in bytes: HMAC-SHA-512.
const MAX_CODE_BYTES: usize = 64;

/// Receives the parts of a state.
pub(crate) trait Sink {
    /// A container's part begins.
    fn enter(&mut self, element: Element, step: Step<'_>);
    /// What began last ends.
    fn leave(&mut self);
    /// A string, or the name of a type.
    fn string(&mut self, value: &[u8]);
    /// A value that carries nothing, as it stands.
    fn inert(&mut self, value: &[u8]);
    /// An object in another format.
    fn object(&mut self, value: &[u8]);
    /// Whether to go on. False once a limit is reached.
    fn wants_more(&self) -> bool;
}

/// How the reading ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Everything was read, but for an authentication code.
    pub(crate) is_whole: bool,
    /// Nested deeper than is followed.
    pub(crate) is_too_deep: bool,
}

/// Whether bytes begin as a state does: the marker and version 1.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0x01])
}

/// Reads a state and pushes its parts.
pub(crate) fn parse(input: &[u8], sink: &mut impl Sink) -> Outcome {
    let mut parser = Parser {
        rest: input.get(2..).unwrap_or_default(),
        sink,
        outcome: Outcome::default(),
    };
    parser.outcome.is_whole = parser.value(0).is_some() && parser.rest.len() <= MAX_CODE_BYTES;
    parser.outcome
}

struct Parser<'i, 's, S> {
    rest: &'i [u8],
    sink: &'s mut S,
    outcome: Outcome,
}

impl<'i, S: Sink> Parser<'i, '_, S> {
    fn take(&mut self, n_bytes: usize) -> Option<&'i [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n_bytes)?;
        self.rest = rest;
        Some(taken)
    }

    /// A number in groups of seven bits, as `BinaryWriter` writes it.
    fn packed(&mut self) -> Option<usize> {
        let mut number = 0usize;
        for (at, b) in self.rest.iter().take(5).enumerate() {
            number |= usize::from(b & 0x7f).checked_shl(7 * at as u32).unwrap_or(0);
            if b & 0x80 == 0 {
                self.rest = self.rest.get(at + 1..)?;
                return Some(number);
            }
        }
        None
    }

    fn string(&mut self) -> Option<()> {
        let n_bytes = self.packed()?;
        let value = self.take(n_bytes)?;
        self.sink.string(value);
        Some(())
    }

    fn inert(&mut self, n_bytes: usize) -> Option<()> {
        let value = self.take(n_bytes)?;
        self.sink.inert(value);
        Some(())
    }

    fn packed_inert(&mut self) -> Option<()> {
        let before = self.rest;
        self.packed()?;
        let n_bytes = before.len() - self.rest.len();
        self.sink.inert(before.get(..n_bytes).unwrap_or_default());
        Some(())
    }

    /// A type, by name or by the number of an earlier one.
    fn type_reference(&mut self) -> Option<()> {
        match self.take(1)? {
            [41 | 42] => self.string(),
            [43] => self.packed().map(|_| ()),
            _ => None,
        }
    }

    /// `n` values, each below its index.
    fn items(&mut self, element: Element, n: usize, depth: usize) -> Option<()> {
        for index in 0..n {
            self.part(element, Step::Index(index as u32), depth)?;
        }
        Some(())
    }

    fn part(&mut self, element: Element, step: Step<'_>, depth: usize) -> Option<()> {
        self.sink.enter(element, step);
        self.value(depth + 1)?;
        self.sink.leave();
        Some(())
    }

    fn dictionary(&mut self, depth: usize) -> Option<()> {
        for index in 0..self.packed()? {
            let key = self.peek_string();
            match key {
                Some(key) => self.sink.enter(Element::ViewstateDict, Step::Name(key)),
                None => self.sink.enter(Element::ViewstateDict, Step::Index(index as u32)),
            }
            self.part(Element::ViewstateDictKey, Step::Only, depth)?;
            self.part(Element::ViewstateDictValue, Step::Only, depth)?;
            self.sink.leave();
        }
        Some(())
    }

    /// The string that comes next, when a string does.
    fn peek_string(&mut self) -> Option<&'i [u8]> {
        let before = self.rest;
        let string = match self.take(1) {
            Some([5 | 30]) => self.packed().and_then(|n_bytes| self.take(n_bytes)),
            _ => None,
        };
        self.rest = before;
        string
    }

    /// One value with its token.
    fn value(&mut self, depth: usize) -> Option<()> {
        if depth == MAX_NESTING {
            self.outcome.is_too_deep = true;
            return None;
        }
        if !self.sink.wants_more() {
            return None;
        }
        let token = *self.take(1)?.first()?;
        match token {
            // Int16
            1 => self.inert(2),
            // Int32, KnownColor
            2 | 10 => self.packed_inert(),
            // Byte, IndexedString
            3 | 31 => self.inert(1),
            // Char: one character of UTF-8.
            4 => {
                let n_bytes = match self.rest.first()? {
                    0x00..=0x7f => 1,
                    0x80..=0xdf => 2,
                    0xe0..=0xff => 3,
                };
                self.inert(n_bytes)
            }
            // String, IndexedStringAdd
            5 | 30 => self.string(),
            // DateTime, Double
            6 | 7 => self.inert(8),
            // Single, Color
            8 | 9 => self.inert(4),
            // IntEnum
            11 => {
                self.type_reference()?;
                self.packed_inert()
            }
            // EmptyColor, EmptyUnit, Null, EmptyString, ZeroInt32, True, False
            12 | 28 | 100..=104 => {
                self.sink.inert(&[]);
                Some(())
            }
            // Pair
            15 => self.items(Element::ViewstatePair, 2, depth),
            // Triplet
            16 => self.items(Element::ViewstateTriplet, 3, depth),
            // Array
            20 => {
                self.type_reference()?;
                let n = self.packed()?;
                self.items(Element::ViewstateArray, n, depth)
            }
            // StringArray
            21 => {
                for index in 0..self.packed()? {
                    if !self.sink.wants_more() {
                        return None;
                    }
                    self.sink.enter(Element::ViewstateArray, Step::Index(index as u32));
                    self.string()?;
                    self.sink.leave();
                }
                Some(())
            }
            // ArrayList
            22 => {
                let n = self.packed()?;
                self.items(Element::ViewstateArray, n, depth)
            }
            // Hashtable, HybridDictionary
            23 | 24 => self.dictionary(depth),
            // Type
            25 => self.type_reference(),
            // Unit: a double and a kind
            27 => self.inert(12),
            // StringFormatted: text that a converter of the type reads
            40 => {
                self.type_reference()?;
                self.string()
            }
            // BinarySerialized
            50 => {
                let n_bytes = self.packed()?;
                let object = self.take(n_bytes)?;
                self.sink.object(object);
                Some(())
            }
            // SparseArray: of a type and a length, some items with their index
            60 => {
                self.type_reference()?;
                self.packed()?;
                for _ in 0..self.packed()? {
                    let index = self.packed()?;
                    self.part(Element::ViewstateSparseArray, Step::Index(index as u32), depth)?;
                }
                Some(())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
