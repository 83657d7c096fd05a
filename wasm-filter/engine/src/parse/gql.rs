//! GraphQL executable documents (GraphQL specification, October 2021, section 2).
//!
//! Only what the grammar accepts as a whole is a document: servers refuse everything else, so it is not read here either.
//! The reader keeps a few bytes per open selection and hands out names and values as it meets them.

use super::json;
use crate::point::{Element, Step};

/// Deepest nesting that is followed: selections, lists and objects.
const MAX_NESTING: usize = 64;

/// Receives the parts of a document.
pub(crate) trait Sink {
    /// Something begins: an operation, a field, an argument, ...
    fn enter(&mut self, element: Element, key: Step<'_>);
    /// What began last ends.
    fn leave(&mut self);
    /// The value of an argument or variable: a string, unescaped; `raw` as written between its quotes.
    fn string(&mut self, value: &[u8], raw: &[u8]);
    /// Any other value, as written: a number, a name or a variable. Also an alias.
    fn literal(&mut self, value: &[u8]);
    /// A comment, without its `#`.
    fn comment(&mut self, text: &[u8]);
    /// Whether to go on. False once a limit is reached.
    fn wants_more(&self) -> bool;
}

/// What a document amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The grammar accepts it.
    pub(crate) is_document: bool,
    /// It begins with a keyword, as nothing else is likely to that the grammar accepts.
    pub(crate) has_keyword: bool,
    /// It nests deeper than is followed, and was not read for that.
    pub(crate) is_too_deep: bool,
    /// Deepest nesting of selections.
    pub(crate) depth: usize,
    /// Aliases of fields.
    pub(crate) n_aliases: usize,
    /// Longest string, in bytes.
    pub(crate) max_value_bytes: usize,
    /// It asks for the schema: `__schema` or `__type` (section 4).
    pub(crate) is_introspection: bool,
}

/// Whether text could begin a document. Looks at the first bytes only.
pub(crate) fn may_begin(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    match text {
        [b'{', tail @ ..] => {
            let next = tail.iter().find(|b| !b.is_ascii_whitespace() && **b != b',');
            next.is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'.' | b'#'))
        }
        [b'#', ..] => true,
        _ => KEYWORDS.iter().any(|(keyword, _)| text.starts_with(keyword)),
    }
}

const KEYWORDS: [(&[u8], Element); 4] = [
    (b"query", Element::GqlQuery),
    (b"mutation", Element::GqlMutation),
    (b"subscription", Element::GqlSubscription),
    (b"fragment", Element::GqlFragment),
];

