//! Expressions of literals alone: `7*7`, `'a'+'b'`, `"x".upper()`. No author writes them, and their result is easy to
//! recognise in a response.

use super::expression::Kind;

/// Whether an expression computes with literals alone.
pub(super) fn is_probe(kind: Kind, body: &[u8]) -> bool {
    let mut rest = body.trim_ascii();
    match kind {
        Kind::Tag => rest = rest.trim_ascii_start_matches(b"=-"),
        Kind::Statement => {
            rest = rest.trim_ascii_start_matches(b"-");
            let statement = [&b"print"[..], b"if", b"out", b"raw"];
            let Some(tail) = statement.iter().find_map(|word| rest.strip_prefix(*word)) else {
                return false;
            };
            rest = tail;
        }
        _ => {}
    }
    let mut n_telling = 0;
    let mut n_literals = 0;
    loop {
        rest = rest.trim_ascii_start_matches(b"( \t\r\n+-");
        let Some(len) = literal_len(rest) else { return false };
        rest = rest.get(len..).unwrap_or_default();
        n_literals += 1;
        if n_literals == 1 && kind != Kind::Single && is_idle_call(rest) {
            return true;
        }
        rest = rest.trim_ascii_start_matches(b") \t\r\n");
        match rest {
            // A date, a fraction or a range has minus signs and slashes; nobody multiplies in a placeholder.
            [b'*' | b'~', tail @ ..] => {
                n_telling += 1;
                rest = tail.strip_prefix(b"*").unwrap_or(tail);
            }
            [b'+', tail @ ..] if kind != Kind::Single => {
                n_telling += 1;
                rest = tail;
            }
            [b'-' | b'/' | b'%', tail @ ..] => rest = tail,
            [] | [b'|' | b'.' | b'?' | b'=' | b';' | b'!', ..] => return n_telling > 0,
            _ => return false,
        }
    }
}

/// Length of a number or a quoted string.
fn literal_len(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'0'..=b'9', ..] => {
            let is_part = |b: &u8| b.is_ascii_digit() || *b == b'.' && rest.len() > 1;
            Some(rest.iter().take_while(|b| is_part(b)).count())
        }
        [quote @ (b'\'' | b'"'), tail @ ..] => memchr::memchr(*quote, tail).map(|end| end + 2),
        _ => None,
    }
}

/// `.name()`, `.name(1)` or `.name('x')` after a literal: a method called for nothing but its effect.
fn is_idle_call(rest: &[u8]) -> bool {
    let Some(tail) = rest.strip_prefix(b".") else {
        return false;
    };
    let len = tail
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
        .count();
    let (name, arguments) = tail.split_at_checked(len).unwrap_or_default();
    // Lists are joined and split, and texts formatted, in honest templates.
    const HONEST: &[&[u8]] = &[
        b"join",
        b"split",
        b"format",
        b"includes",
        b"contains",
        b"equals",
        b"repeat",
    ];
    !name.is_empty() && !HONEST.contains(&name) && matches!(arguments, [b'(', b')' | b'0'..=b'9' | b'\'' | b'"', ..])
}

/// Trimming by a set of bytes.
trait TrimSet {
    fn trim_ascii_start_matches(&self, set: &[u8]) -> &Self;
}

impl TrimSet for [u8] {
    fn trim_ascii_start_matches(&self, set: &[u8]) -> &[u8] {
        let n = self.iter().take_while(|b| set.contains(b)).count();
        self.get(n..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_literals_make_a_probe() {
        for body in [
            "7*7",
            " (3) * (3) ",
            "7*'7'",
            "'a'~'b'",
            "2**9",
            "1+1|string",
            "-5*5",
            "'x'.upper()",
        ] {
            assert!(is_probe(Kind::Braces, body.as_bytes()), "{body}");
        }
        for body in [
            "",
            "7",
            "a*b",
            "7*x",
            "1-2",
            "3/4",
            "'key' | translate",
            "','.join(x)",
            "18+",
            "c1::x",
            "'a' if b",
            "50%",
        ] {
            assert!(!is_probe(Kind::Braces, body.as_bytes()), "{body}");
        }
        assert!(is_probe(Kind::Statement, b" if 7*7==49 "));
        assert!(!is_probe(Kind::Statement, b" if a == 'b' "));
        assert!(!is_probe(Kind::Single, b"1+2"));
    }
}
