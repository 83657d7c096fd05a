//! Tests of the JSON parser: what it hands out, printed as points.

use expect_test::{Expect, expect};

use super::*;

/// Prints every scalar below its names.
#[derive(Default)]
struct Printer {
    path: Vec<String>,
    lines: String,
}

impl Sink for Printer {
    fn member(&mut self, name: &[u8], _raw: &[u8]) {
        self.path.push(String::from_utf8_lossy(name).into_owned());
    }

    fn item(&mut self, index: u32) {
        self.path.push(index.to_string());
    }

    fn string(&mut self, value: &[u8], _raw: &[u8]) {
        self.lines += &format!("{} = {:?}\n", self.path.join("/"), String::from_utf8_lossy(value));
    }

    fn literal(&mut self, value: &[u8]) {
        self.lines += &format!("{} = {}\n", self.path.join("/"), String::from_utf8_lossy(value));
    }

    fn garbage(&mut self, value: &[u8]) {
        self.literal(value);
    }

    fn end(&mut self) {
        self.path.pop().expect("as many ends as beginnings");
    }

    fn wants_more(&self) -> bool {
        true
    }
}

fn check(json: &str, expected: Expect) {
    let mut printer = Printer::default();
    let outcome = parse(json.as_bytes(), &mut Scratch::default(), &mut printer);
    if outcome.is_whole {
        assert!(printer.path.is_empty(), "left open: {:?}", printer.path);
    }
    if outcome.is_strict && outcome.is_whole {
        assert!(
            serde_json::from_str::<serde_json::Value>(json).is_ok(),
            "strict: {json}"
        );
    }
    expected.assert_eq(&format!(
        "{}strict {}, whole {}\n",
        printer.lines, outcome.is_strict, outcome.is_whole
    ));
}

#[test]
fn documented_vector() {
    check(
        r#"{"p1":"value","p2":["v1","v2"],"p3":{"somekey":"somevalue"}}"#,
        expect![[r#"
            p1 = "value"
            p2/0 = "v1"
            p2/1 = "v2"
            p3/somekey = "somevalue"
            strict true, whole true
        "#]],
    );
}

#[test]
fn scalars_and_escapes() {
    check(
        r#" [1, -2.5e3, true, null, "a\"b\\\/\u0041\ud83d\ude00", [], {}, ""] "#,
        expect![[r#"
            0 = 1
            1 = -2.5e3
            2 = true
            3 = null
            4 = "a\"b\\/A😀"
            7 = ""
            strict true, whole true
        "#]],
    );
}

#[test]
fn lenient_forms() {
    check(
        "{'a': 'x', b: 1 or 1=1, /* c */ \"d\" : \"\\q\", // e\n \"f\":, \"g\" \"h\":2,,}",
        expect![[r#"
            a = "x"
            b = 1 or 1=1
            d = "q"
            h = 2
            strict false, whole true
        "#]],
    );
    check(
        r#"["\ud83dx"]"#,
        expect![[r#"
        0 = "�x"
        strict false, whole true
    "#]],
    );
    check(
        "{\"a\":1}\n{\"a\":2}",
        expect![[r#"
            a = 1
            a = 2
            strict false, whole true
        "#]],
    );
}

#[test]
fn repeated_names_are_all_seen() {
    check(
        r#"{"a":1,"a":"2"}"#,
        expect![[r#"
            a = 1
            a = "2"
            strict true, whole true
        "#]],
    );
}

#[test]
fn cut_and_broken_documents() {
    check(
        r#"{"a":{"b":["x","unfinis"#,
        expect![[r#"
            a/b/0 = "x"
            a/b/1 = "unfinis"
            strict true, whole false
        "#]],
    );
    check(
        r#"}]{"a"]:[}"#,
        expect![[r#"
             = }
             = ]
             = :[
             = }
            strict false, whole true
        "#]],
    );
    check(
        r#""#,
        expect![[r#"
            strict true, whole false
        "#]],
    );
}
