//! A lexer for JavaScript that never fails.
//!
//! It starts anywhere and takes what comes: a quote that is never closed is punctuation, an unknown byte belongs to a
//! word. Comments are skipped, `\u0061` in words is kept and can be read through [`Token::word`].

use super::text::{Name, at, part, tail};

/// Most tokens read of one piece of script.
const MAX_TOKENS: usize = 384;

/// Longest string, template or pattern looked for, in bytes.
const MAX_LITERAL_BYTES: usize = 1024;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Identifier or keyword.
    Word,
    /// Number.
    Number,
    /// String in single or double quotes.
    Text,
    /// Template literal.
    Template,
    /// Regular expression.
    Pattern,
    /// `=>`
    Arrow,
    /// `==`, `===`, `!=`, `<=`, `>=`: an `=` that does not assign.
    Comparison,
    /// Any other sign, one byte.
    Sign(u8),
}

/// One token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// First byte.
    pub(super) start: usize,
    /// After the last byte.
    pub(super) end: usize,
    /// A line ends between the previous token and this one.
    pub(super) on_new_line: bool,
    /// A word with a Unicode escape in it.
    pub(super) is_escaped: bool,
}

impl Token {
    /// Whether it is this sign.
    pub(super) fn is(&self, sign: u8) -> bool {
        self.kind == Kind::Sign(sign)
    }

    /// The word in lower case with escapes decoded; empty for other tokens.
    pub(super) fn word(&self, text: &[u8]) -> Name {
        if self.kind != Kind::Word {
            return Name::read(b"");
        }
        let raw = part(text, self.start..self.end);
        if !self.is_escaped {
            return Name::read(raw);
        }
        let mut plain = [0; Name::MAX_BYTES];
        let mut n_plain = 0;
        let mut i = 0;
        while i < raw.len() {
            let (b, length) = match unicode_escape(tail(raw, i)) {
                Some((character, length)) => (u8::try_from(character).unwrap_or(b'?'), length),
                None => (at(raw, i), 1),
            };
            let Some(slot) = plain.get_mut(n_plain) else { break };
            *slot = b;
            n_plain += 1;
            i += length;
        }
        Name::read(part(&plain, 0..n_plain))
    }
}

/// The character of `\u0061`, `\u{61}` or `\x61` at the start of a text, and the length of the escape.
pub(super) fn unicode_escape(text: &[u8]) -> Option<(u32, usize)> {
    let (digits, closing) = match text {
        [b'\\', b'u', b'{', rest @ ..] => (rest, true),
        [b'\\', b'u', rest @ ..] => (part(rest, 0..4), false),
        [b'\\', b'x', rest @ ..] => (part(rest, 0..2), false),
        _ => return None,
    };
    let mut number = 0u32;
    let mut n_digits = 0;
    while let Some(digit) = char::from(at(digits, n_digits)).to_digit(16) {
        number = number.saturating_mul(16).saturating_add(digit);
        n_digits += 1;
    }
    if n_digits == 0 || (!closing && n_digits != digits.len()) {
        return None;
    }
    Some((number, if closing { n_digits + 4 } else { n_digits + 2 }))
}

/// Reads tokens from a position on.
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    n_read: usize,
    expects_operand: bool,
    /// The text ended inside or right after a comment, as break-outs do to silence what follows.
    pub(super) ends_in_comment: bool,
}

impl<'t> Lexer<'t> {
    /// Starts at the beginning of `text`.
    pub(super) fn new(text: &'t [u8]) -> Lexer<'t> {
        Lexer {
            text,
            at: 0,
            n_read: 0,
            expects_operand: true,
            ends_in_comment: false,
        }
    }

    /// Skips blanks and comments. True when a line ended.
    fn skip_trivia(&mut self) -> bool {
        let mut line_ended = false;
        loop {
            let rest = tail(self.text, self.at);
            let skipped = match rest {
                [b'\n' | b'\r', ..] => {
                    line_ended = true;
                    1
                }
                [0..=0x20 | 0x7f, ..] => 1,
                // U+2028, U+2029 end lines; U+00A0 and U+FEFF are blanks.
                [0xe2, 0x80, 0xa8 | 0xa9, ..] => {
                    line_ended = true;
                    3
                }
                [0xc2, 0xa0, ..] => 2,
                [0xef, 0xbb, 0xbf, ..] => 3,
                [b'/', b'*', body @ ..] => match memchr::memmem::find(body, b"*/") {
                    Some(length) => length + 4,
                    None => {
                        self.ends_in_comment = true;
                        rest.len()
                    }
                },
                [b'/', b'/', ..] | [b'<', b'!', b'-', b'-', ..] => {
                    match rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
                        Some(length) => length,
                        None => {
                            self.ends_in_comment = true;
                            rest.len()
                        }
                    }
                }
                _ => return line_ended,
            };
            self.at += skipped;
        }
    }

