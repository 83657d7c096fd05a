//! The walk-through of the README, done by a program: every answer is checked.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http;
use crate::up::pod::MODE_ANNOTATION;
use crate::up::session::Session;
use crate::up::sidecar::Applied;

/// Longest wait for a hit to travel from the sidecar through postanalytics to a query.
const HIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for one answer of the sidecar.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The request of the product page: a path traversal in the path itself.
const ATTACK: &str = "/etc/passwd";

const POLL: Duration = Duration::from_millis(100);

/// Runs every step on a fresh session in monitoring and returns how many answers were right.
pub(super) fn run(session: &mut Session, manifest: &Path, stop: &dyn Fn() -> bool) -> Result<usize> {
    let mut steps = Steps {
        session,
        manifest,
        stop,
        n_right: 0,
    };
    steps.expect_status("a page passes", "/", 200)?;
    steps.expect_status("the attack passes in monitoring", ATTACK, 200)?;
    steps.expect_attack("it is registered as ptrav", |attack| {
        attack["attack_type"] == "ptrav" && attack["blocked_hits"] == 0
    })?;

    steps.apply("block mode is applied while serving", Some("block"), Applied::Live)?;
    steps.expect_status("the same request is blocked", ATTACK, 403)?;
    steps.expect_status("a page still passes", "/", 200)?;
    steps.expect_attack("the blocked hit is registered", |attack| {
        attack["attack_type"] == "ptrav" && attack["blocked_hits"].as_u64() > Some(0)
    })?;

    steps.expect_denial("an unknown mode is denied by name", "blocking")?;
    steps.expect_status("the old mode stays in force", ATTACK, 403)?;

    steps.apply("the default is back without the annotation", None, Applied::Live)?;
    steps.expect_status("the attack passes again", ATTACK, 200)?;
    steps.expect_metrics()?;
    Ok(steps.n_right)
}

struct Steps<'a> {
    session: &'a mut Session,
    manifest: &'a Path,
    stop: &'a dyn Fn() -> bool,
    n_right: usize,
}

// === impl Steps ===

impl Steps<'_> {
    fn right(&mut self, what: &str) {
        println!("ok: {what}");
        self.n_right += 1;
    }

    fn expect_status(&mut self, what: &str, path: &str, status: u16) -> Result<()> {
        self.session.check_alive()?;
        let address = self.session.sidecar_address()?;
        let response = http::get(address, path, ANSWER_TIMEOUT).with_context(|| format!("{what}: GET {path}"))?;
        ensure!(
            response.status == status,
            "{what}: GET {path} was answered with {} instead of {status}",
            response.status
        );
        self.right(what);
        Ok(())
    }

    fn expect_attack(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Result<()> {
        let deadline = Instant::now() + HIT_TIMEOUT;
        loop {
            let attacks = self.session.ask(&["attacks"])?;
            if attacks.as_array().into_iter().flatten().any(&is_it) {
                self.right(what);
                return Ok(());
            }
            self.session.check_alive()?;
            ensure!(!(self.stop)(), "stopped");
            if Instant::now() >= deadline {
                bail!(
                    "{what}: not within {} s; the query shows {attacks}",
                    HIT_TIMEOUT.as_secs()
                );
            }
            thread::sleep(POLL);
        }
    }

    fn apply(&mut self, what: &str, mode: Option<&str>, expected: Applied) -> Result<()> {
        set_mode(self.manifest, mode)?;
        let applied = self.session.apply_manifest(self.stop).context(what.to_owned())?;
        ensure!(applied == expected, "{what}: {applied:?} instead of {expected:?}");
        self.right(what);
        Ok(())
    }

    fn expect_denial(&mut self, what: &str, mode: &str) -> Result<()> {
        set_mode(self.manifest, Some(mode))?;
        let Err(denial) = self.session.apply_manifest(self.stop) else {
            bail!("{what}: the mode {mode} was taken");
        };
        let denial = format!("{denial:#}");
        ensure!(
            denial.contains(MODE_ANNOTATION) && denial.contains(mode),
            "{what}: the denial does not name the annotation: {denial}"
        );
        self.right(what);
        Ok(())
    }

    fn expect_metrics(&mut self) -> Result<()> {
        let what = "metrics count the blocked request";
        let address = self.session.sidecar_port("metrics")?;
        let response = http::get(address, "/wallarm-metrics", ANSWER_TIMEOUT)?;
        let text = String::from_utf8_lossy(&response.body);
        ensure!(
            response.status == 200 && text.lines().any(|line| line.starts_with("wallarm_")),
            "{what}: no line of /wallarm-metrics starts with wallarm_:\n{text}"
        );
        self.right(what);
        Ok(())
    }
}

/// Sets or removes the mode in every pod template of a manifest, as a person would with an editor.
fn set_mode(manifest: &Path, mode: Option<&str>) -> Result<()> {
    let text = fs::read_to_string(manifest).with_context(|| format!("reading {}", manifest.display()))?;
    let changed = with_mode(&text, mode)?;
    // In one step, or a reader might see half of it.
    let new = manifest.with_extension("new");
    fs::write(&new, changed)?;
    fs::rename(&new, manifest)?;
    Ok(())
}

fn with_mode(manifest: &str, mode: Option<&str>) -> Result<String> {
    let mut documents = Vec::new();
    for document in serde_norway::Deserializer::from_str(manifest) {
        let mut object = Value::deserialize(document)?;
        if let Some(template) = object.pointer_mut("/spec/template") {
            let annotations = &mut template["metadata"]["annotations"];
            if !annotations.is_object() {
                *annotations = json!({});
            }
            if let Some(annotations) = annotations.as_object_mut() {
                match mode {
                    Some(mode) => annotations.insert(MODE_ANNOTATION.to_owned(), mode.into()),
                    None => annotations.remove(MODE_ANNOTATION),
                };
            }
        }
        documents.push(serde_norway::to_string(&object)?);
    }
    Ok(documents.join("---\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_is_set_and_removed_in_templates_only() {
        let manifest =
            "kind: Deployment\nspec:\n  template:\n    metadata:\n      labels: {a: b}\n---\nkind: Service\nspec: {}\n";
        let blocking = with_mode(manifest, Some("block")).unwrap();
        assert_eq!(blocking.matches("sidecar.wallarm.io/wallarm-mode: block").count(), 1);
        assert!(blocking.contains("kind: Service"));
        let again = with_mode(&blocking, None).unwrap();
        assert!(!again.contains("wallarm-mode"));
    }
}
