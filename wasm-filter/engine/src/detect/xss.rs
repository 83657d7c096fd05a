//! Detector of cross-site scripting.
//!
//! A value is dangerous when, shown somewhere in a page, it runs script: as markup, by leaving the attribute or string
//! it was put into, or as a link. The detector reads it from every context it could land in with tolerant tokenisers,
//! and reports what can run script, not what looks like a known payload. Bare markup is not a sign.
//!
//! How much a capability says depends on the text around it (see [`survey`]): alone it is an attack, in a question an
//! example, in a document normal.

mod attribute;
mod breakout;
mod css;
mod element;
mod entity;
mod event;
mod html;
mod javascript;
mod script;
mod stamp;
mod survey;
mod text;
mod url;

use self::{
    element::Judge,
    html::Tags,
    survey::{Fences, Setting},
};
use super::{Fuel, Signs, Value};
use crate::prefilter::{Classes, byte, pair};

pub use self::stamp::STAMPS;

/// Longest `data:` URL taken for a link rather than for a file, in bytes.
const MAX_LINK_BYTES: usize = 512;

/// Memory reused between values.
#[derive(Debug, Default)]
pub struct Scratch {
    decoded: Vec<u8>,
    plain: Vec<u8>,
}

/// Whether a value of these classes can carry a sign. Never false for a value on which [`scan`] reports.
pub fn may_match(classes: &Classes) -> bool {
    // Markup: `<` and a name, perhaps with NUL bytes before it.
    classes.any_pair(pair::TAG_OPEN)
        || classes.all_bytes(byte::LESS | byte::NUL)
        // Everything else needs a call, an index, a template or an assignment.
        || classes.any_byte(byte::PAREN_OPEN | byte::BACKTICK | byte::BRACKET)
        || (classes.any_byte(byte::EQUALS) && classes.any_byte(byte::LOWER | byte::UPPER | byte::HIGH))
}

/// Looks for signs of cross-site scripting in one value.
pub fn scan(value: &Value<'_>, scratch: &mut Scratch, fuel: &mut Fuel, signs: &mut Signs) {
    let text = value.bytes;
    if !fuel.spend(text.len() as u64 * 2) {
        return;
    }
    let setting = survey::setting(text, value.place);
    scan_markup(text, setting, scratch, fuel, signs);
    if setting != Setting::Document {
        scan_script(text, setting, fuel, signs);
    }
    if let Some(span) = breakout::letterless_script(text) {
        signs.push(&stamp::LETTERLESS_SCRIPT, span);
    }
}

/// Reads tags, and attributes from the contexts inside a tag.
#[inline(never)]
fn scan_markup(text: &[u8], setting: Setting, scratch: &mut Scratch, fuel: &mut Fuel, signs: &mut Signs) {
    let mut judge = Judge {
        text,
        setting,
        decoded: &mut scratch.decoded,
        plain: &mut scratch.plain,
        signs,
        found: None,
        content_end: 0,
        is_ordinary: false,
    };
    let mut fences = Fences::default();
    let mut first_tag = None;
    for tag in Tags::new(text) {
        if setting == Setting::Document
            && (fences.contain(text, tag.start) || survey::is_inline_code(text, &(tag.start..tag.start)))
        {
            continue;
        }
        first_tag.get_or_insert(tag.start);
        let length = judge.tag(&tag) - tag.start;
        if !fuel.spend(length as u64) {
            break;
        }
    }
    if let Some(found) = judge.found.clone() {
        if setting == Setting::Fragment && !judge.is_ordinary {
            judge.signs.push(&stamp::WHOLE_VALUE, found.clone());
        }
        let first = first_tag.unwrap_or(found.start);
        if let Some(span) = breakout::leaves_before(text, first) {
            judge.signs.push(&stamp::BREAK_OUT, span);
        }
    } else if setting != Setting::Document && memchr::memchr(b'=', text).is_some() {
        let head = text.get(..text.len().min(256)).unwrap_or_default();
        let quotes = [b'"', b'\'', b'`'].map(|quote| memchr::memchr(quote, head).map(|i| i + 1));
        for from in quotes.into_iter().flatten() {
            if judge.attributes_from(from, setting == Setting::Prose) {
                return;
            }
        }
        if setting == Setting::Fragment {
            judge.attributes_from(0, true);
        }
    }
}

