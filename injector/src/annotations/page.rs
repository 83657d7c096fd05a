//! The documentation of annotations, made of the table that they are read by.

use std::fmt::Write;

use super::{Annotation, Group, TABLE};

/// `docs/annotations.md`.
pub fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    for (group, title) in GROUPS {
        // Writing to a string never fails.
        let _ = write!(
            page,
            "\n## {title}\n\n| annotation | values | default | meaning |\n|---|---|---|---|\n"
        );
        for annotation in TABLE.iter().filter(|annotation| annotation.group == group) {
            page.push_str(&line(annotation));
        }
    }
    page
}

const INTRODUCTION: &str = "\
# Annotations

This page is generated from the table that annotations are read by; `cargo test -p injector` says how to renew it.

All names have the prefix `sidecar.wallarm.io/`, which `config.annotationPrefix` changes.
An annotation of the pod (of `spec.template.metadata` in a Deployment) beats the chart value named under \"default\".
All mistakes of a pod are reported at once, and such a pod is refused; an unknown name under the prefix is a mistake.
Older names are read with a warning that names the present one.
";

const GROUPS: [(Group, &str); 5] = [
    (Group::Injection, "Injection"),
    (Group::Containers, "Containers and volumes"),
    (Group::Ports, "Ports and paths"),
    (Group::Filtering, "Filtering"),
    (Group::Envoy, "Envoy"),
];

fn line(annotation: &Annotation) -> String {
    let mut meaning = annotation.meaning.to_owned();
    if let Some((why, already)) = annotation.not_yet() {
        let unless = match already {
            [] => String::new(),
            values => format!(" other than `{}`", values.join("`, `")),
        };
        let _ = write!(meaning, " *A value{unless} is checked and has no effect yet: {why}.*");
    }
    if !annotation.older_names.is_empty() {
        let _ = write!(meaning, " Older name: `{}`.", annotation.older_names.join("`, `"));
    }
    let default = match annotation.default {
        "" => "none".to_owned(),
        setting if setting.starts_with("config.") && !setting.contains(' ') => format!("`{setting}`"),
        words => words.to_owned(),
    };
    format!(
        "| `{}` | {} | {default} | {meaning} |\n",
        annotation.name, annotation.allowed
    )
}
