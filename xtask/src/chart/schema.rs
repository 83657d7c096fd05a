//! The JSON Schema that Helm checks values with: types of the defaults, and what `@schema` adds.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::values::{Content, Key, Values};

/// The schema as it stands in the chart.
pub(super) fn of(values: &Values) -> Result<String> {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the chart wallarm-sidecar",
        "$defs": definitions(),
    });
    merge(&mut schema, of_keys(&values.keys, "")?);
    // Helm gives every subchart this key.
    schema["properties"]["global"] = json!({"type": "object"});
    Ok(format!("{schema:#}\n"))
}

/// What several keys share. Objects of Kubernetes are checked by the API server, which knows them better.
fn definitions() -> Value {
    let quantities = json!({"type": "object", "additionalProperties": {"$ref": "#/$defs/quantity"}});
    json!({
        "object": {"type": "object"},
        "objects": {"type": "array", "items": {"type": "object"}},
        "quantity": {
            "type": ["string", "number"],
            "pattern": "^([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?$",
        },
        "resources": {
            "type": "object",
            "properties": {
                "requests": quantities,
                "limits": quantities,
            },
            "additionalProperties": false,
        },
        "intOrPercent": {"type": ["integer", "string"], "minimum": 0, "pattern": "^([0-9]+%?)?$"},
    })
}

fn of_keys(keys: &[Key], path: &str) -> Result<Value> {
    let mut properties = Map::new();
    for key in keys {
        let path = format!("{path}{}", key.name);
        properties.insert(key.name.clone(), of_key(key, &path)?);
    }
    Ok(json!({"type": "object", "properties": properties, "additionalProperties": false}))
}

fn of_key(key: &Key, path: &str) -> Result<Value> {
    let mut schema = json!({});
    if !key.doc.is_empty() {
        schema["description"] = key.doc.as_str().into();
    }
    let added = key.schema.clone().unwrap_or(json!({}));
    match &key.content {
        Content::Keys(keys) => merge(&mut schema, of_keys(keys, &format!("{path}."))?),
        Content::Default(default) => {
            // A reference brings its own type.
            if added.get("$ref").is_none() && added.get("type").is_none() {
                merge(&mut schema, of_default(default, &added, path)?);
            }
        }
    }
    merge(&mut schema, added);
    Ok(schema)
}

fn of_default(default: &Value, added: &Value, path: &str) -> Result<Value> {
    let name = match default {
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) if added.get("items").is_some() => "array",
        Value::Object(_) if added.get("additionalProperties").is_some() => "object",
        _ => bail!("values.yaml: {path}: @schema has to say what this can hold"),
    };
    Ok(json!({"type": name}))
}

/// Adds the members of `more`; they replace those of the same name.
fn merge(schema: &mut Value, more: Value) {
    if let (Some(schema), Value::Object(more)) = (schema.as_object_mut(), more) {
        schema.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str) -> Value {
        let values = Values::parse(yaml).unwrap();
        serde_json::from_str(&of(&values).unwrap()).unwrap()
    }

    #[test]
    fn unknown_keys_are_refused_on_every_level() {
        let schema = check("a:\n  # B.\n  b: 1\n");
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["a"]["additionalProperties"], false);
        assert_eq!(
            schema["properties"]["a"]["properties"]["b"],
            json!({"description": "B.", "type": "integer"})
        );
    }

    #[test]
    fn lists_have_to_say_what_they_hold() {
        let values = Values::parse("# A.\na: []\n").unwrap();
        let error = of(&values).unwrap_err().to_string();
        assert_eq!(error, "values.yaml: a: @schema has to say what this can hold");
    }
}
