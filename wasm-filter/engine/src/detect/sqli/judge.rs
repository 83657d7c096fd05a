//! Weighs what a walk found against where it began and how it ended.

use std::ops::Range;

use super::{
    Signs, Stamp, THRESHOLD,
    facts::Fact,
    frame::Class,
    keywords, stamps,
    walk::{Ending, Lead, Outcome},
};

/// Most bytes looked at to tell prose.
const MAX_PROSE_BYTES: usize = 256;

/// Where a walk began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    /// The whole value.
    pub(super) value: &'a [u8],
    /// What stands before the walk.
    pub(super) lead: Lead,
    /// The quote that was taken to end the literal; 0 without one.
    pub(super) quote: u8,
    /// The first byte of the walk.
    pub(super) start: usize,
    /// Whether the same quote occurs before.
    pub(super) is_later: bool,
}

/// The stamps that a walk earns, as far as they are pushed at all.
struct Earned {
    stamps: [Option<(&'static Stamp, Range<usize>)>; MAX_STAMPS],
    weight: u32,
}

const MAX_STAMPS: usize = Fact::ALL.len() + 7;

impl Earned {
    fn add(&mut self, stamp: &'static Stamp, span: Range<usize>) {
        if let Some(slot) = self.stamps.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some((stamp, span));
            self.weight += stamp.weight;
        }
    }
}

/// Pushes the stamps of a walk when they amount to an injection; whether they do.
pub(super) fn judge(origin: &Origin<'_>, outcome: &Outcome, signs: &mut Signs) -> bool {
    // PERF: most walks find nothing; without facts only a truncation can be left.
    if outcome.facts.is_empty() && !is_truncation(origin, outcome) {
        return false;
    }
    let mut earned = Earned {
        stamps: [const { None }; MAX_STAMPS],
        weight: 0,
    };
    if is_truncation(origin, outcome) {
        earned.add(&stamps::TRUNCATION, origin.start.saturating_sub(1)..outcome.stop + 2);
    }
    for &fact in Fact::ALL {
        if outcome.facts.has(fact) && counts(origin, outcome, fact) {
            earned.add(stamps::of(fact), outcome.facts.span(fact));
        }
    }
    if earned.weight == 0 {
        return false;
    }
    let is_whole = !matches!(outcome.ending, Ending::Incomplete | Ending::Broken | Ending::OutOfFuel);
    if is_whole {
        let links_more = Fact::ALL.iter().any(|&fact| {
            outcome.facts.has(fact)
                && !matches!(
                    fact,
                    Fact::ConstantTerm | Fact::Bars | Fact::Text | Fact::Server | Fact::SubselectConstant
                )
        });
        match origin.lead {
            Lead::Literal => earned.add(&stamps::BREAK_OUT, origin.start.saturating_sub(1)..origin.start),
            Lead::Bare if matches!(outcome.first, Class::Constant | Class::Settled) && links_more => {
                earned.add(&stamps::NUMBER_LEAD, 0..outcome.stop);
            }
            Lead::Bare if continues_condition(origin.value) => earned.add(&stamps::CONTINUATION, 0..outcome.stop),
            Lead::Opaque if begins_as_number(origin.value) && links_more => {
                earned.add(&stamps::NUMBER_LEAD, 0..outcome.stop);
            }
            _ => {}
        }
        if outcome.facts.has(Fact::StatementNames) && origin.value.trim_ascii_end().ends_with(b";") {
            earned.add(
                &stamps::SEMICOLON_END,
                origin.value.trim_ascii_end().len() - 1..origin.value.len(),
            );
        }
        if outcome.ending == Ending::Comment && hides_nothing_else(origin, outcome) {
            earned.add(&stamps::COMMENT_END, outcome.stop..outcome.stop + 2);
        }
    }
    if outcome.obfuscated && !origin.value.contains(&b'\n') {
        earned.add(&stamps::OBFUSCATION, origin.start..outcome.stop);
    }
    let tail = origin.value.get(outcome.stop..).unwrap_or_default();
    let is_proof = match (is_whole, origin.lead) {
        (true, _) => earned.weight >= THRESHOLD,
        // `-5 union select 1,2,login from users/`: cut or spoilt, but past what a number may be followed by.
        (false, Lead::Bare | Lead::Opaque)
            if outcome.facts.has(Fact::Union) && begins_as_number(origin.value) && !is_prose(tail) =>
        {
            earned.weight >= THRESHOLD
        }
        // `select * from t; …`: the first statement is complete.
        (false, Lead::Bare)
            if outcome.facts.has(Fact::Statement)
                && origin.value.get(outcome.facts.span(Fact::Statement).end) == Some(&b';')
                && !is_prose(tail) =>
        {
            earned.weight >= THRESHOLD
        }
        // Broken off right away in prose or code: only much evidence outweighs that.
        (false, Lead::Literal) if !origin.is_later && !is_prose(tail) => earned.weight >= THRESHOLD,
        (false, _) if outcome.ending == Ending::Incomplete => earned.weight * 2 >= THRESHOLD * 3,
        (false, _) => earned.weight >= THRESHOLD * 2,
    };
    if is_proof {
        for (stamp, span) in earned.stamps.into_iter().flatten() {
            let end = span.end.min(origin.value.len());
            signs.push(stamp, span.start.min(end)..end);
        }
    }
    is_proof
}

/// Whether a fact counts, given where the walk began.
fn counts(origin: &Origin<'_>, outcome: &Outcome, fact: Fact) -> bool {
    let prefix = origin.value.get(..origin.start.saturating_sub(1)).unwrap_or_default();
    let last = origin.value.get(outcome.last.clone()).unwrap_or_default();
    let is_literal = origin.lead == Lead::Literal;
    match fact {
        Fact::Algebra => {
            is_literal
                && !origin.is_later
                && origin.quote == b'\''
                && match outcome.ending {
                    Ending::Literal => {
                        (prefix.trim_ascii().is_empty() && last.iter().all(u8::is_ascii_digit))
                            || (prefix.trim_ascii().is_empty() && last.trim_ascii().is_empty())
                            || (is_word(prefix.trim_ascii_start()) && is_word(last))
                    }
                    Ending::Comment => {
                        (prefix.is_empty() || is_word(prefix.trim_ascii_start())) && hides_nothing_else(origin, outcome)
                    }
                    _ => false,
                }
        }
        Fact::ConstantTerm if is_literal => {
            !origin.is_later
                && (prefix.is_empty() || is_word(prefix.trim_ascii_start()))
                && match outcome.ending {
                    Ending::Complete => !prefix.last().is_some_and(u8::is_ascii_digit),
                    Ending::Literal => last.iter().all(|b| b.is_ascii_digit() || b.is_ascii_whitespace()),
                    _ => true,
                }
        }
        // `the teachers' union select members from …`
        Fact::UnionNames
            if is_literal && outcome.ending == Ending::Complete && prefix.iter().any(u8::is_ascii_alphabetic) =>
        {
            false
        }
        Fact::Comparison
        | Fact::NamesComparison
        | Fact::StackedNames
        | Fact::OrderPosition
        | Fact::Bars
        | Fact::SubselectConstant
        | Fact::UnionNames
        | Fact::Grouping => !(is_literal && origin.is_later),
        _ => true,
    }
}

/// `admin'--`: nothing but closing marks between the quote and a comment that hides nothing of the value's own.
fn is_truncation(origin: &Origin<'_>, outcome: &Outcome) -> bool {
    if origin.lead != Lead::Literal || origin.is_later || outcome.ending != Ending::Comment {
        return false;
    }
    // `', 1)#` completes the values of an insert.
    if !outcome.is_empty && outcome.n_closed == 0 {
        return false;
    }
    let prefix = origin.value.get(..origin.start.saturating_sub(1)).unwrap_or_default();
    let is_hash = origin.value.get(outcome.stop) == Some(&b'#');
    (is_word(prefix) || (prefix.is_empty() && !(is_hash && origin.quote == b'"')))
        && hides_nothing_else(origin, outcome)
}

/// Whether a comment at the end is there for the application's query, not for readers.
fn hides_nothing_else(origin: &Origin<'_>, outcome: &Outcome) -> bool {
    let comment = origin.value.get(outcome.stop..).unwrap_or_default();
    match comment {
        [b'-', b'-', tail @ ..] => {
            let tail = tail.trim_ascii();
            tail.len() <= 2 || matches!(tail.first(), Some(b'\'' | b'"' | b'-' | b')' | b';'))
        }
        [b'#', tail @ ..] | [b'/', b'*', tail @ ..] => tail.trim_ascii().is_empty(),
        _ => true,
    }
}

/// Whether a value begins with a connective, so that it continues a condition of the application's.
fn continues_condition(value: &[u8]) -> bool {
    let value = value.trim_ascii_start();
    let n = value.iter().take(4).take_while(|b| b.is_ascii_alphabetic()).count();
    value
        .get(..n)
        .is_some_and(|word| matches!(keywords::word(word), Some(keywords::Word::Or | keywords::Word::And)))
}

/// Whether a value begins as a number or a variable does.
fn begins_as_number(value: &[u8]) -> bool {
    matches!(value.trim_ascii_start().first(), Some(b'-' | b'.' | b'@' | b'0'..=b'9'))
}

/// Whether `text` is one word such as an account name or a number.
fn is_word(text: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= 32
        && text
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'@' | b'%' | b'-' | 0x80..=0xff))
}

/// Whether `text` begins as prose does: two words that SQL does not reserve in a row.
pub(super) fn is_prose(text: &[u8]) -> bool {
    let text = text.get(..MAX_PROSE_BYTES).unwrap_or(text);
    let mut n_words = 0;
    for part in text.split(|b| b.is_ascii_whitespace()).filter(|part| !part.is_empty()) {
        let is_word = part.len() > 1
            && part
                .iter()
                .all(|&b| b.is_ascii_alphabetic() || matches!(b, b',' | b'.' | 0x80..=0xff))
            && keywords::word(part).is_none();
        n_words = if is_word { n_words + 1 } else { 0 };
        if n_words == 2 {
            return true;
        }
    }
    false
}
