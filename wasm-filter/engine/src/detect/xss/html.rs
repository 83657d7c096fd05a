//! A tolerant tokeniser of tags and attributes.
//!
//! A value may land in text, in a comment, inside another attribute or inside a script, and the engine does not know
//! where. So tags are read from every `<` on, whatever surrounds it, and attributes can be read from any position as
//! if a tag had been opened before it. Within a tag the rules of WHATWG HTML 13.2.5 hold, with what older browsers
//! allowed on top: NUL bytes in names, control bytes between attributes and back-quoted values.

use std::ops::Range;

use super::text::{Name, at, is_control, is_space, part, tail};

/// Most attributes read of one tag.
const MAX_ATTRIBUTES: usize = 96;

/// Longest expression in braces taken as one attribute value, in bytes.
const MAX_BRACED_BYTES: usize = 256;

/// The beginning of a tag.
pub(super) struct Tag {
    /// Where its `<` stands.
    pub(super) start: usize,
    /// Element name; processing instructions keep their `?`.
    pub(super) name: Name,
    /// `</name` rather than `<name`.
    pub(super) is_end: bool,
    /// Where attributes begin.
    pub(super) attributes_from: usize,
}

/// Walks the beginnings of tags, also of those inside other tags.
pub(super) struct Tags<'t> {
    text: &'t [u8],
    at: usize,
    may_be_wide: bool,
}

impl<'t> Tags<'t> {
    /// Starts at the beginning of `text`.
    pub(super) fn new(text: &'t [u8]) -> Tags<'t> {
        Tags {
            text,
            at: 0,
            // Without a sign of script in it, text in wide letters is just that.
            may_be_wide: memchr::memchr3(b'=', b'(', b'`', text).is_some(),
        }
    }
}

impl Iterator for Tags<'_> {
    type Item = Tag;

    fn next(&mut self) -> Option<Tag> {
        let text = self.text;
        loop {
            let rest = tail(text, self.at);
            let step = if self.may_be_wide {
                memchr::memchr2(b'<', 0xef, rest)
            } else {
                memchr::memchr(b'<', rest)
            };
            let start = self.at + step?;
            self.at = start + 1;
            // The full-width less-than sign becomes `<` where a back end maps characters to their best fit.
            let mut name_start = match tail(text, start) {
                [b'<', ..] => start + 1,
                [0xef, 0xbc, 0x9c, ..] => start + 3,
                _ => continue,
            };
            while at(text, name_start) == 0 && name_start < text.len() {
                name_start += 1;
            }
            let is_end = at(text, name_start) == b'/';
            if is_end {
                name_start += 1;
            }
            let first = at(text, name_start);
            if !first.is_ascii_alphabetic() && (first != b'?' || is_end) {
                continue;
            }
            let mut end = name_start + 1;
            while end < text.len() {
                let b = at(text, end);
                if is_space(b) || matches!(b, b'/' | b'>' | b'<' | 0xef) || (is_control(b) && b != 0) {
                    break;
                }
                end += 1;
            }
            return Some(Tag {
                start,
                name: Name::read(part(text, name_start..end)),
                is_end,
                attributes_from: end,
            });
        }
    }
}

/// What stands before an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    /// White space.
    Space,
    /// Nothing, as after a closing quote.
    Nothing,
    /// A slash or a control byte, which people do not write.
    Odd,
}

/// One attribute.
pub(super) struct Attribute {
    /// Name, without quotes that stray before it.
    pub(super) name: Name,
    /// Whether the name as written has upper-case letters, as in `onClick`.
    pub(super) is_camel: bool,
    /// From the name's first to the value's last byte.
    pub(super) span: Range<usize>,
    /// The value between its quotes; empty when there is none.
    pub(super) value: Range<usize>,
    /// The quote, a brace for `{expression}`, or 0.
    pub(super) quote: u8,
    /// What stands before it.
    pub(super) separator: Separator,
}

/// Reads attributes until the tag ends.
pub(super) struct Attributes<'t> {
    text: &'t [u8],
    at: usize,
    n_read: usize,
    end: Option<usize>,
}

impl<'t> Attributes<'t> {
    /// Reads from a position that is taken to be inside a tag.
    pub(super) fn new(text: &'t [u8], from: usize) -> Attributes<'t> {
        Attributes {
            text,
            at: from,
            n_read: 0,
            end: None,
        }
    }

    /// How far it has read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The position after the tag's `>`, once that was reached.
    pub(super) fn tag_end(&self) -> Option<usize> {
        self.end
    }

    /// Whether another tag seems to begin here. It is read on its own, so this one ends: the work stays linear.
    fn is_at_tag(&self) -> bool {
        let (is_instruction, name) = match tail(self.text, self.at) {
            [b'<', rest @ ..] | [0xef, 0xbc, 0x9c, rest @ ..] => (at(rest, 0) == b'?', rest),
            _ => return false,
        };
        is_instruction || at(name, usize::from(at(name, 0) == b'/')).is_ascii_alphabetic()
    }

    fn skip_blank(&mut self) {
        while self.at < self.text.len() && (is_space(at(self.text, self.at)) || is_control(at(self.text, self.at))) {
            self.at += 1;
        }
    }

    /// The value that begins here and its quote; moves behind it.
    fn read_value(&mut self) -> (Range<usize>, u8) {
        let quote = at(self.text, self.at);
        if matches!(quote, b'"' | b'\'' | b'`') {
            if let Some(length) = memchr::memchr(quote, tail(self.text, self.at + 1)) {
                let start = self.at + 1;
                self.at = start + length + 1;
                return (start..start + length, quote);
            }
            // Never closed in what was sent: the page closes it somewhere. Read on as if it were not quoted.
            self.at += 1;
        } else if quote == b'{' {
            let start = self.at;
            self.at = start + braced_length(tail(self.text, self.at));
            return (start..self.at, b'{');
        }
        let start = self.at;
        while self.at < self.text.len() {
            let b = at(self.text, self.at);
            // Old browsers took the vertical tab for white space.
            if is_space(b) || matches!(b, b'>' | 0x0b) || self.is_at_tag() {
                break;
            }
            self.at += 1;
        }
        (start..self.at, 0)
    }
}

impl Iterator for Attributes<'_> {
    type Item = Attribute;