/// Reads the value as script, as a template and as a link.
#[inline(never)]
fn scan_script(text: &[u8], setting: Setting, fuel: &mut Fuel, signs: &mut Signs) {
    if !breakout::may_be_code(text) || !fuel.spend(text.len() as u64 * 16) {
        return;
    }
    if let Some(span) = breakout::template_script(text) {
        signs.push(&stamp::TEMPLATE_SCRIPT, span);
    }
    if let Some(span) = breakout::foreign_charset(text) {
        signs.push(&stamp::FOREIGN_CHARSET, span);
    }
    if setting != Setting::Fragment {
        return;
    }
    if let Some(span) = breakout::metacharacter_probe(text) {
        signs.push(&stamp::METACHARACTER_PROBE, span);
    }
    if let Some(span) = breakout::string_break_out(text).or_else(|| breakout::script_tail(text)) {
        signs.push(&stamp::STRING_BREAK_OUT, span);
    } else if let Some(span) = breakout::whole_expression(text) {
        signs.push(&stamp::SCRIPT_EXPRESSION, span);
    }
    if let Some(span) = breakout::script_link(text) {
        signs.push(&stamp::SCRIPT_LINK, span);
    } else if url::read(text).is_some_and(|reading| match reading.danger {
        url::Danger::Script => true,
        // An upload may come as a `data:` URL; a link that is meant to be followed is short.
        url::Danger::Document => text.len() <= MAX_LINK_BYTES,
        _ => false,
    }) {
        signs.push(&stamp::SCRIPT_LINK, 0..text.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::{Place, THRESHOLD};
    use waf_policy::AttackType;

    /// Scans with fuel for a long value and returns the weight and the fuel spent.
    fn weigh(bytes: &[u8], place: Place) -> (u32, u64) {
        let mut signs = Signs::default();
        let allowance = 1 << 32;
        let mut fuel = Fuel::new(allowance);
        scan(&Value { bytes, place }, &mut Scratch::default(), &mut fuel, &mut signs);
        for sign in signs.iter() {
            assert!(
                sign.span.start <= sign.span.end && sign.span.end <= bytes.len(),
                "{sign:?}"
            );
        }
        (signs.weight(AttackType::Xss), allowance - fuel.0)
    }

    #[test]
    fn stamps_are_numbered_once() {
        assert!(STAMPS.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert!(STAMPS.iter().all(|stamp| stamp.id / 1000 == 1));
    }

    /// Pieces that come together to something like markup or script.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "<",
                ">",
                "</",
                "<script",
                "<svg",
                "<img",
                " src=",
                " onload=",
                "/onerror=",
                "javascript:",
                "alert(1)",
                "'",
                "\"",
                "`",
                "\\",
                "(",
                ")",
                "[",
                "]",
                "{{",
                "}}",
                "${",
                "=",
                ";",
                "//",
                "/*",
                "<!--",
                "&#x61;",
                "&colon;",
                "\0",
                "\t",
                "\u{ff1c}",
                "expression(",
                "style=",
                "constructor",
                "\\u0061",
                "```",
                "\n",
                "ADw-",
                " words in a row here",
                "data:text/html,",
                "]]>",
                "=>",
            ])
            .prop_map(|piece| piece.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_value_is_survived_and_the_prefilter_lets_signs_through(value in hostile()) {
            for place in [Place::Query, Place::Body, Place::Uri] {
                let (weight, _) = weigh(&value, place);
                prop_assert!(weight < THRESHOLD || may_match(&Classes::of(&value)));
                prop_assert!(weight == 0 || may_match(&Classes::of(&value)));
            }
        }
    }
}
