//! The first opinion by itself: sequences of tokens, without asking whether they parse.
//!
//! Wallarm judges SQL injection twice, by signatures of tokens and then by a grammar that must agree (its documentation
//! calls that *libdetection* and lets it be switched off). Our grammar subsumes the signatures, so these sequences speak
//! only where the second opinion is not wanted: `1' UNION SELECT` is then a hit although nothing could come of it. They
//! cost false positives, which is why the second opinion is the default.

use super::{
    Fuel, MAX_QUOTES, Place, Signs, Value,
    keywords::Word,
    lexer::{Kind, Lexer},
    stamps,
};

/// Most tokens looked at after a break-out.
const MAX_TOKENS: usize = 8;

/// Looks for sequences of tokens that begin after a number at the start or after one of the first quotes.
pub fn scan(value: &Value<'_>, fuel: &mut Fuel, signs: &mut Signs) {
    if value.place == Place::File {
        return;
    }
    let bytes = value.bytes;
    let quotes = [b'\'', b'"', b'`']
        .into_iter()
        .flat_map(|quote| memchr::memchr_iter(quote, bytes).take(MAX_QUOTES).map(|at| at + 1));
    let number = bytes.first().is_some_and(u8::is_ascii_digit).then_some(0);
    for start in number.into_iter().chain(quotes) {
        let mut lexer = Lexer::new(bytes, start);
        let mut tokens = [Kind::End; MAX_TOKENS];
        let mut end = start;
        for slot in &mut tokens {
            let token = lexer.next_token();
            *slot = token.kind;
            end = token.end;
        }
        if is_injection(&tokens) {
            signs.push(&stamps::SEQUENCE, start.saturating_sub(1)..end);
            return;
        }
        if !fuel.spend((end - start) as u64) {
            return;
        }
    }
}

/// Whether tokens after a break-out read like the beginning of an injection.
fn is_injection(tokens: &[Kind]) -> bool {
    let rest = match tokens {
        [Kind::Number { .. }, rest @ ..] => rest,
        _ => tokens,
    };
    let n_closed = rest.iter().take_while(|kind| **kind == Kind::Close).count();
    match rest.get(n_closed..).unwrap_or_default() {
        [
            Kind::Word(Word::Union),
            Kind::Word(Word::All | Word::Distinct),
            rest @ ..,
        ]
        | [Kind::Word(Word::Union), rest @ ..] => {
            let n_open = rest.iter().take_while(|kind| **kind == Kind::Open).count();
            rest.get(n_open) == Some(&Kind::Word(Word::Select))
        }
        [
            Kind::Word(Word::Order | Word::Group),
            Kind::Word(Word::By),
            Kind::Number { .. },
            ..,
        ] => true,
        [
            Kind::Word(Word::Or | Word::And) | Kind::Bars | Kind::Ampersands,
            rest @ ..,
        ] => {
            let n_before = rest
                .iter()
                .take_while(|kind| matches!(kind, Kind::Open | Kind::Word(Word::Not)))
                .count();
            matches!(
                rest.get(n_before..),
                Some([
                    Kind::Number { .. } | Kind::Str { .. } | Kind::Name | Kind::Quoted | Kind::Variable | Kind::System,
                    Kind::Compare | Kind::DoubleEquals | Kind::Word(Word::Like | Word::In | Word::Between | Word::Is),
                    ..
                ])
            )
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found(bytes: &str) -> bool {
        let mut signs = Signs::default();
        let value = Value {
            bytes: bytes.as_bytes(),
            place: Place::Query,
        };
        scan(&value, &mut Fuel::new(1000), &mut signs);
        signs.iter().next().is_some()
    }

    #[test]
    fn sequences_need_no_whole_query() {
        for value in [
            "1' UNION SELECT",
            "1 union all select",
            "x') union/**/select",
            "1' or 1=",
            "a\" and not b like",
            "1) order by 9 nonsense",
        ] {
            assert!(is_found(value), "{value}");
        }
    }

    #[test]
    fn words_alone_are_none() {
        for value in [
            "",
            "O'Brien and sons",
            "union select",
            "rock 'n' roll or jazz",
            "select a union",
            "1 or 2",
            "it's in order by now",
        ] {
            assert!(!is_found(value), "{value}");
        }
    }
}
