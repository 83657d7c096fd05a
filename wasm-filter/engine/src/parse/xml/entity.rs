//! References in text and attributes: characters, predefined entities and those that the document declares (XML 1.0
//! section 4.4).

use std::ops::Range;

use crate::decode::push_char;

/// Entities remembered per document. A hundred letters of a document's own are too many already.
const MAX_ENTITIES: usize = 64;

/// Entities within entities that are followed.
const MAX_NESTING: usize = 16;

/// Longest name of an entity that is looked up.
const MAX_NAME_BYTES: usize = 64;

/// Declared entities and how much they may still grow to.
#[derive(Debug, Default)]
pub(super) struct Entities {
    /// Names, as ranges of the document, and replacement texts, as ranges of `literals`.
    list: Vec<(Range<usize>, Range<usize>)>,
    literals: Vec<u8>,
    budget: usize,
    n_expanded_bytes: usize,
    is_overgrown: bool,
}

impl Entities {
    pub(super) fn clear(&mut self, max_expanded_bytes: usize) {
        self.list.clear();
        self.literals.clear();
        self.literals.shrink_to(super::MAX_KEPT_BYTES);
        self.budget = max_expanded_bytes;
        self.n_expanded_bytes = 0;
        self.is_overgrown = false;
    }

    pub(super) fn is_overgrown(&self) -> bool {
        self.is_overgrown
    }

    pub(super) fn n_expanded_bytes(&self) -> usize {
        self.n_expanded_bytes
    }

    /// Remembers an entity; its replacement text, in which character references are resolved and no others. The first
    /// declaration of a name binds (section 4.2).
    pub(super) fn declare(&mut self, input: &[u8], name: Range<usize>, literal: Range<usize>) -> &[u8] {
        let start = self.literals.len();
        let literal = input.get(literal).unwrap_or_default();
        if self.list.len() >= MAX_ENTITIES || !self.pay(literal.len()) {
            self.is_overgrown = true;
            return &[];
        }
        let mut rest = literal;
        while let Some(at) = memchr::memchr(b'&', rest) {
            let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.literals.extend_from_slice(plain);
            let n_read = character(tail, &mut self.literals);
            if n_read == 0 {
                self.literals.push(b'&');
            }
            rest = tail.get(n_read.max(1)..).unwrap_or_default();
        }
        self.literals.extend_from_slice(rest);
        let replacement = start..self.literals.len();
        let known = input.get(name.clone());
        if !self.list.iter().any(|(other, _)| input.get(other.clone()) == known) {
            self.list.push((name, replacement.clone()));
        }
        self.literals.get(replacement).unwrap_or_default()
    }

    /// Appends a piece of the document with every reference resolved. Unknown references stay as they are.
    pub(super) fn resolve(&mut self, input: &[u8], piece: &[u8], out: &mut Vec<u8>) {
        // Taken out for as long as it is read from.
        let literals = std::mem::take(&mut self.literals);
        self.expand(input, &literals, piece, 0, out);
        self.literals = literals;
    }

    fn expand(&mut self, input: &[u8], literals: &[u8], piece: &[u8], depth: usize, out: &mut Vec<u8>) {
        if !self.pay(piece.len()) {
            return;
        }
        let mut rest = piece;
        while let Some(at) = memchr::memchr(b'&', rest) {
            let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            out.extend_from_slice(plain);
            let n_character = character(tail, out);
            if n_character > 0 {
                rest = tail.get(n_character..).unwrap_or_default();
                continue;
            }
            let name_length = tail.iter().take(MAX_NAME_BYTES).position(|b| *b == b';').unwrap_or(0);
            let name = tail.get(1..name_length).unwrap_or_default();
            let declared = self
                .list
                .iter()
                .find(|(known, _)| input.get(known.clone()) == Some(name));
            match (declared.map(|(_, replacement)| replacement.clone()), predefined(name)) {
                (Some(replacement), _) if depth < MAX_NESTING => {
                    let replacement = literals.get(replacement).unwrap_or_default();
                    self.expand(input, literals, replacement, depth + 1, out);
                }
                (Some(_), _) => self.is_overgrown = true,
                (None, Some(b)) => out.push(b),
                (None, None) => {
                    out.push(b'&');
                    rest = tail.get(1..).unwrap_or_default();
                    continue;
                }
            }
            rest = tail.get(name_length + 1..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }

    /// Pays for bytes that are copied. False when the document has used up what entities may grow to.
    fn pay(&mut self, n_bytes: usize) -> bool {
        // Empty entities take time as well.
        match self.budget.checked_sub(n_bytes + 1) {
            Some(left) => {
                self.budget = left;
                self.n_expanded_bytes += n_bytes;
                true
            }
            None => {
                self.is_overgrown = true;
                false
            }
        }
    }
}

/// Decodes a character reference at the start (section 4.1); how many bytes it takes, 0 for none.
fn character(tail: &[u8], out: &mut Vec<u8>) -> usize {
    let (digits, radix, n_before) = match tail {
        [b'&', b'#', b'x' | b'X', digits @ ..] => (digits, 16, 3),
        [b'&', b'#', digits @ ..] => (digits, 10, 2),
        _ => return 0,
    };
    let n_digits = digits
        .iter()
        .take(MAX_NAME_BYTES)
        .take_while(|b| (**b as char).is_digit(radix))
        .count();
    if n_digits == 0 || digits.get(n_digits) != Some(&b';') {
        return 0;
    }
    let code = digits.iter().take(n_digits).fold(0u32, |code, b| {
        let digit = (*b as char).to_digit(radix).unwrap_or(0);
        code.saturating_mul(radix).saturating_add(digit)
    });
    push_char(out, code);
    n_before + n_digits + 1
}

/// The character of a predefined entity (section 4.6).
fn predefined(name: &[u8]) -> Option<u8> {
    Some(match name {
        b"lt" => b'<',
        b"gt" => b'>',
        b"amp" => b'&',
        b"apos" => b'\'',
        b"quot" => b'"',
        _ => return None,
    })
}
