//! Detector of injection into queries of document databases.
//!
//! Two ways in: an operator where the application expects a plain value (`user[$ne]=`, `{"user": {"$ne": null}}`), and
//! text that leaves a string of a JavaScript expression (`$where`). Operators are judged by the name that they apply
//! to, written as forms write it: interfaces that offer queries use the same operators, but not on passwords. The
//! parser of JSON joins the names of members to that notation. Sources: MongoDB manual, query operators and `$where`;
//! CWE-943.

use std::ops::Range;

use super::{Fuel, Place, Signs, Value};
use crate::prefilter::{Classes, byte};

stamps! {
    Nosqli {
        CODE_OPERATOR 8001 "code-operator" 100
            "The name is an operator by which a document database runs code.";
        OPERATOR_ON_CREDENTIAL 8002 "operator-on-credential" 100
            "A query operator stands where a user name, password or token is expected.";
        OPERATOR 8003 "operator" 50
            "A query operator is applied to a parameter, as interfaces that offer queries do too.";
        OPERATOR_OBJECT 8004 "operator-object" 100
            "The value is a query operator in place of what it should be compared with.";
        OPERATOR_BREAK_OUT 8005 "operator-break-out" 100
            "The value ends a string or value and adds an operator to the query around it.";
        CODE_BREAK_OUT 8006 "code-break-out" 100
            "The value ends a string or number and continues with statements or fields of a database's expression.";
    }
}

/// Longest value that is looked at for text that leaves its string, in bytes. Such text is short; code is not.
const MAX_TEXT_BYTES: usize = 1024;

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    classes.any_byte(byte::DOLLAR | byte::SEMICOLON | byte::PIPE | byte::AMPERSAND)
}

/// Looks for signs of injection into queries of document databases in one value.
pub fn scan(value: &Value<'_>, fuel: &mut Fuel, signs: &mut Signs) {
    match value.place {
        Place::Name if fuel.spend(value.bytes.len() as u64) => scan_name(value.bytes, signs),
        Place::Query | Place::Body | Place::Cookie | Place::Path | Place::Header | Place::UserAgent => {
            let is_line = value.bytes.len() <= MAX_TEXT_BYTES && memchr::memchr(b'\n', value.bytes).is_none();
            if is_line && fuel.spend(2 * value.bytes.len() as u64) {
                scan_operator(value, signs);
                scan_code(value.bytes, signs);
            }
        }
        _ => {}
    }
}

// === Names ===

/// Judges the last operator of a name such as `user[$ne]`.
fn scan_name(name: &[u8], signs: &mut Signs) {
    let Some(open) = memchr::memmem::rfind(name, b"[$") else {
        return;
    };
    let (before, operator) = name.split_at(open);
    let operator = word(operator.get(2..).unwrap_or_default());
    let span = open..open + 2 + operator.len();
    if CODE_OPERATORS.contains(&operator) {
        signs.push(&CODE_OPERATOR, span);
        return;
    }
    if !OPERATORS.contains(&operator) {
        return;
    }
    let mut parts = before
        .split(|b| matches!(b, b'[' | b']' | b'.'))
        .filter(|part| !part.is_empty());
    let root = parts.next().unwrap_or_default();
    // Operators may be nested, as in `password[$not][$eq]`.
    let field = parts.rfind(|part| !part.starts_with(b"$")).unwrap_or(root);
    let offers_queries = QUERY_ROOTS.iter().any(|known| root.eq_ignore_ascii_case(known));
    if is_credential(field) && !offers_queries && COMPARISONS.contains(&operator) {
        signs.push(&OPERATOR_ON_CREDENTIAL, span);
    } else {
        signs.push(&OPERATOR, span);
    }
}

/// Operators that run JavaScript, and one that some database libraries call as a function of the host language.
const CODE_OPERATORS: &[&[u8]] = &[b"where", b"function", b"accumulator", b"func", b"eval", b"mapReduce"];

/// Operators by which a comparison is true without knowledge of the value.
const COMPARISONS: &[&[u8]] = &[
    b"ne", b"gt", b"gte", b"lt", b"lte", b"nin", b"in", b"regex", b"exists", b"not", b"type", b"size",
];

