//! JSON (RFC 8259) as lenient readers accept it: comments, single quotes, bare names, missing or extra commas,
//! repeated names, several documents in a row, cut ends.
//!
//! The parser keeps one number per open container and hands out names and scalars as it meets them, so its memory does
//! not grow with the document.

/// Deepest nesting that is followed.
const MAX_NESTING: usize = 256;

/// Receives the parts of a document.
pub(crate) trait Sink {
    /// A member begins. `name` is unescaped, `raw` as written between its quotes.
    fn member(&mut self, name: &[u8], raw: &[u8]);
    /// An item begins.
    fn item(&mut self, index: u32);
    /// The value of a member, an item or the whole document: a string, unescaped; `raw` as written between its
    /// quotes.
    fn string(&mut self, value: &[u8], raw: &[u8]);
    /// The value of a member, an item or the whole document: a number, `true`, `false` or `null`, as written.
    fn literal(&mut self, value: &[u8]);
    /// The value of a member, an item or the whole document: something that is not JSON, as written.
    fn garbage(&mut self, value: &[u8]);
    /// The last member or item ends. Missing for what is still open when a document is cut.
    fn end(&mut self);
    /// Whether to go on. False once a limit is reached.
    fn wants_more(&self) -> bool;
}

/// Memory reused between documents.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Open containers: the next index of an array, or [`OBJECT`].
    open: Vec<u32>,
    /// A name or string being unescaped.
    text: Vec<u8>,
}

const OBJECT: u32 = u32::MAX;

/// Precedes each document of a sequence (RFC 7464).
const RECORD: u8 = 0x1e;

/// How a document ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Everything was valid JSON by RFC 8259, so that every reader sees what we saw. A cut end does not count.
    pub(crate) is_strict: bool,
    /// All containers were closed and nothing but white space followed.
    pub(crate) is_whole: bool,
    /// Nested deeper than is followed.
    pub(crate) is_too_deep: bool,
}

/// Whether a value could be a JSON container.
pub(crate) fn is_container(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"\xef\xbb\xbf").unwrap_or(value).trim_ascii_start();
    let value = value.strip_prefix(&[RECORD]).unwrap_or(value).trim_ascii_start();
    matches!(value.first(), Some(b'{' | b'['))
}

/// Reads a document and pushes its parts.
pub(crate) fn parse(input: &[u8], scratch: &mut Scratch, sink: &mut impl Sink) -> Outcome {
    scratch.open.clear();
    let mut parser = Parser {
        rest: input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input),
        open: &mut scratch.open,
        text: &mut scratch.text,
        outcome: Outcome {
            is_strict: true,
            is_whole: false,
            is_too_deep: false,
        },
    };
    parser.run(sink);
    parser.outcome
}

/// What the parser expects next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value, or the end of an array that has just been opened.
    FirstItem,
    /// A value.
    Value,
    /// A name, or the end of an object that has just been opened.
    FirstName,
    /// A name.
    Name,
    /// A comma or the end of the container.
    Separator,
}

struct Parser<'i, 's> {
    rest: &'i [u8],
    open: &'s mut Vec<u32>,
    text: &'s mut Vec<u8>,
    outcome: Outcome,
}

