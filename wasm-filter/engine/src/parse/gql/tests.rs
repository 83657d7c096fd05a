use expect_test::{Expect, expect};

use super::*;

/// Writes down what it receives.
#[derive(Default)]
struct Record {
    path: Vec<String>,
    lines: String,
}

impl Record {
    fn line(&mut self, value: &[u8]) {
        self.lines += &format!("{} = {:?}\n", self.path.join("/"), String::from_utf8_lossy(value));
    }
}

impl Sink for Record {
    fn enter(&mut self, element: Element, key: Step<'_>) {
        let key = match key {
            Step::Only => String::new(),
            Step::Name(name) => format!(" {}", String::from_utf8_lossy(name)),
            Step::Index(index) => format!(" {index}"),
        };
        self.path.push(format!("{}{key}", element.as_str()));
    }

    fn leave(&mut self) {
        assert!(self.path.pop().is_some());
    }

    fn string(&mut self, value: &[u8], _raw: &[u8]) {
        self.line(value);
    }

    fn literal(&mut self, value: &[u8]) {
        self.line(value);
    }

    fn comment(&mut self, text: &[u8]) {
        self.line(text);
    }

    fn wants_more(&self) -> bool {
        true
    }
}

fn read(document: &str) -> (Outcome, Record) {
    let mut record = Record::default();
    let outcome = parse(document.as_bytes(), &mut Vec::new(), &mut record);
    (outcome, record)
}

fn check(document: &str, expected: Expect) {
    assert!(may_begin(document.as_bytes()), "{document}");
    let (outcome, record) = read(document);
    assert!(outcome.is_document, "{document}: {outcome:?}");
    assert_eq!(record.path, [""; 0], "everything that began has ended");
    expected.assert_eq(&record.lines);
}

#[test]
fn operations() {
    check(
        "query Q($id: [ID!]! = [\"1\"], $n: Int) @live { user: account(id: $id, n: -1.5e3, state: OPEN) { name } }",
        expect![[r#"
            gql_query Q/gql_var id/array 0 = "1"
            gql_query Q/hash account/gql_alias = "user"
            gql_query Q/hash account/gql_arg/hash id = "id"
            gql_query Q/hash account/gql_arg/hash n = "-1.5e3"
            gql_query Q/hash account/gql_arg/hash state = "OPEN"
        "#]],
    );
    check(
        "{ a b(c: true) }",
        expect![[r#"
        gql_query /hash b/gql_arg/hash c = "true"
    "#]],
    );
    check(
        "mutation { add(input: {tags: [\"x\", \"y\"], nested: {z: null}}) { id } }",
        expect![[r#"
            gql_mutation /hash add/gql_arg/hash input/hash tags/array 0 = "x"
            gql_mutation /hash add/gql_arg/hash input/hash tags/array 1 = "y"
            gql_mutation /hash add/gql_arg/hash input/hash nested/hash z = "null"
        "#]],
    );
    check(
        "subscription S { news(q: \"a\\\"b\\u0027\\n\") }",
        expect![[r#"
        gql_subscription S/hash news/gql_arg/hash q = "a\"b'\n"
    "#]],
    );
    check(
        "# first\n{a(t:\"\"\"block \"quoted\" \\\"\"\" end\"\"\")}# last",
        expect![[r#"
             = " first"
            gql_query /hash a/gql_arg/hash t = "block \"quoted\" \"\"\" end"
            gql_query  = " last"
        "#]],
    );
}

#[test]
fn fragments() {
    check(
        "{ ...F @include(if: $x) ... on User @skip(if: false) { a(b: 1) } ... { c(d: 2) } } fragment F on User { e(f: 3) }",
        expect![[r#"
            gql_query /gql_spread F/gql_dir include/gql_arg/hash if = "x"
            gql_query /gql_inline/gql_type User/gql_dir skip/gql_arg/hash if = "false"
            gql_query /gql_inline/gql_type User/hash a/gql_arg/hash b = "1"
            gql_query /gql_inline/hash c/gql_arg/hash d = "2"
            gql_fragment F/gql_type User/hash e/gql_arg/hash f = "3"
        "#]],
    );
}

#[test]
fn other_text_is_no_document() {
    for text in [
        "",
        "{}",
        "{\"a\":1}",
        "{a:}",
        "{a(}",
        "{a}}",
        "{a} '",
        "query",
        "query for shoes",
        "{a(b:\"c)}",
        "{{7*7}}",
        "{php}{/php}",
        "fragment of a poem",
        "subscription {a(b: 1x)}",
        "# heading",
    ] {
        assert!(!read(text).0.is_document, "{text}");
    }
}

#[test]
fn depth_aliases_and_introspection_are_counted() {
    let (outcome, _) = read("{ a: b { c { d: e(f: \"four\") } } g { __schema { types } } }");
    assert_eq!((outcome.depth, outcome.n_aliases, outcome.max_value_bytes), (3, 2, 4));
    assert!(outcome.is_introspection && !outcome.has_keyword);
    assert!(read("query {a}").0.has_keyword);
}

#[test]
fn nesting_is_bounded() {
    let nested = |n: usize| format!("{}{}", "{a".repeat(n), "}".repeat(n));
    assert!(read(&nested(MAX_NESTING)).0.is_document);
    let (outcome, _) = read(&nested(MAX_NESTING + 1));
    assert!(outcome.is_too_deep && !outcome.is_document);
    let (outcome, _) = read(&format!("{{a(b:{}", "[".repeat(100_000)));
    assert!(outcome.is_too_deep);
}