/// Reads a document and pushes its parts. `text` is memory for strings.
pub(crate) fn parse(input: &[u8], text: &mut Vec<u8>, sink: &mut impl Sink) -> Outcome {
    let mut parser = Parser {
        rest: input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input),
        token: Token::End,
        text,
        sink,
        outcome: Outcome::default(),
        nesting: 0,
    };
    parser.advance();
    parser.outcome.has_keyword = parser.keyword().is_some();
    parser.outcome.is_document = parser.document().is_some();
    parser.outcome
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'i> {
    /// One of `! $ & ( ) : = @ [ ] { | }`.
    Mark(u8),
    Spread,
    Name(&'i [u8]),
    Number(&'i [u8]),
    /// What stands between the quotes.
    Str(&'i [u8]),
    Block(&'i [u8]),
    End,
    Invalid,
}

struct Parser<'i, 's, S> {
    rest: &'i [u8],
    /// The token at hand.
    token: Token<'i>,
    text: &'s mut Vec<u8>,
    sink: &'s mut S,
    outcome: Outcome,
    nesting: usize,
}

/// `None` ends the reading: the grammar does not accept what comes, or a limit is reached.
type Accepted = Option<()>;

impl<'i, S: Sink> Parser<'i, '_, S> {
    // === Tokens (section 2.1) ===

    fn take(&mut self, n_bytes: usize) -> &'i [u8] {
        let (taken, rest) = self.rest.split_at_checked(n_bytes).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn advance(&mut self) {
        self.skip_ignored();
        self.token = self.read_token();
    }

    fn skip_ignored(&mut self) {
        loop {
            let is_ignored = |b: &&u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b',');
            let n_ignored = self.rest.iter().take_while(is_ignored).count();
            self.take(n_ignored);
            if self.rest.first() != Some(&b'#') {
                return;
            }
            let end = memchr::memchr2(b'\n', b'\r', self.rest).unwrap_or(self.rest.len());
            let comment = self.take(end);
            self.sink.comment(comment.get(1..).unwrap_or_default());
        }
    }

    fn read_token(&mut self) -> Token<'i> {
        let Some(&first) = self.rest.first() else {
            return Token::End;
        };
        match first {
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                self.take(1);
                Token::Mark(first)
            }
            b'.' if self.rest.starts_with(b"...") => {
                self.take(3);
                Token::Spread
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let is_name = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_';
                let n_bytes = self.rest.iter().take_while(is_name).count();
                Token::Name(self.take(n_bytes))
            }
            b'-' | b'0'..=b'9' => {
                let is_number = |b: &&u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
                let n_bytes = self.rest.iter().take_while(is_number).count();
                match self.rest.get(n_bytes) {
                    Some(b) if b.is_ascii_alphabetic() || *b == b'_' => Token::Invalid,
                    _ => Token::Number(self.take(n_bytes)),
                }
            }
            b'"' if self.rest.starts_with(b"\"\"\"") => {
                self.take(3);
                self.read_block()
            }
            b'"' => {
                self.take(1);
                self.read_string()
            }
            _ => Token::Invalid,
        }
    }

    fn read_string(&mut self) -> Token<'i> {
        let mut from = 0;
        loop {
            let tail = self.rest.get(from..).unwrap_or_default();
            let Some(at) = memchr::memchr3(b'"', b'\\', b'\n', tail) else {
                return Token::Invalid;
            };
            match tail.get(at) {
                Some(b'"') => {
                    let value = self.take(from + at);
                    self.take(1);
                    return Token::Str(value);
                }
                Some(b'\\') => from += at + 2,
                _ => return Token::Invalid,
            }
        }
    }

    fn read_block(&mut self) -> Token<'i> {
        let mut from = 0;
        loop {
            let tail = self.rest.get(from..).unwrap_or_default();
            let Some(at) = memchr::memmem::find(tail, b"\"\"\"") else {
                return Token::Invalid;
            };
            let end = from + at;
            if self.rest.get(..end).is_some_and(|before| before.ends_with(b"\\")) {
                from = end + 3;
                continue;
            }
            let value = self.take(end);
            self.take(3);
            return Token::Block(value);
        }
    }

    // === Grammar (sections 2.2 to 2.12) ===

    fn eat(&mut self, mark: u8) -> bool {
        let is_it = self.token == Token::Mark(mark);
        if is_it {
            self.advance();
        }
        is_it
    }

    fn expect(&mut self, mark: u8) -> Accepted {
        self.eat(mark).then_some(())
    }

    fn name(&mut self) -> Option<&'i [u8]> {
        match self.token {
            Token::Name(name) => {
                self.advance();
                Some(name)
            }
            _ => None,
        }
    }

    fn descend(&mut self) -> Accepted {
        if self.nesting == MAX_NESTING {
            self.outcome.is_too_deep = true;
            return None;
        }
        self.nesting += 1;
        self.sink.wants_more().then_some(())
    }

    fn keyword(&self) -> Option<Element> {
        let Token::Name(name) = self.token else { return None };
        KEYWORDS
            .iter()
            .find(|(keyword, _)| *keyword == name)
            .map(|(_, element)| *element)
    }

    fn document(&mut self) -> Accepted {
        loop {
            self.definition()?;
            if self.token == Token::End {
                return Some(());
            }
        }
    }

    fn definition(&mut self) -> Accepted {
        let Some(element) = self.keyword() else {
            self.sink.enter(Element::GqlQuery, Step::Name(b""));
            self.selections(1)?;
            self.sink.leave();
            return Some(());
        };
        self.advance();
        let is_fragment = element == Element::GqlFragment;
        let name = match self.name() {
            Some(name) => name,
            None if is_fragment => return None,
            None => b"",
        };
        self.sink.enter(element, Step::Name(name));
        if is_fragment {
            if self.name()? != b"on" {
                return None;
            }
            let condition = self.name()?;
            self.sink.enter(Element::GqlType, Step::Name(condition));
        } else if self.eat(b'(') {
            while !self.eat(b')') {
                self.variable()?;
            }
        }
        self.directives()?;
        self.selections(1)?;
        self.sink.leave();
        if is_fragment {
            self.sink.leave();
        }
        Some(())
    }

    fn variable(&mut self) -> Accepted {
        self.expect(b'$')?;
        let name = self.name()?;
        self.expect(b':')?;
        let mut n_lists = 0usize;
        while self.eat(b'[') {
            n_lists += 1;
        }
        self.name()?;
        self.eat(b'!');
        for _ in 0..n_lists {
            self.expect(b']')?;
            self.eat(b'!');
        }
        self.sink.enter(Element::GqlVar, Step::Name(name));
        if self.eat(b'=') {
            self.value()?;
        }
        self.directives()?;
        self.sink.leave();
        Some(())
    }

    fn selections(&mut self, depth: usize) -> Accepted {
        self.expect(b'{')?;
        self.descend()?;
        self.outcome.depth = self.outcome.depth.max(depth);
        loop {
            self.selection(depth)?;
            if self.eat(b'}') {
                break;
            }
        }
        self.nesting -= 1;
        Some(())
    }

    fn selection(&mut self, depth: usize) -> Accepted {
        if self.token == Token::Spread {
            self.advance();
            return self.spread(depth);
        }
        let first = self.name()?;
        let (alias, name) = match self.eat(b':') {
            true => (Some(first), self.name()?),
            false => (None, first),
        };
        self.outcome.is_introspection |= matches!(name, b"__schema" | b"__type");
        self.sink.enter(Element::Hash, Step::Name(name));
        if let Some(alias) = alias {
            self.outcome.n_aliases += 1;
            self.sink.enter(Element::GqlAlias, Step::Only);
            self.sink.literal(alias);
            self.sink.leave();
        }
        self.arguments()?;
        self.directives()?;
        if self.token == Token::Mark(b'{') {
            self.selections(depth + 1)?;
        }
        self.sink.leave();
        Some(())
    }

    fn spread(&mut self, depth: usize) -> Accepted {
        match self.token {
            Token::Name(name) if name != b"on" => {
                self.advance();
                self.sink.enter(Element::GqlSpread, Step::Name(name));
                self.directives()?;
            }
            _ => {
                self.sink.enter(Element::GqlInline, Step::Only);
                let has_condition = self.token == Token::Name(b"on");
                if has_condition {
                    self.advance();
                    let condition = self.name()?;
                    self.sink.enter(Element::GqlType, Step::Name(condition));
                }
                self.directives()?;
                self.selections(depth + 1)?;
                if has_condition {
                    self.sink.leave();
                }
            }
        }
        self.sink.leave();
        Some(())
    }

    fn directives(&mut self) -> Accepted {
        while self.eat(b'@') {
            let name = self.name()?;
            self.sink.enter(Element::GqlDir, Step::Name(name));
            self.arguments()?;
            self.sink.leave();
        }
        Some(())
    }

    fn arguments(&mut self) -> Accepted {
        if !self.eat(b'(') {
            return Some(());
        }
        self.sink.enter(Element::GqlArg, Step::Only);
        loop {
            self.member()?;
            if self.eat(b')') {
                break;
            }
        }
        self.sink.leave();
        Some(())
    }

    /// An argument or the field of an object.
    fn member(&mut self) -> Accepted {
        let name = self.name()?;
        self.expect(b':')?;
        self.sink.enter(Element::Hash, Step::Name(name));
        self.value()?;
        self.sink.leave();
        Some(())
    }

    fn value(&mut self) -> Accepted {
        match self.token {
            Token::Mark(b'[') => {
                self.descend()?;
                self.advance();
                let mut index = 0;
                while !self.eat(b']') {
                    self.sink.enter(Element::Array, Step::Index(index));
                    self.value()?;
                    self.sink.leave();
                    index += 1;
                }
                self.nesting -= 1;
                return Some(());
            }
            Token::Mark(b'{') => {
                self.descend()?;
                self.advance();
                while !self.eat(b'}') {
                    self.member()?;
                }
                self.nesting -= 1;
                return Some(());
            }
            Token::Mark(b'$') => {
                self.advance();
                let Token::Name(name) = self.token else { return None };
                self.sink.literal(name);
            }
            Token::Name(literal) | Token::Number(literal) => self.sink.literal(literal),
            Token::Str(raw) => {
                self.outcome.max_value_bytes = self.outcome.max_value_bytes.max(raw.len());
                match unescape(raw, self.text) {
                    true => self.sink.string(self.text, raw),
                    false => self.sink.string(raw, raw),
                }
            }
            Token::Block(raw) => {
                self.outcome.max_value_bytes = self.outcome.max_value_bytes.max(raw.len());
                match unescape_block(raw, self.text) {
                    true => self.sink.string(self.text, raw),
                    false => self.sink.string(raw, raw),
                }
            }
            Token::Mark(_) | Token::Spread | Token::End | Token::Invalid => return None,
        }
        self.advance();
        Some(())
    }
}

