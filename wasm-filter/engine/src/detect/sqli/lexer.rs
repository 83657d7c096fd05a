//! SQL tokens, read on demand from hostile bytes.
//!
//! The dialects differ in details that attackers choose between, so the lexer accepts the union of them: MySQL's
//! versioned comments, `#` comments and odd white space, PostgreSQL's dollar quotes and casts, T-SQL's brackets.
//! Sources: MySQL 8.4 manual chapter 11 "Language Structure", PostgreSQL manual section 4.1 "Lexical Structure",
//! Transact-SQL reference "Identifiers" and "Comments", SQLite "SQL As Understood By SQLite".
//!
//! Each byte is looked at a constant number of times and nothing is allocated.

use std::ops::Range;

use super::keywords::{self, Word};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number; `hex` for `0x…` and `0b…`, which attackers use to write strings without quotes.
    Number { hex: bool },
    /// A string literal; open when the value ends inside it, so that the application's own quote closes it.
    Str { open: bool },
    /// A reserved word.
    Word(Word),
    /// Any other name.
    Name,
    /// A name in backticks or brackets.
    Quoted,
    /// `@name`.
    Variable,
    /// `@@name`.
    System,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// `.` between names.
    Dot,
    /// `*`
    Star,
    /// `+` or `-`, binary or unary.
    Sign,
    /// `~` or `!`, unary.
    Complement,
    /// A comparison: `=`, `<`, `>`, `<=`, `<>`, `!=`, `<=>`, `~*` and the like.
    Compare,
    /// `==`: a comparison in SQLite, and in most programming languages.
    DoubleEquals,
    /// A binary operator that is not a comparison: `/`, `%`, `^`, `|`, `&`, `<<`, `>>`.
    Arithmetic,
    /// `||`: or in MySQL, concatenation elsewhere.
    Bars,
    /// `&&`
    Ampersands,
    /// `:=`
    Assign,
    /// `::`
    Cast,
    /// A comment, or a NUL, that hides everything to the end of the value.
    Comment,
    /// A byte that begins no SQL token.
    Other,
    /// The end of the value.
    End,
}

/// One token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// First byte.
    pub(super) start: usize,
    /// First byte after it.
    pub(super) end: usize,
}

/// Reads tokens from a value.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    pos: usize,
    in_versioned: bool,
    /// Whether a keyword was hidden in a versioned comment, or comments stand in for white space.
    pub(super) obfuscated: bool,
}

// === impl Lexer ===