impl<'i> Parser<'i, '_> {
    fn run(&mut self, sink: &mut impl Sink) {
        let mut expect = Expect::Value;
        while sink.wants_more() {
            self.skip_blank();
            let Some(&first) = self.rest.first() else {
                self.outcome.is_whole = self.open.is_empty() && expect == Expect::Separator;
                break;
            };
            expect = match expect {
                Expect::Separator if self.open.is_empty() => {
                    // Another document follows, as in JSON lines.
                    self.lenient(false);
                    Expect::Value
                }
                Expect::Separator => self.separator(first, sink),
                Expect::FirstName | Expect::Name => self.name(first, expect, sink),
                Expect::FirstItem | Expect::Value => self.value(first, expect, sink),
            };
        }
    }

    /// Notes a deviation from RFC 8259.
    fn lenient(&mut self, is_fine: bool) {
        self.outcome.is_strict &= is_fine;
    }

    fn advance(&mut self, n_bytes: usize) -> &'i [u8] {
        let (taken, rest) = self.rest.split_at_checked(n_bytes).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    #[inline]
    fn skip_blank(&mut self) {
        // PERF: between most tokens there is nothing to skip.
        if let Some(b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'#' | RECORD) = self.rest.first().copied() {
            self.skip_gap();
        }
    }

    fn skip_gap(&mut self) {
        loop {
            let n_blank = self
                .rest
                .iter()
                .take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
                .count();
            self.advance(n_blank);
            let n_comment = match self.rest {
                [RECORD, ..] => 1,
                [b'/', b'/', ..] | [b'#', ..] => memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len()),
                [b'/', b'*', tail @ ..] => {
                    memchr::memmem::find(tail, b"*/").map_or(self.rest.len(), |length| length + 4)
                }
                _ => return,
            };
            self.lenient(false);
            self.advance(n_comment);
        }
    }

    /// A comma, the end of a container, or something that should not be there.
    fn separator(&mut self, first: u8, sink: &mut impl Sink) -> Expect {
        match first {
            b',' => {
                self.advance(1);
                match self.open.last() {
                    Some(&OBJECT) => Expect::Name,
                    _ => Expect::Value,
                }
            }
            b'}' | b']' => {
                self.close(first, sink);
                Expect::Separator
            }
            _ => {
                // A missing comma.
                self.lenient(false);
                match self.open.last() {
                    Some(&OBJECT) => Expect::Name,
                    _ => Expect::Value,
                }
            }
        }
    }

    /// Closes the innermost container. It was the value of a member or an item, which ends with it.
    fn close(&mut self, bracket: u8, sink: &mut impl Sink) {
        self.advance(1);
        let closed = self.open.pop();
        self.lenient(matches!(closed, Some(OBJECT)) == (bracket == b'}'));
        if !self.open.is_empty() {
            sink.end();
        }
    }

    fn name(&mut self, first: u8, expect: Expect, sink: &mut impl Sink) -> Expect {
        match first {
            b'}' | b']' => {
                self.lenient(expect == Expect::FirstName);
                self.close(first, sink);
                return Expect::Separator;
            }
            b',' => {
                self.lenient(false);
                self.advance(1);
                return Expect::Name;
            }
            b'"' | b'\'' => {
                let (name, raw) = self.string(first);
                sink.member(name.unwrap_or(self.text), raw);
            }
            _ => {
                self.lenient(false);
                let n_bytes = self
                    .rest
                    .iter()
                    .position(|b| matches!(b, b':' | b',' | b'}' | b']' | b'"' | b'\'' | b'\n'))
                    .unwrap_or(self.rest.len());
                // At least one byte, so that the parser always moves.
                let name = self.advance(n_bytes.max(1));
                let name = name.trim_ascii_end();
                sink.member(name, name);
            }
        }
        self.skip_blank();
        match self.rest.first() {
            Some(b':') => {
                self.advance(1);
                Expect::Value
            }
            None => Expect::Value,
            Some(_) => {
                // A name without a value.
                self.lenient(false);
                sink.end();
                Expect::Separator
            }
        }
    }

    fn value(&mut self, first: u8, expect: Expect, sink: &mut impl Sink) -> Expect {
        match (first, self.open.last().copied()) {
            (b']' | b'}', Some(OBJECT)) => {
                // A member without a value.
                self.lenient(false);
                sink.end();
                self.close(first, sink);
                return Expect::Separator;
            }
            (b']' | b'}', Some(_)) => {
                self.lenient(expect == Expect::FirstItem);
                self.close(first, sink);
                return Expect::Separator;
            }
            (b',', _) => {
                self.lenient(false);
                self.advance(1);
                return match self.open.last() {
                    Some(&OBJECT) => {
                        sink.end();
                        Expect::Name
                    }
                    _ => Expect::Value,
                };
            }
            (_, Some(index)) if index != OBJECT => {
                sink.item(index);
                if let Some(next) = self.open.last_mut() {
                    *next = (*next + 1).min(OBJECT - 1);
                }
            }
            _ => {}
        }
        match first {
            b'{' | b'[' => {
                if self.open.len() == MAX_NESTING {
                    self.outcome.is_too_deep = true;
                    self.lenient(false);
                    sink.garbage(self.advance(self.rest.len()));
                } else {
                    self.advance(1);
                    self.open.push(if first == b'{' { OBJECT } else { 0 });
                    return if first == b'{' {
                        Expect::FirstName
                    } else {
                        Expect::FirstItem
                    };
                }
            }
            b'"' | b'\'' => {
                let (value, raw) = self.string(first);
                sink.string(value.unwrap_or(self.text), raw);
            }
            _ => {
                // What is not JSON belongs together up to the next comma or bracket: `1 or 1=1`.
                let n_bytes = self
                    .rest
                    .iter()
                    .position(|b| matches!(b, b',' | b'}' | b']' | b'\n'))
                    .unwrap_or(self.rest.len());
                // At least one byte, so that the parser always moves.
                let literal = self.advance(n_bytes.max(1)).trim_ascii_end();
                if is_json_literal(literal) {
                    sink.literal(literal);
                } else {
                    self.lenient(false);
                    sink.garbage(literal);
                }
            }
        }
        if !self.open.is_empty() {
            sink.end();
        }
        Expect::Separator
    }

    /// Reads a string after its opening quote. Returns it when nothing was escaped, otherwise it stands in `text`; and as
    /// it is written.
    fn string(&mut self, quote: u8) -> (Option<&'i [u8]>, &'i [u8]) {
        self.lenient(quote == b'"');
        self.advance(1);
        let from = self.rest;
        let end = memchr::memchr2(quote, b'\\', self.rest).unwrap_or(self.rest.len());
        let plain = self.advance(end);
        if self.rest.first() != Some(&b'\\') {
            self.advance(1);
            return (Some(plain), plain);
        }
        self.text.clear();
        self.text.extend_from_slice(plain);
        while let [b'\\', tail @ ..] = self.rest {
            let (n_read, is_strict) = unescape(tail, self.text);
            self.lenient(is_strict);
            if n_read == 0 {
                // Unknown escapes stand for the character itself, as most lenient readers have it.
                self.text.extend(tail.first());
            }
            self.advance(1 + n_read.max(1));
            let end = memchr::memchr2(quote, b'\\', self.rest).unwrap_or(self.rest.len());
            let plain = self.advance(end);
            self.text.extend_from_slice(plain);
        }
        let raw = from.get(..from.len() - self.rest.len()).unwrap_or_default();
        self.advance(1);
        (None, raw)
    }
}

