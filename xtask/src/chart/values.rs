//! Reads `values.yaml` with its comments.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Comment lines that add to the schema of the key below begin so.
const SCHEMA_MARK: &str = "@schema ";

/// All values of the chart.
#[derive(Debug)]
pub(super) struct Values {
    /// Keys of the top level, in their order.
    pub(super) keys: Vec<Key>,
}

/// One key with everything below it.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: String,
    /// The comment above the key as one line. Empty: none.
    pub(super) doc: String,
    /// What `@schema` says.
    pub(super) schema: Option<Value>,
    pub(super) content: Content,
}

/// What a key holds.
#[derive(Debug)]
pub(super) enum Content {
    /// Keys of the chart.
    Keys(Vec<Key>),
    /// A value of its own, down to its last part.
    Default(Value),
}

/// A key as its line shows it, before it is known what it holds.
struct Line<'a> {
    number: usize,
    indent: usize,
    name: &'a str,
    doc: String,
    schema: Option<Value>,
}

// === impl Values ===

impl Values {
    /// Errors: text that is no YAML, a value without a comment, a mark that is no JSON.
    pub(super) fn parse(text: &str) -> Result<Values> {
        let defaults = serde_norway::from_str::<Value>(text).context("values.yaml")?;
        let lines = key_lines(text)?;
        let (keys, rest) = keys(&lines, 0, &defaults)?;
        ensure!(
            rest.is_empty(),
            "values.yaml:{}: unexpected indentation",
            rest[0].number
        );
        Ok(Values { keys })
    }
}

/// Keys of one level and the lines after it.
fn keys<'a, 'b>(mut lines: &'b [Line<'a>], indent: usize, defaults: &Value) -> Result<(Vec<Key>, &'b [Line<'a>])> {
    let mut keys = Vec::new();
    while let Some((line, mut rest)) = lines.split_first() {
        if line.indent < indent {
            break;
        }
        let place = format!("values.yaml:{}: {}", line.number, line.name);
        ensure!(line.indent == indent, "{place}: unexpected indentation");
        let default = defaults
            .get(line.name)
            .with_context(|| format!("{place} is not where it seems to be"))?;
        let holds_keys = default.as_object().is_some_and(|map| !map.is_empty()) && line.schema.is_none();
        let content = if holds_keys {
            let below;
            (below, rest) = self::keys(rest, indent + 2, default)?;
            Content::Keys(below)
        } else {
            ensure!(!line.doc.is_empty(), "{place} has no comment");
            let inner = rest.iter().take_while(|inner| inner.indent > indent).count();
            rest = &rest[inner..];
            Content::Default(default.clone())
        };
        keys.push(Key {
            name: line.name.to_owned(),
            doc: line.doc.clone(),
            schema: line.schema.clone(),
            content,
        });
        lines = rest;
    }
    ensure!(
        Some(keys.len()) == defaults.as_object().map(serde_json::Map::len),
        "values.yaml: only block style with two spaces is understood"
    );
    Ok((keys, lines))
}

/// Lines that open a key, with the comments above them.
fn key_lines(text: &str) -> Result<Vec<Line<'_>>> {
    let mut found = Vec::new();
    let mut doc = Vec::new();
    let mut schema = None;
    for (idx, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if let Some(comment) = trimmed.strip_prefix('#') {
            let comment = comment.trim();
            match comment.strip_prefix(SCHEMA_MARK) {
                None => doc.push(comment),
                Some(_) if schema.is_some() => bail!("values.yaml:{}: a second @schema", idx + 1),
                Some(json) => {
                    let json = serde_json::from_str::<Value>(json);
                    schema = Some(json.with_context(|| format!("values.yaml:{}: @schema", idx + 1))?);
                }
            }
            continue;
        }
        let name = trimmed.split(':').next().unwrap_or_default();
        let is_key = trimmed.contains(':') && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        if is_key {
            found.push(Line {
                number: idx + 1,
                indent: line.len() - trimmed.len(),
                name,
                doc: doc.join(" "),
                schema: schema.take(),
            });
        }
        // An empty line ends a comment that is about nothing in particular.
        doc.clear();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_belong_to_the_key_below() {
        let values = Values::parse(
            "# The file.\n\n# First\n# line.\na: 1\nb:\n  # Inner.\n  # @schema {\"enum\": [\"x\"]}\n  c: x\n  # Free.\n  # @schema {}\n  d:\n    e: 1\n    - f: 2\n"
                .replace("    - f: 2\n", "    f: 2\n")
                .as_str(),
        )
        .unwrap();
        let [a, b] = &values.keys[..] else { panic!("{values:?}") };
        assert_eq!((a.name.as_str(), a.doc.as_str()), ("a", "First line."));
        let Content::Keys(inner) = &b.content else {
            panic!("{b:?}")
        };
        assert_eq!(inner[0].schema, Some(serde_json::json!({"enum": ["x"]})));
        let Content::Default(free) = &inner[1].content else {
            panic!("{inner:?}")
        };
        assert_eq!(free, &serde_json::json!({"e": 1, "f": 2}));
    }

    #[test]
    fn every_value_has_a_comment() {
        let error = Values::parse("# A.\na: 1\nb: 2\n").unwrap_err().to_string();
        assert_eq!(error, "values.yaml:3: b has no comment");
    }
}
