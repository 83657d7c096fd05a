//! JSON values as YAML that every Kubernetes tool reads alike.
//!
//! `kubectl` reads YAML 1.1, where a plain `off` or `y` is a boolean and `0b1` a number; the serialiser of serde follows
//! YAML 1.2 and leaves such strings plain. Annotations are full of `on` and `off`, so this writer quotes every string
//! that is not obviously one.

use serde_json::Value;

/// Words that are not strings in YAML 1.1, in any case.
const RESERVED_WORDS: [&str; 9] = ["false", "n", "no", "null", "off", "on", "true", "y", "yes"];

/// One document, without separators.
pub(crate) fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    write_block(&mut out, value, 0);
    out
}

/// Writes a value whose first line starts where `out` ends. Every value ends its line.
fn write_block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (idx, (key, value)) in members.iter().enumerate() {
                if idx > 0 {
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                write_string(out, key);
                out.push(':');
                match value {
                    Value::Object(members) if !members.is_empty() => start_line(out, indent + 2),
                    // Items may stand as far left as their key, as kubectl writes them.
                    Value::Array(items) if !items.is_empty() => {
                        start_line(out, indent);
                        write_block(out, value, indent);
                        continue;
                    }
                    _ => out.push(' '),
                }
                write_block(out, value, indent + 2);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (idx, item) in items.iter().enumerate() {
                if idx > 0 {
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                out.push_str("- ");
                write_block(out, item, indent + 2);
            }
        }
        Value::String(text) if indent > 0 && is_literal(text) => {
            out.push('|');
            for line in text.lines() {
                start_line(out, if line.is_empty() { 0 } else { indent });
                out.push_str(line);
            }
            out.push('\n');
        }
        Value::String(text) => {
            write_string(out, text);
            out.push('\n');
        }
        // Numbers, booleans, null, `[]` and `{}` are the same in both languages.
        _ => {
            out.push_str(&value.to_string());
            out.push('\n');
        }
    }
}

fn start_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Writes a string on one line: plain where nobody can take it for anything else, else quoted.
fn write_string(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    if text.chars().all(|c| matches!(c, ' '..='~')) {
        // JSON within YAML, as in our annotations, stays readable in single quotes.
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
}

fn is_plain(text: &str) -> bool {
    let starts_like_a_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | '@' | '$' | '(' | ')');
    let is_reserved = RESERVED_WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    // A colon is harmless within a word, as in an image reference.
    starts_like_a_word && !is_reserved && !text.ends_with(':') && text.chars().all(|c| is_harmless(c) || c == ':')
}

/// Whether a text of several lines can stand as it is: scripts, configuration files.
fn is_literal(text: &str) -> bool {
    let is_printable = |c: char| matches!(c, '\n' | ' '..='~');
    let first_line_sets_the_indent = text.starts_with(|c: char| c.is_ascii_graphic());
    let one_newline_at_the_end = text.ends_with('\n') && !text.ends_with("\n\n");
    first_line_sets_the_indent
        && one_newline_at_the_end
        && text.chars().all(is_printable)
        && text.lines().all(|line| !line.ends_with(' '))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn looks_like_kubectl() {
        let value = json!({
            "kind": "Pod",
            "empty": [{}, [], null, ""],
            "annotations": {"a/b": "off", "port": "80", "image": "a/b:1.2", "colon": "a:", "é": "\u{1F600}\r"},
            "nested": [[1, -2.5], {"args": ["-x", "$(A).b"], "n": true}],
            "script": "set -e\n\n  run\n",
        });
        expect![[r#"
            kind: Pod
            empty:
            - {}
            - []
            - null
            - ''
            annotations:
              a/b: 'off'
              port: '80'
              image: a/b:1.2
              colon: 'a:'
              "\u00E9": "\U0001F600\u000D"
            nested:
            - - 1
              - -2.5
            - args:
              - '-x'
              - '$(A).b'
              'n': true
            script: |
              set -e

                run
        "#]]
        .assert_eq(&to_yaml(&value));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            "[a-zA-Z]{1,3}",
            "[-~0-9a-z:#'\"|>&*!%@`{}\\[\\], \n\t]{0,8}",
            "([a-z #:-]{0,4}\n){1,3}",
            ".{0,4}",
        ];
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            word.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            let members = proptest::collection::vec((word.clone(), inner.clone()), 0..4);
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_back(value in any_value()) {
            let yaml = to_yaml(&value);
            prop_assert_eq!(serde_norway::from_str::<Value>(&yaml).ok(), Some(value), "{}", yaml);
        }
    }
}