    fn next(&mut self) -> Option<Attribute> {
        let mut separator = Separator::Nothing;
        while self.at < self.text.len() {
            match at(self.text, self.at) {
                b'/' => separator = Separator::Odd,
                b if is_control(b) => separator = Separator::Odd,
                b if is_space(b) => {
                    if separator == Separator::Nothing {
                        separator = Separator::Space;
                    }
                }
                _ => break,
            }
            self.at += 1;
        }
        if self.at >= self.text.len() || self.n_read >= MAX_ATTRIBUTES || self.is_at_tag() {
            return None;
        }
        if at(self.text, self.at) == b'>' {
            self.at += 1;
            self.end = Some(self.at);
            return None;
        }
        self.n_read += 1;
        let name_start = self.at;
        self.at += 1;
        while self.at < self.text.len() {
            let b = at(self.text, self.at);
            if is_space(b) || matches!(b, b'/' | b'>' | b'=') || (is_control(b) && b != 0) || self.is_at_tag() {
                break;
            }
            self.at += 1;
        }
        let raw = part(self.text, name_start..self.at);
        let stray = raw
            .iter()
            .position(|b| !matches!(b, b'"' | b'\'' | b'`' | b'=' | b'\\' | b'<' | b';' | 0x80..=0xff))
            .unwrap_or(0);
        let raw = tail(raw, stray);
        let mut attribute = Attribute {
            name: Name::read(raw),
            is_camel: raw.iter().any(u8::is_ascii_uppercase) && raw.iter().any(u8::is_ascii_lowercase),
            span: name_start + stray..self.at,
            value: self.at..self.at,
            quote: 0,
            separator,
        };
        let name_end = self.at;
        self.skip_blank();
        if at(self.text, self.at) == b'=' {
            self.at += 1;
            self.skip_blank();
            (attribute.value, attribute.quote) = self.read_value();
            attribute.span.end = self.at;
        } else {
            self.at = name_end;
        }
        Some(attribute)
    }
}

/// The length of `{...}` with balanced braces, as JSX writes attribute values, or of its beginning when it is long.
fn braced_length(text: &[u8]) -> usize {
    let mut depth = 0usize;
    for (i, b) in text.iter().take(MAX_BRACED_BYTES).enumerate() {
        match b {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    text.len().min(MAX_BRACED_BYTES)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};

    use super::*;

    fn check(input: &str, expected: Expect) {
        let text = input.as_bytes();
        let mut shown = String::new();
        for tag in Tags::new(text) {
            let name = String::from_utf8_lossy(tag.name.as_bytes()).into_owned();
            writeln!(shown, "{}{name}", if tag.is_end { "/" } else { "" }).unwrap();
            for attribute in Attributes::new(text, tag.attributes_from) {
                let name = String::from_utf8_lossy(attribute.name.as_bytes()).into_owned();
                let value = String::from_utf8_lossy(part(text, attribute.value.clone())).into_owned();
                writeln!(shown, "  {:?} {name}={value}", attribute.separator).unwrap();
            }
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn separators() {
        check(
            "<svg/onload=a()><img src='x'onerror=b() alt>",
            expect![[r#"
                svg
                  Odd onload=a()
                img
                  Space src=x
                  Nothing onerror=b()
                  Space alt=
            "#]],
        );
    }

    #[test]
    fn not_tags() {
        check("a < b, c<3, <!-- -->, <>, < b>, </ b>, <=", expect![[""]]);
    }

    #[test]
    fn tags_inside_values_are_seen() {
        check(
            "<a title=\"<img src=x>\">",
            expect![[r#"
                a
                  Space title=<img src=x>
                img
                  Space src=x
            "#]],
        );
    }

    #[test]
    fn odd_bytes() {
        check(
            "<\0Im\0g\u{b}SRC\n=\t`x y`\u{1}onerror = 1 <b",
            expect![[r#"
                img
                  Odd src=x y
                  Odd onerror=1
                b
            "#]],
        );
    }

    #[test]
    fn braces_and_open_ends() {
        check(
            "<B onClick={() => { f(1 > 2) }} x='a b",
            expect![[r#"
                b
                  Space onclick={() => { f(1 > 2) }}
                  Space x=a
                  Space b=
            "#]],
        );
    }
}