impl<'a> Lexer<'a> {
    /// Reads from `pos`, which is taken to be outside of any literal.
    pub(super) fn new(bytes: &'a [u8], pos: usize) -> Lexer<'a> {
        Lexer {
            bytes,
            pos,
            in_versioned: false,
            obfuscated: false,
        }
    }

    /// The bytes of a token or a range of tokens.
    pub(super) fn text(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    fn at(&self, offset: usize) -> u8 {
        self.bytes.get(self.pos + offset).copied().unwrap_or(0)
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.pos..).unwrap_or_default()
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        let n = self.rest().iter().take_while(|&&b| accept(b)).count();
        self.pos += n;
    }

    /// The next token; `End` forever after the last.
    pub(super) fn next_token(&mut self) -> Token {
        if let Some(comment) = self.skip_blanks() {
            return comment;
        }
        let start = self.pos;
        let kind = match self.rest().first() {
            None => Kind::End,
            Some(&b) => self.read(b),
        };
        Token {
            kind,
            start,
            end: self.pos,
        }
    }

    /// Skips white space and comments. A comment that reaches the end of the value is a token.
    fn skip_blanks(&mut self) -> Option<Token> {
        loop {
            let start = self.pos;
            let rest = self.rest();
            let hidden = match rest {
                // MySQL takes a lone 0xA0 for a space, and UTF-8 writes it C2 A0.
                [0xc2, 0xa0, ..] => {
                    self.pos += 2;
                    continue;
                }
                [0xa0, ..] | [0x01..=0x20, ..] => {
                    self.pos += 1;
                    continue;
                }
                [0, ..] => rest.len(),
                [b'/', b'*', b'!', tail @ ..] => {
                    let digits = tail.iter().take(6).take_while(|b| b.is_ascii_digit()).count();
                    self.pos += 3 + if digits >= 5 { digits } else { 0 };
                    self.in_versioned = true;
                    self.obfuscated = true;
                    continue;
                }
                [b'*', b'/', ..] if self.in_versioned => {
                    self.pos += 2;
                    self.in_versioned = false;
                    continue;
                }
                [b'/', b'*', tail @ ..] => match memchr::memmem::find(tail, b"*/") {
                    Some(n) => {
                        self.pos += n + 4;
                        self.obfuscated = true;
                        continue;
                    }
                    None => rest.len(),
                },
                [b'#', tail @ ..] | [b'-', b'-', tail @ ..] => match memchr::memchr(b'\n', tail) {
                    Some(n) if tail.get(n..).is_some_and(|t| !t.trim_ascii_start().is_empty()) => {
                        self.pos += rest.len() - tail.len() + n;
                        self.obfuscated = true;
                        continue;
                    }
                    _ => rest.len(),
                },
                _ => return None,
            };
            self.pos += hidden;
            return Some(Token {
                kind: Kind::Comment,
                start,
                end: self.pos,
            });
        }
    }

    fn take(&mut self, n: usize, kind: Kind) -> Kind {
        self.pos += n;
        kind
    }

    fn read(&mut self, b: u8) -> Kind {
        match b {
            b'0'..=b'9' => self.read_number(),
            b'.' if self.at(1).is_ascii_digit() => self.read_number(),
            b'\'' | b'"' => self.read_string(b),
            b'`' => match memchr::memchr(b'`', self.bytes.get(self.pos + 1..).unwrap_or_default()) {
                Some(n) => self.take(n + 2, Kind::Quoted),
                None => self.take(self.rest().len(), Kind::Str { open: true }),
            },
            b'[' => self.read_bracket(),
            b'$' => self.read_dollar(),
            b'@' => self.read_variable(),
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | 0x80..=0xff => self.read_word(),
            b'\\' if self.at(1) == b'N' => self.take(2, Kind::Word(Word::Null)),
            _ => self.read_operator(b),
        }
    }

    fn read_operator(&mut self, b: u8) -> Kind {
        match (b, self.at(1)) {
            (b'(', _) => self.take(1, Kind::Open),
            (b')', _) => self.take(1, Kind::Close),
            (b',', _) => self.take(1, Kind::Comma),
            (b';', _) => self.take(1, Kind::Semicolon),
            (b'.', _) => self.take(1, Kind::Dot),
            (b'*', _) => self.take(1, Kind::Star),
            (b'+' | b'-', _) => self.take(1, Kind::Sign),
            (b'=', b'=') => self.take(2, Kind::DoubleEquals),
            (b'<', b'=') if self.at(2) == b'>' => self.take(3, Kind::Compare),
            (b'<', b'=' | b'>') | (b'>', b'=') | (b'!' | b'^', b'=') | (b'!', b'<' | b'>') => {
                self.take(2, Kind::Compare)
            }
            (b'<', b'<') | (b'>', b'>') => self.take(2, Kind::Arithmetic),
            (b'=' | b'<' | b'>', _) => self.take(1, Kind::Compare),
            (b'~', b'*') | (b'!', b'~') => self.take(2, Kind::Compare),
            (b'~' | b'!', _) => self.take(1, Kind::Complement),
            (b'|', b'|') => self.take(2, Kind::Bars),
            (b'&', b'&') => self.take(2, Kind::Ampersands),
            (b'/' | b'%' | b'^' | b'|' | b'&', _) => self.take(1, Kind::Arithmetic),
            (b':', b':') => self.take(2, Kind::Cast),
            (b':', b'=') => self.take(2, Kind::Assign),
            _ => self.take(1, Kind::Other),
        }
    }

    /// `1`, `.5`, `1.`, `1e5`, `0x1f`, `0b1`. A letter right after a number begins a word, as in `1e0union`.
    fn read_number(&mut self) -> Kind {
        if self.at(0) == b'0' && matches!(self.at(1), b'x' | b'X') && self.at(2).is_ascii_hexdigit() {
            self.pos += 2;
            self.skip_while(|b| b.is_ascii_hexdigit());
            return Kind::Number { hex: true };
        }
        if self.at(0) == b'0' && matches!(self.at(1), b'b' | b'B') && matches!(self.at(2), b'0' | b'1') {
            self.pos += 2;
            self.skip_while(|b| matches!(b, b'0' | b'1'));
            return Kind::Number { hex: true };
        }
        self.skip_while(|b| b.is_ascii_digit());
        if self.at(0) == b'.' {
            self.pos += 1;
            self.skip_while(|b| b.is_ascii_digit());
        }
        if matches!(self.at(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.at(1), b'+' | b'-'));
            if self.at(1 + sign).is_ascii_digit() {
                self.pos += 1 + sign;
                self.skip_while(|b| b.is_ascii_digit());
            }
        }
        Kind::Number { hex: false }
    }