const OPERATORS: &[&[u8]] = &[
    b"eq",
    b"ne",
    b"gt",
    b"gte",
    b"lt",
    b"lte",
    b"in",
    b"nin",
    b"regex",
    b"exists",
    b"not",
    b"type",
    b"size",
    b"or",
    b"and",
    b"nor",
    b"mod",
    b"all",
    b"expr",
    b"elemMatch",
    b"options",
    b"comment",
    b"where",
    b"function",
];

/// Names under which interfaces take queries.
const QUERY_ROOTS: &[&[u8]] = &[
    b"filter",
    b"filters",
    b"where",
    b"query",
    b"q",
    b"search",
    b"criteria",
    b"selector",
    b"conditions",
    b"match",
    b"find",
    b"pipeline",
    b"aggregate",
];

/// Whether a name is one of those by which people are recognised.
fn is_credential(field: &[u8]) -> bool {
    const CREDENTIALS: &[&[u8]] = &[
        b"user",
        b"username",
        b"login",
        b"email",
        b"mail",
        b"pass",
        b"password",
        b"passwd",
        b"passphrase",
        b"pwd",
        b"pw",
        b"pin",
        b"otp",
        b"token",
        b"secret",
        b"apikey",
        b"api-key",
        b"session",
        b"sessionid",
        b"auth",
        b"account",
        b"uname",
        b"usr",
        b"userid",
        b"loginid",
        b"code",
        b"usernameoremail",
        b"newpassword",
        b"oldpassword",
        b"resettoken",
        b"accesstoken",
        b"refreshtoken",
        b"authtoken",
    ];
    // Compared without underscores: `user_name`, `reset_token`.
    let is_same = |known: &&[u8]| {
        let letters = field.iter().filter(|b| **b != b'_').map(u8::to_ascii_lowercase);
        letters.eq(known.iter().copied())
    };
    CREDENTIALS.iter().any(is_same)
}

// === Values ===

/// Looks for an operator that is the value, or that follows what ends the value.
fn scan_operator(value: &Value<'_>, signs: &mut Signs) {
    let text = value.bytes;
    let starts = memchr::memchr_iter(b'$', text).find_map(|at| {
        let operator = word(text.get(at + 1..)?);
        let end = at + 1 + operator.len();
        let after = text.get(end..)?;
        let after = after
            .strip_prefix(b"'")
            .or_else(|| after.strip_prefix(b"\""))
            .unwrap_or(after);
        let is_member = after.trim_ascii_start().starts_with(b":");
        let is_known = OPERATORS.contains(&operator) || CODE_OPERATORS.contains(&operator);
        (is_member && is_known).then_some((at, end, operator))
    });
    let Some((at, end, operator)) = starts else { return };
    let before = text.get(..at).unwrap_or_default().trim_ascii();
    let before = before
        .strip_suffix(b"'")
        .or_else(|| before.strip_suffix(b"\""))
        .unwrap_or(before);
    let before = before.trim_ascii_end();
    // `$where: '1 == 1'` and `[$ne]=1`: what is to follow a name.
    if before.is_empty() && CODE_OPERATORS.contains(&operator) {
        signs.push(&OPERATOR_BREAK_OUT, at..end);
        return;
    }
    let is_whole = text.trim_ascii_end().ends_with(b"}");
    if before == b"{" && is_whole {
        signs.push(&OPERATOR_OBJECT, at..end);
        return;
    }
    // `', $or: [` and `1, $where: '`.
    let Some(ended) = before.strip_suffix(b",") else { return };
    let ended = ended.trim_ascii_end();
    let first_quote = ended.iter().position(|b| matches!(b, b'\'' | b'"'));
    let ends_string =
        first_quote.is_some_and(|quote| ended.get(quote + 1..).unwrap_or_default().iter().all(is_closing));
    let is_scalar = ended.len() <= 16 && ended.iter().all(u8::is_ascii_alphanumeric);
    if ends_string || (is_scalar && CODE_OPERATORS.contains(&operator)) {
        signs.push(&OPERATOR_BREAK_OUT, at..end);
    }
}

