//! The table of values in the chart's README.

use anyhow::{Context, Result};
use serde_json::Value;

use super::values::{Content, Key, Values};

/// The table stands between these lines.
const BEGIN: &str = "<!-- values: written by `cargo xtask chart` -->\n";
const END: &str = "<!-- values: end -->\n";

/// `readme` with a current table.
pub(super) fn replace(readme: &str, values: &Values) -> Result<String> {
    let (before, rest) = readme
        .split_once(BEGIN)
        .context("README.md of the chart has no place for values")?;
    let (_, after) = rest.split_once(END).context("the table of values has no end")?;
    let mut rows = String::new();
    for key in &values.keys {
        add_rows(&mut rows, key, "");
    }
    Ok(format!(
        "{before}{BEGIN}| value | default | meaning |\n|---|---|---|\n{rows}{END}{after}"
    ))
}

fn add_rows(rows: &mut String, key: &Key, path: &str) {
    let path = format!("{path}{}", key.name);
    match &key.content {
        Content::Default(default) => {
            *rows += &format!(
                "| `{path}` | {} | {} |\n",
                shown(default),
                cell(&with_choices(key, default))
            );
        }
        Content::Keys(keys) => {
            if !key.doc.is_empty() {
                *rows += &format!("| **`{path}`** | | {} |\n", cell(&key.doc));
            }
            for key in keys {
                add_rows(rows, key, &format!("{path}."));
            }
        }
    }
}

/// The comment, and the values to choose from.
fn with_choices(key: &Key, default: &Value) -> String {
    let choices = key.schema.as_ref().and_then(|schema| schema.get("enum")?.as_array());
    match choices {
        Some(choices) if default.is_string() && !key.doc.contains('`') => {
            let names = choices.iter().filter_map(Value::as_str).filter(|name| !name.is_empty());
            let names = names.map(|name| format!("`{name}`")).collect::<Vec<_>>();
            format!("{} One of {}.", key.doc, names.join(", "))
        }
        _ => key.doc.clone(),
    }
}

fn shown(default: &Value) -> String {
    match default {
        Value::String(text) if text.is_empty() => "`\"\"`".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{}`", cell(&other.to_string())),
    }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_replaced() {
        let values = Values::parse("# Top.\na:\n  # B.\n  # @schema {\"enum\": [\"x\", \"y\"]}\n  b: x\n").unwrap();
        let table = replace(&format!("before\n{BEGIN}old\n{END}after\n"), &values).unwrap();
        assert_eq!(
            table,
            format!(
                "before\n{BEGIN}| value | default | meaning |\n|---|---|---|\n| **`a`** | | Top. |\n\
                 | `a.b` | `x` | B. One of `x`, `y`. |\n{END}after\n"
            )
        );
    }
}