    /// A literal; a doubled quote and a backslash escape.
    fn read_string(&mut self, quote: u8) -> Kind {
        self.pos += 1;
        loop {
            let rest = self.rest();
            let Some(n) = memchr::memchr2(quote, b'\\', rest) else {
                self.pos += rest.len();
                return Kind::Str { open: true };
            };
            let escaped = match rest.get(n..) {
                Some([b'\\', _, ..]) => true,
                Some([q, r, ..]) => q == r,
                _ => false,
            };
            let is_quote = rest.get(n) == Some(&quote);
            self.pos += n + 1 + usize::from(escaped);
            if is_quote && !escaped {
                return Kind::Str { open: false };
            }
        }
    }

    /// `[name]`, as T-SQL writes names that need quoting.
    fn read_bracket(&mut self) -> Kind {
        let tail = self.bytes.get(self.pos + 1..).unwrap_or_default();
        let n = tail
            .iter()
            .take(128)
            .take_while(|&&b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b' ' | b'-' | b'$'))
            .count();
        if n > 0 && tail.get(n) == Some(&b']') {
            self.take(n + 2, Kind::Quoted)
        } else {
            self.take(1, Kind::Other)
        }
    }

    /// `$$text$$` and `$tag$text$tag$`.
    fn read_dollar(&mut self) -> Kind {
        let rest = self.rest();
        let n = rest
            .iter()
            .skip(1)
            .take(64)
            .take_while(|&&b| b.is_ascii_alphanumeric() || b == b'_')
            .count();
        if rest.get(n + 1) != Some(&b'$') {
            return self.take(1, Kind::Other);
        }
        let (tag, body) = rest.split_at_checked(n + 2).unwrap_or((rest, &[]));
        match memchr::memmem::find(body, tag) {
            Some(end) => self.take(tag.len() * 2 + end, Kind::Str { open: false }),
            None => self.take(1, Kind::Other),
        }
    }

    fn read_variable(&mut self) -> Kind {
        let system = self.at(1) == b'@';
        self.pos += 1 + usize::from(system);
        match self.at(0) {
            quote @ (b'\'' | b'"') => {
                let _ = self.read_string(quote);
            }
            b'`' => {
                let _ = self.read(b'`');
            }
            _ => {
                let start = self.pos;
                self.skip_while(is_name);
                if self.pos == start {
                    return Kind::Other;
                }
            }
        }
        if system { Kind::System } else { Kind::Variable }
    }

    fn read_word(&mut self) -> Kind {
        let start = self.pos;
        let mut previous = 0;
        // MySQL takes a lone 0xA0 for a space; UTF-8 writes it C2 A0, and has A0 inside of other letters.
        let n = self
            .rest()
            .windows(2)
            .take_while(|pair| {
                let is_blank = matches!(pair, [0xc2, 0xa0]) || (pair.first() == Some(&0xa0) && previous < 0x80);
                previous = pair.first().copied().unwrap_or(0);
                !is_blank && is_name(previous)
            })
            .count();
        // The last byte of the value has no neighbour.
        let is_last = n + 1 == self.rest().len() && self.rest().last().is_some_and(|&b| is_name(b));
        self.pos += (n + usize::from(is_last)).max(1);
        let text = self.text(start..self.pos);
        let is_prefix = match text {
            [b'n' | b'N' | b'x' | b'X' | b'b' | b'B' | b'e' | b'E'] | [b'_', _, ..] => true,
            [b'u' | b'U'] => self.rest().starts_with(b"&'"),
            _ => false,
        };
        if is_prefix {
            let skip = usize::from(self.at(0) == b'&');
            if self.at(skip) == b'\'' {
                self.pos += skip;
                return self.read_string(b'\'');
            }
        }
        if self.in_versioned {
            self.obfuscated = true;
        }
        keywords::word(text).map_or(Kind::Name, Kind::Word)
    }
}

