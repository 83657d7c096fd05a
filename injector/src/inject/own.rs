//! What injection has put into a pod before.

use json_patch::{Patch, PatchOperation, RemoveOperation, jsonptr::PointerBuf};
use serde_json::Value;

use crate::{names, sidecar::Parts};

/// The lists that injection adds to, and which names in them are its own.
const LISTS: [(&str, &[&str]); 3] = [
    ("initContainers", &names::CONTAINERS),
    ("containers", &names::CONTAINERS),
    ("volumes", &names::VOLUMES),
];

/// A pod as it was before its injection.
#[derive(Clone, Debug)]
pub(super) struct Stripped {
    pub(super) pod: Value,
    /// How to get there.
    pub(super) operations: Vec<PatchOperation>,
}

/// Takes out every container and volume of ours, and the volumes that `extra` names: those that annotations add.
pub(super) fn strip(pod: &Value, extra: &[String]) -> Stripped {
    let mut operations = Vec::new();
    for (list, own) in LISTS {
        let items = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
        let is_own = |item: &Value| {
            let name = item["name"].as_str().unwrap_or_default();
            own.contains(&name) || (list == "volumes" && extra.iter().any(|extra| extra == name))
        };
        // From the end, so that no removal moves what is still to be removed.
        for (idx, item) in items.map_or(&[][..], Vec::as_slice).iter().enumerate().rev() {
            if is_own(item) {
                let path = PointerBuf::from_tokens(["spec", list, &idx.to_string()]);
                operations.push(PatchOperation::Remove(RemoveOperation { path }));
            }
        }
    }
    let mut stripped = pod.clone();
    // Every path was found a moment ago.
    match json_patch::patch(&mut stripped, &Patch(operations.clone())) {
        Ok(()) => Stripped {
            pod: stripped,
            operations,
        },
        Err(_) => Stripped {
            pod: pod.clone(),
            operations: Vec::new(),
        },
    }
}

/// Whether every part is there, by its name.
pub(super) fn has_all(pod: &Value, parts: &Parts) -> bool {
    let Parts {
        init_containers,
        containers,
        volumes,
    } = parts;
    let lists = [
        ("initContainers", init_containers),
        ("containers", containers),
        ("volumes", volumes),
    ];
    lists.into_iter().all(|(list, wanted)| {
        let items = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
        let has = |part: &Value| items.into_iter().flatten().any(|item| item["name"] == part["name"]);
        wanted.iter().all(has)
    })
}
