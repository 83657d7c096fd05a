//! Detector of server-side template injection, and of client-side templates that break out into script.
//!
//! Placeholders are everywhere: `{{ user.name }}`, `${name}`, `{% if x %}`. A sign is an expression that only an
//! attacker has reason to send: one that computes with literals alone to see whether anybody computes, or one that
//! walks from a harmless object to its class and on to commands, files or settings. Templates as such stay clean, and
//! so do texts that talk about them.

mod expression;
mod names;
mod probe;

use std::ops::Range;

use self::{expression::Kind, names::Reach};
use super::{Fuel, Place, Signs, Stamp, Value};
use crate::prefilter::{Classes, byte};

stamps! {
    Ssti {
        PROBE 27001 "template-probe" 100
            "A template expression computes with literals alone, which only shows whether templates are evaluated.";
        WALK 27002 "template-walk" 100
            "A template expression walks from an object to its class, its module or the system.";
        DISCLOSURE 27003 "template-disclosure" 100
            "A template expression asks for settings or the inner state of the template engine.";
        DIRECTIVE 27004 "template-directive" 100
            "The value is a template directive that assigns a variable or runs code.";
        POLYGLOT 27005 "template-polyglot" 100
            "The value opens templates of several languages at once, to provoke an error.";
    }
}

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    classes.any_byte(byte::BRACE_OPEN)
        || classes.all_bytes(byte::LESS | byte::PERCENT)
        || classes.all_bytes(byte::LESS | byte::HASH)
        || classes.all_bytes(byte::HASH | byte::PAREN_OPEN)
        || classes.all_bytes(byte::AT | byte::PAREN_OPEN)
}

/// Looks for signs of template injection in one value.
pub fn scan(value: &Value<'_>, fuel: &mut Fuel, signs: &mut Signs) {
    // The parts of a target are judged one by one; an uploaded file may well be a template.
    if matches!(value.place, Place::Uri | Place::File) || !fuel.spend(2 * value.bytes.len() as u64) {
        return;
    }
    let mut found: Option<(&'static Stamp, Reach, Range<usize>)> = None;
    expression::each(value.bytes, |kind, whole, body| {
        if found.as_ref().is_some_and(|(_, reach, _)| *reach == Reach::System) {
            return;
        }
        let text = value.bytes.get(body).unwrap_or_default();
        let is_tex = kind == Kind::Dollar && value.bytes.get(whole.end) == Some(&b'$');
        if let Some(reach) = names::reach(kind, text) {
            let stamp = if reach == Reach::System { &WALK } else { &DISCLOSURE };
            found = Some((stamp, reach, whole));
        } else if found.is_none() && !is_tex && probe::is_probe(kind, text) {
            found = Some((&PROBE, Reach::State, whole));
        }
    });
    if found.is_none() {
        found = directive(value.bytes).map(|(stamp, span)| (stamp, Reach::State, span));
    }
    if let Some((stamp, reach, span)) = found
        && !is_talk(value, reach, &span)
    {
        signs.push(stamp, span);
    }
}

/// Directives that are not closed by a bracket of their own, and the one text that tries every syntax.
fn directive(bytes: &[u8]) -> Option<(&'static Stamp, Range<usize>)> {
    const OPENERS: &[(&[u8], &Stamp)] = &[
        (b"#set($", &DIRECTIVE),
        (b"#set ($", &DIRECTIVE),
        (b"#evaluate(", &DIRECTIVE),
        (b"<#assign ", &DIRECTIVE),
        (b"{php}", &DIRECTIVE),
        (b"${{<%[%", &POLYGLOT),
    ];
    OPENERS.iter().find_map(|(opener, stamp)| {
        let at = memchr::memmem::find(bytes, opener)?;
        // All that follows belongs to the template.
        Some((*stamp, at..bytes.len()))
    })
}

/// Words beside an expression from which on a value is read as prose or code about templates.
const PROSE_WORDS: usize = 4;

/// Words beside an expression that make even a dangerous one an example in a text.
const DOCUMENT_WORDS: usize = 40;

/// Whether a value talks about templates rather than being one that attacks.
fn is_talk(value: &Value<'_>, reach: Reach, span: &Range<usize>) -> bool {
    let before = value.bytes.get(..span.start).unwrap_or_default();
    let after = value.bytes.get(span.end..).unwrap_or_default();
    let limit = DOCUMENT_WORDS;
    let n_words = n_words(before, limit) + n_words(after, limit);
    let is_content = matches!(value.place, Place::Body | Place::RawBody);
    // Code spans of Markdown and template literals of JavaScript.
    let has_code_mark = memchr::memchr(b'`', before).is_some() && memchr::memchr(b'`', after).is_some();
    let n_lines = memchr::memchr_iter(b'\n', value.bytes).take(4).count();
    match reach {
        Reach::System => is_content && (n_words >= limit || n_lines > 3 || (has_code_mark && n_words > 2)),
        Reach::State => n_words >= PROSE_WORDS || has_code_mark || (is_content && n_lines > 1),
    }
}

/// Counts words of two letters and more, up to a limit.
fn n_words(bytes: &[u8], limit: usize) -> usize {
    bytes
        .split(|b| !b.is_ascii_alphabetic())
        .filter(|word| word.len() > 1)
        .take(limit)
        .count()
}

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::detect::{THRESHOLD, checked_weight};
    use proptest::prelude::*;

    fn weight(place: Place, value: &[u8]) -> u32 {
        checked_weight(AttackType::Ssti, &Value { bytes: value, place }, may_match, scan)
    }

    #[test]
    fn probes_are_found_and_placeholders_are_not() {
        for value in [
            "{{7*7}}",
            "${ 3 + 4 }",
            "<%= 6*7 %>",
            "Hi {{ 9*'9' }}",
            "${{5*5}}",
            "@(1+2)",
        ] {
            assert!(weight(Place::Query, value.as_bytes()) >= THRESHOLD, "{value}");
            assert!(weight(Place::Body, value.as_bytes()) >= THRESHOLD, "{value}");
        }
        for value in [
            "{{name}}",
            "${a}",
            "{{2024-01-01}}",
            "${3*4}$",
            "${{ github.ref }}",
            "{{",
            "${",
            "{7,9}",
        ] {
            assert_eq!(weight(Place::Query, value.as_bytes()), 0, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            weight(Place::Query, &bytes);
        }

        #[test]
        fn prefilter_agrees(value in "(\\{|\\}|\\$|#|%|@|\\(|\\)|<|>|7\\*7|'|`|\\.| |\\n|__class__|config\\.items\\(\\)|set|php|[a-z]{1,3}){0,14}") {
            for place in [Place::Query, Place::Body, Place::Name, Place::Uri] {
                weight(place, value.as_bytes());
            }
        }
    }
}