/// Whether a byte continues a name.
fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | 0x80..=0xff)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(input: &str, expect: Expect) {
        let mut lexer = Lexer::new(input.as_bytes(), 0);
        let mut shown = String::new();
        loop {
            let token = lexer.next_token();
            if token.kind == Kind::End {
                break;
            }
            let text = String::from_utf8_lossy(lexer.text(token.start..token.end));
            shown.push_str(&format!("{:?} {text}\n", token.kind));
        }
        expect.assert_eq(&shown);
    }

    #[test]
    fn words_numbers_and_operators() {
        check(
            "1e0union select-.5,0x41<=>@a||@@version",
            expect![[r#"
            Number { hex: false } 1e0
            Word(Union) union
            Word(Select) select
            Sign -
            Number { hex: false } .5
            Comma ,
            Number { hex: true } 0x41
            Compare <=>
            Variable @a
            Bars ||
            System @@version
        "#]],
        );
    }

    #[test]
    fn strings_end_at_an_unescaped_quote() {
        check(
            r"'it''s' 'a\'b' _utf8'x' U&'y' $$z$$ $t$z$t$ 'open",
            expect![[r#"
            Str { open: false } 'it''s'
            Str { open: false } 'a\'b'
            Str { open: false } _utf8'x'
            Str { open: false } U&'y'
            Str { open: false } $$z$$
            Str { open: false } $t$z$t$
            Str { open: true } 'open
        "#]],
        );
    }

    #[test]
    fn comments_are_blanks_unless_they_hide_the_rest() {
        check(
            "a/**/b--c\nd#e\nf/*!50000union*/g -- rest",
            expect![[r#"
            Name a
            Name b
            Name d
            Name f
            Word(Union) union
            Name g
            Comment -- rest
        "#]],
        );
        check(
            "a/* rest",
            expect![[r#"
            Name a
            Comment /* rest
        "#]],
        );
    }

    #[test]
    fn quoted_names_of_two_dialects() {
        check(
            "`a b`.[c d] [not;one]",
            expect![[r#"
            Quoted `a b`
            Dot .
            Quoted [c d]
            Other [
            Word(Not) not
            Semicolon ;
            Name one
            Other ]
        "#]],
        );
    }

    #[test]
    fn odd_blanks() {
        check(
            "1\u{b}or\u{a0}1\u{c}=1",
            expect![[r#"
            Number { hex: false } 1
            Word(Or) or
            Number { hex: false } 1
            Compare =
            Number { hex: false } 1
        "#]],
        );
    }
}