    /// The length of a literal that is closed by `close`, or none.
    fn literal_length(&self, close: u8, may_span_lines: bool) -> Option<usize> {
        let rest = tail(self.text, self.at);
        let mut i = 1;
        while i < rest.len().min(MAX_LITERAL_BYTES) {
            match at(rest, i) {
                b'\\' => i += 1,
                b'\n' | b'\r' if !may_span_lines => return None,
                b if b == close => return Some(i + 1),
                _ => {}
            }
            i += 1;
        }
        None
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let on_new_line = self.skip_trivia();
        if self.at >= self.text.len() || self.n_read >= MAX_TOKENS {
            return None;
        }
        self.n_read += 1;
        let start = self.at;
        let rest = tail(self.text, start);
        let first = at(rest, 0);
        let mut is_escaped = false;
        let (kind, length) = match first {
            b'\'' | b'"' => match self.literal_length(first, false) {
                Some(length) => (Kind::Text, length),
                None => (Kind::Sign(first), 1),
            },
            b'`' => match self.literal_length(first, true) {
                Some(length) => (Kind::Template, length),
                None => (Kind::Sign(first), 1),
            },
            b'/' if self.expects_operand => match self.literal_length(first, false) {
                Some(length) => (Kind::Pattern, length),
                None => (Kind::Sign(first), 1),
            },
            b'0'..=b'9' => (
                Kind::Number,
                rest.iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || **b == b'.')
                    .count(),
            ),
            b'=' if at(rest, 1) == b'>' => (Kind::Arrow, 2),
            b'=' | b'!' | b'<' | b'>' if at(rest, 1) == b'=' => {
                (Kind::Comparison, 2 + usize::from(at(rest, 2) == b'='))
            }
            // `a?.(b)` and `a?.b` are calls and members like those without the question mark.
            b'?' if at(rest, 1) == b'.' && at(rest, 2) == b'(' => (Kind::Sign(b'('), 3),
            b'?' if at(rest, 1) == b'.' => (Kind::Sign(b'.'), 2),
            _ => {
                let mut length = 0;
                while length < rest.len() {
                    match at(rest, length) {
                        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$' | 0x80..=0xff => length += 1,
                        b'\\' => match unicode_escape(tail(rest, length)) {
                            Some((_, escape)) => {
                                is_escaped = true;
                                length += escape;
                            }
                            None => break,
                        },
                        _ => break,
                    }
                }
                if length > 0 {
                    (Kind::Word, length)
                } else {
                    (Kind::Sign(first), 1)
                }
            }
        };
        self.at = start + length.min(rest.len());
        self.expects_operand = match kind {
            Kind::Sign(sign) => !matches!(sign, b')' | b']' | b'}'),
            Kind::Arrow | Kind::Comparison => true,
            _ => false,
        };
        Some(Token {
            kind,
            start,
            end: self.at,
            on_new_line,
            is_escaped,
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(input: &str, expected: Expect) {
        let text = input.as_bytes();
        let shown: Vec<String> = Lexer::new(text)
            .map(|token| {
                let raw = String::from_utf8_lossy(part(text, token.start..token.end)).into_owned();
                match token.kind {
                    Kind::Sign(_) => raw,
                    Kind::Word => String::from_utf8_lossy(token.word(text).as_bytes()).into_owned(),
                    kind => format!("{kind:?}:{raw}"),
                }
            })
            .collect();
        expected.assert_eq(&shown.join(" "));
    }

    #[test]
    fn tokens() {
        check(
            "a['x'](1);//c\n/re\\//.source /*d*/ b?.(`t`)",
            expect!["a [ Text:'x' ] ( Number:1 ) ; Pattern:/re\\// . source b ?.( Template:`t` )"],
        );
    }

    #[test]
    fn escapes_and_operators() {
        check(
            r"\u0061l\u{65}rt=>x==y!=z",
            expect!["alert Arrow:=> x Comparison:== y Comparison:!= z"],
        );
    }

    #[test]
    fn open_quotes_are_signs() {
        check("';f(\"x\n`<!-- y", expect!["' ; f ( \" x `"]);
    }
}
