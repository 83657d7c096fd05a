//! Tells XML from HTML and from text with markup in it.
//!
//! Source: the element names of HTML, WHATWG HTML section 4 and its section 16.2 on obsolete ones.

use super::{Outcome, Scratch, Sink, prolog::Reader, tag};

/// Elements that people and editors write as fragments. Elements whose names are as common in data (`data`, `title`,
/// `address`, `object`, `form`, `label`, `time`, `map`, `link`) are left out, and so are `svg` and `math`, which are XML.
const HTML: &[&[u8]] = &[
    b"a",
    b"abbr",
    b"article",
    b"aside",
    b"audio",
    b"b",
    b"blockquote",
    b"body",
    b"br",
    b"button",
    b"canvas",
    b"center",
    b"code",
    b"dd",
    b"del",
    b"details",
    b"div",
    b"dl",
    b"dt",
    b"em",
    b"embed",
    b"figure",
    b"font",
    b"footer",
    b"frame",
    b"frameset",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"head",
    b"header",
    b"hr",
    b"html",
    b"i",
    b"iframe",
    b"img",
    b"input",
    b"ins",
    b"kbd",
    b"li",
    b"main",
    b"mark",
    b"marquee",
    b"nav",
    b"noscript",
    b"ol",
    b"p",
    b"pre",
    b"s",
    b"script",
    b"section",
    b"select",
    b"small",
    b"span",
    b"strike",
    b"strong",
    b"style",
    b"sub",
    b"sup",
    b"table",
    b"tbody",
    b"td",
    b"template",
    b"textarea",
    b"tfoot",
    b"th",
    b"thead",
    b"tr",
    b"tt",
    b"u",
    b"ul",
    b"video",
];

/// The first look: a tag at the start and an end of one at the end, or an XML declaration.
pub(super) fn may_be_document(input: &[u8]) -> bool {
    let text = unmarked(input);
    match text {
        [b'<', b'?' | b'!', ..] => true,
        [b'<', first, ..] => tag::starts_name(*first) && text.trim_ascii_end().ends_with(b">"),
        _ => false,
    }
}

/// Whether a value says that it is XML, or is a well-formed element that is none of HTML's.
pub(super) fn is_document(input: &[u8], scratch: &mut Scratch) -> bool {
    if !may_be_document(input) {
        return false;
    }
    let mut reader = Reader::new(unmarked(input));
    if reader.skip(b"<?xml") {
        return true;
    }
    if reader.skip(b"<!DOCTYPE") {
        reader.skip_space();
        return !reader.skip(b"html")
            || memchr::memchr(b'[', reader.rest()).is_some_and(|at| is_subset(reader.rest(), at));
    }
    let mut root = Root::default();
    let outcome = super::parse(input, 0, scratch, &mut root);
    let Outcome { is_well_formed, .. } = outcome;
    is_well_formed && !root.is_html
}

/// Whether a bracket opens an internal subset: nothing closes the document type before it.
fn is_subset(rest: &[u8], bracket: usize) -> bool {
    memchr::memchr(b'>', rest.get(..bracket).unwrap_or_default()).is_none()
}

fn unmarked(input: &[u8]) -> &[u8] {
    input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input).trim_ascii_start()
}

/// Looks at the name of the root and takes nothing else.
#[derive(Default)]
struct Root {
    is_named: bool,
    is_html: bool,
}

impl Sink for Root {
    fn element(&mut self, name: &[u8], _written: &[u8], _nth: u32) {
        if !self.is_named {
            self.is_named = true;
            self.is_html = HTML.iter().any(|known| name.eq_ignore_ascii_case(known));
        }
    }

    fn attribute(&mut self, _name: &[u8], _value: &[u8]) {}
    fn text(&mut self, _value: &[u8]) {}
    fn end(&mut self, _nth: u32) {}
    fn comment(&mut self, _nth: u32, _value: &[u8]) {}
    fn instruction(&mut self, _nth: u32, _value: &[u8]) {}
    fn external_subset(&mut self, _system: &[u8]) {}
    fn entity(&mut self, _nth: u32, _name: &[u8], _value: &[u8]) {}

    fn wants_more(&self) -> bool {
        !self.is_html
    }
}
