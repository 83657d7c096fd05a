//! The change to a pod as a JSON Patch (RFC 6902).

use json_patch::{AddOperation, Patch, PatchOperation, ReplaceOperation, jsonptr::PointerBuf};
use serde_json::{Map, Value};

use crate::sidecar::Parts;

/// Adds `parts` and `annotations` to `pod`: init containers first, then containers, volumes and annotations.
pub(super) fn patch(pod: &Value, parts: Parts, annotations: Vec<(String, String)>) -> Patch {
    let Parts {
        init_containers,
        containers,
        volumes,
    } = parts;
    let mut operations = Vec::new();
    // In front of the pod's own: the sidecar is up before them and ends after them.
    add_items(
        &mut operations,
        pod,
        &["spec", "initContainers"],
        init_containers,
        |idx| idx.to_string(),
    );
    // Behind the pod's own: the first container is the one that kubectl shows the log of.
    add_items(&mut operations, pod, &["spec", "containers"], containers, |_| {
        "-".to_owned()
    });
    add_items(&mut operations, pod, &["spec", "volumes"], volumes, |_| "-".to_owned());
    add_members(&mut operations, pod, &["metadata", "annotations"], annotations);
    Patch(operations)
}

/// Sets annotations alone.
pub(super) fn annotations(pod: &Value, annotations: Vec<(String, String)>) -> Patch {
    let mut operations = Vec::new();
    if !annotations.is_empty() {
        add_members(&mut operations, pod, &["metadata", "annotations"], annotations);
    }
    Patch(operations)
}

/// Adds items to a list; when it is absent or empty, the list itself.
fn add_items(
    operations: &mut Vec<PatchOperation>,
    pod: &Value,
    path: &[&str],
    items: Vec<Value>,
    position: impl Fn(usize) -> String,
) {
    if items.is_empty() {
        return;
    }
    let path = PointerBuf::from_tokens(path.iter().copied());
    if matches!(path.resolve(pod), Ok(Value::Array(present)) if !present.is_empty()) {
        for (idx, value) in items.into_iter().enumerate() {
            let mut path = path.clone();
            path.push_back(position(idx));
            operations.push(add(path, value));
        }
    } else {
        operations.push(add(path, Value::Array(items)));
    }
}

/// Sets members of a map; when it is absent or empty, the map itself.
fn add_members(operations: &mut Vec<PatchOperation>, pod: &Value, path: &[&str], members: Vec<(String, String)>) {
    let path = PointerBuf::from_tokens(path.iter().copied());
    match path.resolve(pod) {
        Ok(Value::Object(present)) if !present.is_empty() => {
            for (key, value) in members {
                let exists = present.contains_key(&key);
                let mut path = path.clone();
                path.push_back(key);
                let value = Value::String(value);
                operations.push(if exists {
                    PatchOperation::Replace(ReplaceOperation { path, value })
                } else {
                    add(path, value)
                });
            }
        }
        _ => {
            let members = members.into_iter().map(|(key, value)| (key, Value::String(value)));
            operations.push(add(path, Value::Object(members.collect::<Map<_, _>>())));
        }
    }
}

/// "Add" also replaces a member that is there, for example `null`.
fn add(path: PointerBuf, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path, value })
}