/// Looks for statements and fields of a JavaScript expression behind the end of a string or number.
fn scan_code(text: &[u8], signs: &mut Signs) {
    let trimmed = text.trim_ascii_start();
    let start = text.len() - trimmed.len();
    let n_digits = trimmed.iter().take_while(|b| b.is_ascii_digit()).count();
    if n_digits > 0 && n_digits < 16 {
        let at = start + n_digits;
        if let Some(span) = code_after(text, at, false) {
            signs.push(&CODE_BREAK_OUT, span);
        }
    }
    // Only a string's first quote ends a string that the value began in; in code every second one does.
    if let Some(quote) = text.iter().position(|b| matches!(b, b'\'' | b'"'))
        && let Some(span) = code_after(text, quote + 1, true)
    {
        signs.push(&CODE_BREAK_OUT, span);
    }
}

/// Reads what joins an expression and what only such an expression has, from a position on.
fn code_after(text: &[u8], at: usize, is_string: bool) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let rest = rest.get(rest.iter().position(|b| !is_closing(b))?..)?;
    let joined = ["||", "&&"]
        .iter()
        .find_map(|operator| rest.strip_prefix(operator.as_bytes()));
    let inner = match joined {
        Some(inner) => inner.trim_ascii_start(),
        None => rest.strip_prefix(b";")?.trim_ascii_start(),
    };
    let keyword = word(inner);
    let after = inner.get(keyword.len()..).unwrap_or_default();
    let is_call = after.trim_ascii_start().starts_with(b"(");
    let is_field = after.starts_with(b".") && after.get(1).is_some_and(u8::is_ascii_alphabetic);
    let is_found = match keyword {
        b"this" => is_field || after.starts_with(b"["),
        // Statements, so only behind a semicolon.
        b"return" => joined.is_none() && is_value(after),
        b"while" | b"do" => joined.is_none() && is_call,
        b"var" | b"let" => joined.is_none() && is_string && memchr::memmem::find(after, b"while(").is_some(),
        b"sleep" => is_call && !is_string,
        b"db" => joined.is_none() && is_field && memchr::memchr(b'(', after).is_some(),
        b"tojson" | b"tojsononeline" => is_call,
        _ => false,
    };
    let end = text.len() - after.len();
    is_found.then_some(at.saturating_sub(1)..end)
}

/// Whether what follows `return` is a value that decides a query.
fn is_value(after: &[u8]) -> bool {
    let inner = after.trim_ascii();
    inner.len() < after.len()
        && matches!(word(inner), b"true" | b"this" | b"1" | b"false" | b"db" | b"tojson")
        && (inner.contains(&b';')
            || inner.contains(&b'\'')
            || inner.contains(&b'"')
            || inner.contains(&b'=')
            || inner.ends_with(b"}")
            || word(inner).len() == inner.len())
}

/// What may stand between the end of a string and what continues the expression.
fn is_closing(b: &u8) -> bool {
    b.is_ascii_whitespace() || matches!(b, b')' | b'}' | b']')
}

/// The letters and digits at the front.
fn word(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|b| !b.is_ascii_alphanumeric());
    bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::detect::THRESHOLD;
    use crate::detect::checked_weight;
    use proptest::prelude::*;

    fn weight(place: Place, value: &[u8]) -> u32 {
        checked_weight(AttackType::Nosqli, &Value { bytes: value, place }, may_match, scan)
    }

    #[test]
    fn operators_are_judged_by_what_they_apply_to() {
        for name in [
            "user[$ne]",
            "reset_token[$gt]",
            "login[password][$regex]",
            "password[$not][$gt]",
            "[$where]",
        ] {
            assert!(weight(Place::Name, name.as_bytes()) >= THRESHOLD, "{name}");
        }
        for name in [
            "age[$gt]",
            "filter[email][$ne]",
            "filters[user][name][$eq]",
            "password",
            "$where",
            "user[$set]",
        ] {
            assert!(weight(Place::Name, name.as_bytes()) < THRESHOLD, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            weight(Place::Query, &bytes);
            weight(Place::Name, &bytes);
        }

        #[test]
        fn prefilter_agrees(value in "('|\"|;|\\|\\||&&|\\$|ne|where|return|this\\.|true|user|\\[|\\]|\\{|\\}|:|,| |1|a|sleep\\(){0,12}") {
            for place in [Place::Query, Place::Body, Place::Name] {
                weight(place, value.as_bytes());
            }
        }
    }
}
