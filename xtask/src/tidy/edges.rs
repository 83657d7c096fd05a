//! Which crate may depend on which; ARCHITECTURE.md draws the same picture.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Deserialize;
use xshell::cmd;

use crate::project::Project;
use crate::tidy::Problem;

/// Every crate of ours and those of ours that it may name, in any kind of dependency.
const ALLOWED: [(&str, &[&str]); 13] = [
    ("wasm-filter", &["waf-engine", "waf-policy", "waf-proto"]),
    ("waf-policy", &[]),
    ("waf-engine", &["waf-cases", "waf-policy"]),
    ("waf-cases", &[]),
    ("waf-playground", &["waf-engine", "waf-policy"]),
    ("envoy", &["waf-policy"]),
    ("injector", &["envoy", "waf-policy"]),
    ("analytics", &["waf-proto", "waf-policy"]),
    ("waf-proto", &[]),
    (
        "e2e",
        &[
            "envoy",
            "injector",
            "waf-cases",
            "waf-engine",
            "waf-policy",
            "waf-proto",
            "analytics",
        ],
    ),
    ("empty-filter", &[]),
    ("demo-app", &[]),
    ("xtask", &[]),
];

/// What is used of `cargo metadata`.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// Present for crates of this repository only.
    path: Option<String>,
}

/// Asks cargo for the crates of the workspace.
pub(super) fn metadata(project: &Project) -> Result<Metadata> {
    let shell = project.shell()?;
    let json = cmd!(shell, "cargo metadata --format-version 1 --no-deps")
        .quiet()
        .read()
        .context("asking cargo for the crates of the workspace")?;
    Ok(serde_json::from_str(&json)?)
}

pub(super) fn check(metadata: &Metadata) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            problems.push(problem(format!(
                "crate {} is not in xtask's list of crates",
                package.name
            )));
            continue;
        };
        let ours = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.path.is_some())
            .map(|dependency| dependency.name.as_str())
            .collect::<BTreeSet<_>>();
        for name in ours {
            // A crate may name itself to switch on its own features for tests.
            if name != package.name && !allowed.contains(&name) {
                problems.push(problem(format!(
                    "{} may not depend on {name}: a new edge in the crate graph is discussed first, then drawn there",
                    package.name
                )));
            }
        }
    }
    problems
}

fn problem(what: String) -> Problem {
    Problem::new("ARCHITECTURE.md", 0, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_edge(name: &str, dependency: &str, is_fine: bool) {
        let metadata = serde_json::from_value(serde_json::json!({
            "packages": [{ "name": name, "dependencies": [
                { "name": "serde", "path": null },
                { "name": dependency, "path": "/somewhere" },
            ]}],
        }))
        .unwrap();
        assert_eq!(check(&metadata).is_empty(), is_fine, "{name} → {dependency}");
    }

    #[test]
    fn only_drawn_edges_are_allowed() {
        check_edge("injector", "envoy", true);
        check_edge("waf-engine", "waf-policy", true);
        check_edge("waf-engine", "waf-proto", false);
        check_edge("waf-policy", "waf-engine", false);
        check_edge("xtask", "waf-policy", false);
        check_edge("newcomer", "newcomer", false);
    }
}