/// Whether a token is a number, `true`, `false` or `null`, which cannot carry anything.
fn is_json_literal(token: &[u8]) -> bool {
    matches!(token, b"true" | b"false" | b"null")
        || token
            .iter()
            .all(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
}

/// Decodes an escape after its backslash. Returns how many bytes it took, 0 for an unknown one, and whether every
/// reader agrees with us.
pub(super) fn unescape(tail: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
    let plain = match tail.first() {
        Some(b @ (b'"' | b'\\' | b'/')) => *b,
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'u') => return unescape_unicode(tail, out),
        _ => return (0, false),
    };
    out.push(plain);
    (1, true)
}

fn unescape_unicode(tail: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
    let unit = |at: usize| {
        let digits = tail.get(at..at + 4)?;
        digits
            .iter()
            .try_fold(0u32, |code, b| Some(code << 4 | (*b as char).to_digit(16)?))
    };
    let Some(first) = unit(1) else { return (0, false) };
    let is_low = |code: &u32| (0xdc00..0xe000).contains(code);
    let second = match tail.get(5..7) {
        Some(b"\\u") if (0xd800..0xdc00).contains(&first) => unit(7).filter(is_low),
        _ => None,
    };
    let (code, n_read) = match second {
        Some(second) => (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 11),
        None => (first, 5),
    };
    let c = char::from_u32(code);
    let shown = c.unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(shown.encode_utf8(&mut [0; 4]).as_bytes());
    (n_read, c.is_some())
}

#[cfg(test)]
mod tests;
