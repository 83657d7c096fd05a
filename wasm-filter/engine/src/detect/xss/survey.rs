//! What kind of text a value is, which decides how much a sign in it says.
//!
//! The same tag is an attack as the whole of a search term, an example in a question, and part of the subject in a
//! page of documentation.

use std::ops::Range;

use super::text::{at, is_space, part, tail};
use crate::detect::Place;

/// A value with at least this many bytes and lines is a document.
const DOCUMENT_BYTES: usize = 256;
const DOCUMENT_LINES: usize = 5;

/// A value of this size is a document however few lines it has, unless markup is most of it.
const LONG_BYTES: usize = 1024;

/// How much of a text is looked at for prose, in bytes. Who writes sentences begins with them.
const PROSE_BYTES: usize = 4096;

/// So many words in a row, outside tags, are prose.
const PROSE_WORDS: usize = 5;

/// What kind of text a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// Short, and no sentences: markup in it is all there is.
    Fragment,
    /// Some sentences.
    Prose,
    /// A text of several lines, a program or a page.
    Document,
}

/// Finds the setting of a value.
pub(super) fn setting(text: &[u8], place: Place) -> Setting {
    let may_be_document = matches!(place, Place::Query | Place::Body | Place::RawBody | Place::File);
    if may_be_document && text.len() >= DOCUMENT_BYTES {
        let n_lines = memchr::memchr2_iter(b'\n', b'\r', text)
            .filter(|&i| !matches!(at(text, i + 1), b'\n' | b'\r'))
            .count();
        if n_lines + 1 >= DOCUMENT_LINES || is_binary(text) {
            return Setting::Document;
        }
    }
    match has_prose(part(text, 0..text.len().min(PROSE_BYTES))) {
        true if may_be_document && text.len() >= LONG_BYTES => Setting::Document,
        true => Setting::Prose,
        false => Setting::Fragment,
    }
}

/// Whether most of a text is no text.
fn is_binary(text: &[u8]) -> bool {
    let head = part(text, 0..text.len().min(512));
    let n_control = head.iter().filter(|b| **b < 9 || (14..32).contains(*b)).count();
    n_control * 16 > head.len()
}

/// Whether words follow each other as in a sentence, separated by single blanks or commas, outside tags.
fn has_prose(text: &[u8]) -> bool {
    let mut run = 0;
    let mut i = 0;
    while i < text.len() {
        let b = at(text, i);
        if b == b'<' && (at(text, i + 1).is_ascii_alphabetic() || matches!(at(text, i + 1), b'/' | b'!' | b'?')) {
            // To the end of the tag, or of what could be one.
            i += 1 + tail(text, i + 1).iter().position(|b| *b == b'>').unwrap_or(text.len());
            run = 0;
            continue;
        }
        let length = word_length(tail(text, i));
        if length == 0 {
            run = 0;
            i += 1;
            continue;
        }
        let word = part(text, i..i + length);
        i += length;
        // Scripts without blanks between words count by bytes: six are two characters.
        run += if at(word, 0) >= 0x80 { length.div_ceil(6) } else { 1 };
        if run >= PROSE_WORDS {
            return true;
        }
        i += match tail(text, i) {
            [b',' | b'.' | b'?' | b'!' | b':', b' ' | b'\n', ..] => 2,
            [b, ..] if is_space(*b) => 1,
            _ => {
                if i < text.len() && at(text, i) < 0x80 {
                    run = 0;
                }
                0
            }
        };
    }
    false
}

/// The length of the word that a text begins with.
fn word_length(text: &[u8]) -> usize {
    if at(text, 0) >= 0x80 {
        return text.iter().take_while(|b| **b >= 0x80).count();
    }
    let length = text
        .iter()
        .enumerate()
        .take_while(|(i, b)| b.is_ascii_alphabetic() || (*i > 0 && matches!(b, b'\'' | b'-')))
        .count();
    if length > 1 || matches!(at(text, 0), b'a' | b'A' | b'I' | b'i') {
        length
    } else {
        0
    }
}

/// Walks the fenced code blocks of Markdown in order of position.
#[derive(Default)]
pub(super) struct Fences {
    at: usize,
    is_open: bool,
}

impl Fences {
    /// Whether a position, not smaller than the last one asked, stands in a fence.
    pub(super) fn contain(&mut self, text: &[u8], position: usize) -> bool {
        while let Some(step) = memchr::memmem::find(part(text, self.at..position.max(self.at)), b"```") {
            self.is_open = !self.is_open;
            self.at += step + 3;
        }
        self.at = self.at.max(position.saturating_sub(2));
        self.is_open
    }
}

/// Whether a span is inline code: a back-quote right before it and one behind it on the same line.
pub(super) fn is_inline_code(text: &[u8], span: &Range<usize>) -> bool {
    let before = part(text, span.start.saturating_sub(64)..span.start);
    let line = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(before, |i| tail(before, i + 1));
    line.iter().filter(|b| **b == b'`').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let check = |text: &str, expected| assert_eq!(setting(text.as_bytes(), Place::Body), expected, "{text}");
        check("<svg onload=alert(1)>", Setting::Fragment);
        check("test 12 <b>it</b>", Setting::Fragment);
        check("alert(1) pops up on our page, is that a virus?", Setting::Prose);
        check("どうしてこのタグは動かないのですか <b>", Setting::Prose);
        check(&"let x = 1;\n".repeat(40), Setting::Document);
    }

    #[test]
    fn fences() {
        let text = b"a ```\nb\n``` c ``` d";
        let mut fences = Fences::default();
        let seen: Vec<bool> = [0, 6, 12, 18].map(|i| fences.contain(text, i)).to_vec();
        assert_eq!(seen, [false, true, false, true]);
    }
}
