use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// Writes parts down, one a line.
#[derive(Default)]
struct Written {
    text: String,
    depth: usize,
}

impl Written {
    fn line(&mut self, kind: &str, parts: &[&[u8]]) {
        let indent = "  ".repeat(self.depth);
        let parts: Vec<_> = parts.iter().map(|part| String::from_utf8_lossy(part)).collect();
        let _ = writeln!(self.text, "{indent}{kind} {}", parts.join(" | "));
    }
}

impl Sink for Written {
    fn element(&mut self, name: &[u8], _written: &[u8], nth: u32) {
        self.line("element", &[name, nth.to_string().as_bytes()]);
        self.depth += 1;
    }
    fn attribute(&mut self, name: &[u8], value: &[u8]) {
        self.line("attribute", &[name, value]);
    }
    fn text(&mut self, value: &[u8]) {
        self.line("text", &[value]);
    }
    fn end(&mut self, _nth: u32) {
        self.depth -= 1;
    }
    fn comment(&mut self, nth: u32, value: &[u8]) {
        self.line("comment", &[nth.to_string().as_bytes(), value]);
    }
    fn instruction(&mut self, nth: u32, value: &[u8]) {
        self.line("instruction", &[nth.to_string().as_bytes(), value]);
    }
    fn external_subset(&mut self, system: &[u8]) {
        self.line("external subset", &[system]);
    }
    fn entity(&mut self, nth: u32, name: &[u8], value: &[u8]) {
        self.line("entity", &[nth.to_string().as_bytes(), name, value]);
    }
    fn wants_more(&self) -> bool {
        true
    }
}

fn read(input: &[u8], max_expanded_bytes: usize) -> (String, Outcome) {
    let mut written = Written::default();
    let outcome = parse(input, max_expanded_bytes, &mut Scratch::default(), &mut written);
    assert_eq!(written.depth, 0, "elements that open close");
    (written.text, outcome)
}

fn check(input: &str, is_well_formed: bool, expected: Expect) {
    let (text, outcome) = read(input.as_bytes(), 1 << 16);
    expected.assert_eq(&text);
    assert_eq!(outcome.is_well_formed, is_well_formed, "{input}");
}

