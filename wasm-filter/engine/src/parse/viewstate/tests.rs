use expect_test::{Expect, expect};

use super::*;

/// Writes down what it receives.
#[derive(Default)]
struct Record {
    path: Vec<String>,
    lines: String,
}

impl Record {
    fn line(&mut self, kind: &str, value: &[u8]) {
        let value = String::from_utf8_lossy(value);
        self.lines += &format!("/{} = {kind} {value:?}\n", self.path.join("/"));
    }
}

impl Sink for Record {
    fn enter(&mut self, element: Element, step: Step<'_>) {
        let step = match step {
            Step::Only => String::new(),
            Step::Name(name) => format!(" {}", String::from_utf8_lossy(name)),
            Step::Index(index) => format!(" {index}"),
        };
        self.path.push(format!("{}{step}", element.as_str()));
    }

    fn leave(&mut self) {
        assert!(self.path.pop().is_some());
    }

    fn string(&mut self, value: &[u8]) {
        self.line("string", value);
    }

    fn inert(&mut self, value: &[u8]) {
        self.line("inert", value);
    }

    fn object(&mut self, value: &[u8]) {
        self.line("object", value);
    }

    fn wants_more(&self) -> bool {
        true
    }
}

fn check(state: &[u8], expected: Expect) {
    let mut record = Record::default();
    let outcome = parse(state, &mut record);
    assert!(outcome.is_whole, "{outcome:?} after {}", record.lines);
    assert_eq!(record.path, [""; 0], "everything that began has ended");
    expected.assert_eq(&record.lines);
}

#[test]
fn every_container() {
    check(
        b"\xff\x01\x0f\x05\x01a\x10\x64\x1e\x01b\x67",
        expect![[r#"
            /viewstate_pair 0 = string "a"
            /viewstate_pair 1/viewstate_triplet 0 = inert ""
            /viewstate_pair 1/viewstate_triplet 1 = string "b"
            /viewstate_pair 1/viewstate_triplet 2 = inert ""
        "#]],
    );
    check(
        b"\xff\x01\x16\x02\x15\x02\x01x\x01y\x14\x29\x03t.T\x01\x05\x01z",
        expect![[r#"
            /viewstate_array 0/viewstate_array 0 = string "x"
            /viewstate_array 0/viewstate_array 1 = string "y"
            /viewstate_array 1 = string "t.T"
            /viewstate_array 1/viewstate_array 0 = string "z"
        "#]],
    );
    check(
        b"\xff\x01\x18\x02\x05\x03key\x05\x05value\x02\x07\x65",
        expect![[r#"
            /viewstate_dict key/viewstate_dict_key = string "key"
            /viewstate_dict key/viewstate_dict_value = string "value"
            /viewstate_dict 1/viewstate_dict_key = inert "\u{7}"
            /viewstate_dict 1/viewstate_dict_value = inert ""
        "#]],
    );
    check(
        b"\xff\x01\x3c\x2b\x00\x09\x01\x04\x05\x01s",
        expect![[r#"
            /viewstate_sparse_array 4 = string "s"
        "#]],
    );
}

#[test]
fn every_scalar() {
    check(
        b"\xff\x01\x16\x0b\x01\x01\x02\x02\xac\x02\x03\x09\x04\xc3\xa4\x06\0\0\0\0\0\0\0\0\x08\0\0\0\0\x0b\x2a\x01E\x01\
          \x1b\0\0\0\0\0\0\0\0\0\0\0\0\x1f\x01\x28\x2b\0\x03blu\x32\x02\xac\xed",
        expect![[r#"
            /viewstate_array 0 = inert "\u{1}\u{2}"
            /viewstate_array 1 = inert "�\u{2}"
            /viewstate_array 2 = inert "\t"
            /viewstate_array 3 = inert "ä"
            /viewstate_array 4 = inert "\0\0\0\0\0\0\0\0"
            /viewstate_array 5 = inert "\0\0\0\0"
            /viewstate_array 6 = string "E"
            /viewstate_array 6 = inert "\u{1}"
            /viewstate_array 7 = inert "\0\0\0\0\0\0\0\0\0\0\0\0"
            /viewstate_array 8 = inert "\u{1}"
            /viewstate_array 9 = string "blu"
            /viewstate_array 10 = object "��"
        "#]],
    );
}

#[test]
fn an_authentication_code_may_follow() {
    let mut state = b"\xff\x01\x05\x01a".to_vec();
    state.extend([7; 32]);
    check(
        &state,
        expect![[r#"
            / = string "a"
        "#]],
    );
    state.extend([7; 64]);
    assert!(!parse(&state, &mut Record::default()).is_whole);
}

#[test]
fn broken_states_end_early() {
    for state in [
        &b"\xff\x01"[..],
        b"\xff\x01\x05\x09ab",
        b"\xff\x01\xc8",
        b"\xff\x01\x0f\x64",
        b"\xff\x01\x16\xff\xff\xff\xff\x0f",
        b"\xff\x01\x05\xff\xff\xff\xff\xff\x01",
    ] {
        let outcome = parse(state, &mut Record::default());
        assert!(!outcome.is_whole && !outcome.is_too_deep, "{state:?}");
    }
    let deep = [&b"\xff\x01"[..], &[0x0f; 1000]].concat();
    assert!(parse(&deep, &mut Record::default()).is_too_deep);
}