/// Decodes the escapes of a string (section 2.9.4). False, and nothing is written, when there are none.
fn unescape(raw: &[u8], text: &mut Vec<u8>) -> bool {
    text.clear();
    let mut rest = raw;
    let mut is_escaped = false;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        is_escaped = true;
        let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        text.extend_from_slice(plain);
        let tail = tail.get(1..).unwrap_or_default();
        let (n_read, _) = json::unescape(tail, text);
        if n_read == 0 {
            text.extend(tail.first());
        }
        rest = tail.get(n_read.max(1)..).unwrap_or_default();
    }
    if is_escaped {
        text.extend_from_slice(rest);
    }
    is_escaped
}

/// Decodes the one escape of a block string. False, and nothing is written, when there is none.
fn unescape_block(raw: &[u8], text: &mut Vec<u8>) -> bool {
    const ESCAPE: &[u8] = b"\\\"\"\"";
    text.clear();
    let mut from = 0;
    for at in memchr::memmem::find_iter(raw, ESCAPE) {
        text.extend_from_slice(raw.get(from..at).unwrap_or_default());
        text.extend_from_slice(b"\"\"\"");
        from = at + ESCAPE.len();
    }
    if from > 0 {
        text.extend_from_slice(raw.get(from..).unwrap_or_default());
    }
    from > 0
}

#[cfg(test)]
mod tests;