#[test]
fn the_documented_example() {
    check(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE foo [<!ENTITY xxe \"aaaa\">]>\n\
         <?xml-stylesheet type=\"text/xsl\" href=\"style.xsl\"?>\n<!-- test -->\n\
         <methodCall>\n  <methodName>&xxe;</methodName>\n  <methodArgs check=\"true\">123</methodArgs>\n  \
         <methodArgs>234</methodArgs>\n</methodCall>\n",
        true,
        expect![[r#"
            entity 0 | xxe | aaaa
            instruction 0 | xml-stylesheet type="text/xsl" href="style.xsl"
            comment 0 |  test 
            element methodCall | 0
              element methodName | 0
                text aaaa
              element methodArgs | 0
                attribute check | true
                text 123
              element methodArgs | 1
                text 234
        "#]],
    );
}

#[test]
fn text_is_joined_as_applications_read_it() {
    check(
        "<q a='1&#x27; &lt;'>un<!-- x -->ion<![CDATA[ <sel]]>ect &#x66;rom<b>inner &amp; own</b> t</q>",
        true,
        expect![[r#"
            element q | 0
              attribute a | 1' <
              comment 0 |  x 
              element b | 0
                text inner & own
              text union <select from t
        "#]],
    );
}

#[test]
fn namespaces_are_part_of_names() {
    check(
        "<s:Envelope xmlns:s='urn:s'><s:Body xmlns='urn:d'><op/><x xmlns=''/></s:Body><op/><n:x/></s:Envelope>",
        true,
        expect![[r#"
            element urn:s:s:Envelope | 0
              attribute xmlns:s | urn:s
              element urn:s:s:Body | 0
                attribute xmlns | urn:d
                element urn:d::op | 0
                element x | 0
                  attribute xmlns | 
              element op | 0
              element n:x | 0
        "#]],
    );
}

#[test]
fn long_namespaces_are_not_copied_for_each_element() {
    let document = format!("<n:a xmlns:n='{}'>{}</n:a>", "u".repeat(10_000), "<n:b/>".repeat(100));
    let (text, outcome) = read(document.as_bytes(), 0);
    assert!(outcome.is_well_formed && text.len() < 30_000, "{}", text.len());
    assert!(text.contains("u:n:b"));
}

#[test]
fn mistakes_hide_nothing() {
    check(
        "lead<a b=c d e='f><g>'><h>1 < 2</a>tail<i j=k/><l>cut",
        false,
        expect![[r#"
            element a | 0
              attribute b | c
              attribute d | 
              attribute e | f><g>
              element h | 0
                text 1 < 2
            element i | 0
              attribute j | k
            element l | 0
              text cut
            text leadtail
        "#]],
    );
    check(
        "<a><![CDATA[1' or",
        false,
        expect![[r#"
            element a | 0
              text 1' or
        "#]],
    );
    check(
        "<a b='1' or",
        false,
        expect![[r#"
            element a | 0
              attribute b | 1
              attribute or | 
        "#]],
    );
    check(
        "<a></b></a><!x><c",
        false,
        expect![[r#"
        element a | 0
        element c | 0
    "#]],
    );
}

#[test]
fn entities_are_expanded_once_declared_and_no_further_than_allowed() {
    check(
        "<!DOCTYPE a SYSTEM 'b.dtd' [<!ENTITY x 'un&y;'><!ENTITY y 'ion'><!ENTITY y 'no'><!ENTITY l '&#38;lt;'>\
         <!ENTITY f SYSTEM 'file:///x'><!ENTITY % p 'q'>]><a>&x; &l; &f; &z; &#xZ; &</a>",
        true,
        expect![[r#"
            external subset b.dtd
            entity 0 | x | un&y;
            entity 1 | y | ion
            entity 2 | y | no
            entity 3 | l | &lt;
            entity 4 | f | file:///x
            entity 5 | p | q
            element a | 0
              text union < &f; &z; &#xZ; &
        "#]],
    );
    let lots = "<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c \
                '&b;&b;&b;&b;&b;&b;&b;&b;'>]><a>&c;&c;</a>";
    let (text, outcome) = read(lots.as_bytes(), 800);
    assert!(outcome.is_overgrown && outcome.n_expanded_bytes <= 800);
    assert!(text.len() < 2000);
    assert!(!read(lots.as_bytes(), 1 << 16).1.is_overgrown);
    let cycle = b"<!DOCTYPE a [<!ENTITY a '&b;'><!ENTITY b '&a;'>]><a>&a;</a>";
    assert!(read(cycle, 1 << 16).1.is_overgrown);
    // Empty entities grow to nothing, and still take time.
    let empty = "<!DOCTYPE a [<!ENTITY a ''>]><a>".to_owned() + &"&a;".repeat(1000);
    assert!(read(empty.as_bytes(), 3500).1.is_overgrown);
}

#[test]
fn nesting_is_bounded() {
    let (text, outcome) = read(
        ["<a>".repeat(1000), "x".to_owned(), "</a>".repeat(1000)]
            .concat()
            .as_bytes(),
        0,
    );
    assert!(outcome.is_too_deep);
    assert!(text.contains("text x"));
    assert_eq!(text.matches("element").count(), MAX_NESTING);
}

#[test]
fn xml_is_told_from_other_markup() {
    let is_document = |text: &str| super::is_document(text.as_bytes(), &mut Scratch::default());
    for text in [
        "<?xml version='1.0'?><a/>",
        "\u{feff} <?xml version='1.0'?>junk",
        "<!DOCTYPE note [<!ENTITY a 'b'>]><note/>",
        "<!DOCTYPE html [<!ENTITY a 'b'>]><html/>",
        "<order id='7'><item>1</item></order>\n",
        "<soap:Envelope xmlns:soap='x'><soap:Body/></soap:Envelope>",
        "<svg xmlns='http://www.w3.org/2000/svg'><p/></svg>",
        "<!-- c --><data>1</data>",
    ] {
        assert!(is_document(text), "{text}");
    }
    for text in [
        "",
        "<",
        "< a >",
        "a < b and c > d",
        "<b>bold</b> move",
        "<p>Hello <b>world</b></p>",
        "<div className={x}>hi</div>",
        "<Button onClick={() => go()}>Go</Button>",
        "<order><item>1</order>",
        "<a@example.com>",
        "<https://example.com>",
        "<!DOCTYPE html><html><body>[1]</body></html>",
        "<!-- only a comment -->",
        "<one/><two/>",
        "<3 you all>",
        "<?php echo 1; ?>",
    ] {
        assert!(!is_document(text), "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(pieces in proptest::collection::vec(prop::sample::select(vec![
        "<", ">", "<a>", "</a>", "<b c='", "'", "\"", "<![CDATA[", "]]>", "<!--", "-->", "<?", "?>", "&a;", "&#60;", "&",
        "<!DOCTYPE a [", "<!ENTITY a '", "]>", "/>", "=", " ", "xmlns:a='u'", "<a:b", "text", "\u{e9}", "\0",
    ]), 0..40)) {
        let input = pieces.concat();
        let (text, outcome) = read(input.as_bytes(), 256);
        prop_assert!(outcome.n_expanded_bytes <= 256);
        // What is handed out is bounded by what was there and what entities made of it, with names for each part.
        prop_assert!(text.len() <= 64 * input.len() + 4096);
        super::is_document(input.as_bytes(), &mut Scratch::default());
    }
}
