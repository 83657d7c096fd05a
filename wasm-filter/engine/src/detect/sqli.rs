//! Detector of SQL injection.
//!
//! A value is dangerous when it leaves its place in a query and goes on as SQL. So the detector asks, for each place
//! that a value can have in a query, whether what follows *parses*: as it is, where a number or a whole statement is
//! expected; after its first word; and after each of its first quotes, where it would end a literal. `1' UNION SELECT`
//! is half a query in every one of them and means nothing; `1' UNION SELECT password FROM users--` parses after the
//! quote. The files read in order of work: `lexer` makes tokens; `walk` is the grammar, one file per part of the
//! language, and collects `facts`; `judge` weighs them.
//!
//! It holds no list of payloads. Prose and source code stay clean because they stop parsing within a few words.

mod keywords;
mod lexer;
mod names;

mod clauses;
mod conditions;
mod frame;
mod nesting;
mod operands;
mod operators;
mod statements;
mod walk;

mod facts;
mod judge;
mod stamps;

pub mod sequences;

#[cfg(test)]
mod tests;

use self::{
    frame::Frame,
    judge::{Origin, judge},
    walk::{Ending, Lead, walk},
};
use super::{Fuel, Place, Signs, Stamp, THRESHOLD, Value};
use crate::prefilter::{Classes, byte, pair, word};

pub use self::stamps::STAMPS;

/// Places after quotes that are tried, per kind of quote.
const MAX_QUOTES: usize = 8;

/// Memory reused between values.
#[derive(Debug, Default)]
pub struct Scratch {
    frames: Vec<Frame>,
}

/// Whether a value of these classes can be an injection: it has a word of SQL, a call or an operator of SQL's own, or a
/// quote with an operator or a blank after it.
pub fn may_match(classes: &Classes) -> bool {
    let has_sql = classes.any_word(word::SQL_LINK | word::SQL_QUERY | word::SQL_FUNCTION)
        || classes
            .any_pair(pair::PIPE_PIPE | pair::AMPERSAND_AMPERSAND | pair::AT_AT | pair::CALL | pair::COMMENT_OPEN);
    let has_quote = classes.any_byte(byte::SINGLE_QUOTE | byte::DOUBLE_QUOTE | byte::BACKTICK);
    let breaks_out = classes.any_pair(pair::QUOTE_OPERATOR | pair::QUOTE_SPACE)
        || classes.any_byte(byte::NUL | byte::CONTROL | byte::HIGH);
    has_sql || (has_quote && breaks_out)
}

/// Looks for signs of SQL injection in one value.
pub fn scan(value: &Value<'_>, scratch: &mut Scratch, fuel: &mut Fuel, signs: &mut Signs) {
    // Files are stored, not put into queries.
    if value.place == Place::File {
        return;
    }
    let bytes = value.bytes;
    let mut origin = Origin {
        value: bytes,
        lead: Lead::Bare,
        quote: 0,
        start: 0,
        is_later: false,
    };
    let mut attempt = |origin: &Origin<'_>| {
        let outcome = walk(bytes, origin.start, origin.lead, &mut scratch.frames, fuel);
        judge(origin, &outcome, signs) || outcome.ending == Ending::OutOfFuel
    };
    if attempt(&origin) {
        return;
    }
    if let Some(start) = end_of_first_word(bytes) {
        origin = Origin {
            lead: Lead::Opaque,
            start,
            ..origin
        };
        if attempt(&origin) {
            return;
        }
    }
    for quote in [b'\'', b'"', b'`'] {
        for (n, at) in memchr::memchr_iter(quote, bytes).take(MAX_QUOTES).enumerate() {
            origin = Origin {
                value: bytes,
                lead: Lead::Literal,
                quote,
                start: at + 1,
                is_later: n > 0,
            };
            if attempt(&origin) {
                return;
            }
        }
    }
}

/// Where the first word ends, when something follows it.
fn end_of_first_word(bytes: &[u8]) -> Option<usize> {
    let start = bytes.iter().position(|b| !b.is_ascii_whitespace())?;
    let tail = bytes.get(start..)?;
    let n = tail
        .iter()
        .take(64)
        .position(|&b| b <= b' ' || matches!(b, b'\'' | b'"' | b')' | b'(' | b';' | b'/' | b'|' | b'&'))?;
    (n > 0).then_some(start + n)
}
