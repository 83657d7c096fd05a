use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn scan_all(bytes: &[u8], fuel: &mut Fuel) -> Signs {
    let mut signs = Signs::default();
    let value = Value {
        bytes,
        place: Place::Query,
    };
    scan(&value, &mut Scratch::default(), fuel, &mut signs);
    signs
}

/// Shows the stamps of a value and what they point at.
fn check(input: &str, expect: Expect) {
    let signs = scan_all(input.as_bytes(), &mut Fuel::new(u64::MAX));
    let shown: String = signs
        .iter()
        .map(|sign| {
            let text = input.as_bytes().get(sign.span.clone()).unwrap_or_default();
            format!("{}: {}\n", sign.stamp.name, String::from_utf8_lossy(text))
        })
        .collect();
    expect.assert_eq(&shown);
}

#[test]
fn half_a_query_says_nothing() {
    check("1' UNION SELECT", expect![[r#""#]]);
}

#[test]
fn spans_point_at_the_telling_part() {
    check(
        "1' UNION SELECT password FROM users--",
        expect![[r#"
        union-select-names: SELECT password FROM users
        break-out: '
        comment-end: --
    "#]],
    );
    check(
        "5 and sleep(3)",
        expect![[r#"
        boolean-probe: and sleep(3)
        time-delay: sleep(3)
        number-continued: 5 and sleep(3)
    "#]],
    );
    check(
        "x'; drop table t; --",
        expect![[r#"
        stacked-words: drop table t
        break-out: '
        comment-end: --
    "#]],
    );
    check(
        "admin'--",
        expect![[r#"
        comment-truncation: '--
        break-out: '
        comment-end: --
    "#]],
    );
}

#[test]
fn work_ends_with_the_fuel() {
    let value = "1 or 1=1 or ".repeat(10_000);
    let mut fuel = Fuel::new(1_000);
    let _ = scan_all(value.as_bytes(), &mut fuel);
    assert!(!fuel.spend(1), "the allowance is used up");
}

/// Pieces of SQL, quotes and noise.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "'",
        "\"",
        "`",
        "(",
        ")",
        " ",
        "\n",
        "\t",
        "/*",
        "*/",
        "/*!50000",
        "--",
        "#",
        ";",
        ",",
        ".",
        "=",
        "<",
        "<>",
        "||",
        "&&",
        "|",
        "+",
        "-",
        "*",
        "/",
        "%",
        "~",
        "!",
        "::",
        ":=",
        "@",
        "@@",
        "@a",
        "[a]",
        "$$",
        "\\",
        "\0",
        "\u{a0}",
        "0x41",
        "1",
        "1e0",
        ".5",
        "a",
        "users",
        "or",
        "and",
        "xor",
        "not",
        "is",
        "null",
        "true",
        "like",
        "in",
        "between",
        "exists",
        "union",
        "all",
        "select",
        "from",
        "where",
        "having",
        "group",
        "order",
        "by",
        "limit",
        "into",
        "outfile",
        "as",
        "case",
        "when",
        "then",
        "else",
        "end",
        "insert",
        "update",
        "set",
        "delete",
        "drop",
        "table",
        "exec",
        "declare",
        "if",
        "while",
        "begin",
        "waitfor",
        "delay",
        "call",
        "copy",
        "sleep(",
        "benchmark(",
        "version()",
        "count(*)",
        "cast(",
        "information_schema.tables",
        "é",
    ]);
    prop::collection::vec(
        prop_oneof![9 => piece.prop_map(|s| s.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 1..4)],
        0..40,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_value_is_judged_in_linear_work_and_within_its_bounds(value in soup()) {
        let mut fuel = Fuel::new(u64::MAX);
        let signs = scan_all(&value, &mut fuel);
        prop_assert!(u64::MAX - fuel.0 <= 512 * (value.len() as u64 + 2));
        for sign in signs.iter() {
            prop_assert!(sign.span.start <= sign.span.end && sign.span.end <= value.len());
        }
        // What is pushed at all is a finding.
        let weight = signs.weight(waf_policy::AttackType::Sqli);
        prop_assert!(weight == 0 || weight >= THRESHOLD);
    }

    #[test]
    fn the_prefilter_never_says_no_to_a_finding(value in soup()) {
        if scan_all(&value, &mut Fuel::new(u64::MAX)).iter().next().is_some() {
            prop_assert!(may_match(&Classes::of(&value)));
        }
    }
}
