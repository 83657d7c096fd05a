//! `cargo xtask test`: everything that CI runs, and nothing that CI does otherwise.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::flags::{self, Part, Test};
use crate::module;
use crate::project::Project;
use crate::{chart, fuzz, setup, tidy, up};

/// Counted tests. A step without tests of its own counts when it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: usize,
    failed: usize,
}

/// Runs the parts in order up to the first that fails; the last line is the count.
pub(crate) fn run(project: &Project, flags: Test) -> Result<()> {
    let Test { part } = flags;
    let started = Instant::now();
    let mut count = Count::default();
    let result = run_parts(project, part, &mut count);
    if let Err(error) = &result {
        count.failed = count.failed.max(1);
        eprintln!("\nFAILED: {error:#}");
    }
    println!("\n{}", time(started));
    println!("{} passed, {} failed", count.passed, count.failed);
    ensure!(result.is_ok(), "tests failed");
    Ok(())
}

fn run_parts(project: &Project, part: Option<Part>, count: &mut Count) -> Result<()> {
    let wants = |wanted| part.is_none_or(|part| part == wanted);
    step("setup", || setup::ensure(project))?;
    if wants(Part::Lint) {
        step("format", || cargo(project, &["fmt", "--all", "--check"]))?;
        step("tidy", || tidy::run(project))?;
        step("chart", || chart::run(project, flags::Chart { check: true }))?;
        step("lint", || {
            cargo(
                project,
                &["clippy", "--locked", "--workspace", "--all-targets", "--", "-Dwarnings"],
            )
        })?;
        for (packages, target) in [
            (&["wasm-filter", "empty-filter"][..], "wasm32-wasip1"),
            (&["waf-playground"], "wasm32-unknown-unknown"),
        ] {
            for package in packages {
                step(&format!("lint {package} for {target}"), || {
                    cargo(
                        project,
                        &[
                            "clippy",
                            "--locked",
                            "-p",
                            package,
                            "--target",
                            target,
                            "--",
                            "-Dwarnings",
                        ],
                    )
                })?;
            }
        }
    }
    if wants(Part::Lint) {
        // A workspace of its own, which nothing above looks at. Only fuzzing itself needs a nightly compiler.
        let manifest = format!("{}/Cargo.toml", fuzz::CRATE);
        step("format and lint fuzz targets", || {
            cargo(project, &["fmt", "--manifest-path", &manifest, "--check"])?;
            let lint = [
                "clippy",
                "--locked",
                "--manifest-path",
                &manifest,
                "--target-dir",
                "target/fuzz",
            ];
            cargo(project, &[&lint[..], &["--", "-Dwarnings"]].concat())
        })?;
    }
    // The live tests load the modules, so they are built for them as well.
    if wants(Part::Wasm) || wants(Part::Unit) {
        step("module", || {
            module::build(project, "wasm-filter")?;
            module::build(project, "empty-filter")
        })?;
    }
    if wants(Part::Wasm) {
        step("module size and imports", || module::check(project))?;
    }
    if wants(Part::Unit) {
        step("control plane for tests", || setup::kubernetes::ensure(project))?;
        step("tests", || cargo_test(project, count))?;
    }
    if wants(Part::Live) {
        step("walk-through", || {
            count.passed += up::check(project)?;
            Ok(())
        })?;
    }
    Ok(())
}

fn step(title: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n== {title}");
    let started = Instant::now();
    run().with_context(|| title.to_owned())?;
    println!("== {title}: {}", time(started));
    Ok(())
}

fn time(since: Instant) -> String {
    let seconds = since.elapsed().as_secs();
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

fn cargo(project: &Project, arguments: &[&str]) -> Result<()> {
    let status = Command::new("cargo")
        .args(arguments)
        .current_dir(project.root())
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "cargo {} failed ({status})", arguments.join(" "));
    Ok(())
}

/// Runs every test, shows the output as it comes and counts the results.
fn cargo_test(project: &Project, count: &mut Count) -> Result<()> {
    // Without --no-fail-fast the count would end at the first crate with a failing test.
    let mut child = Command::new("cargo")
        .args(["test", "--locked", "--workspace", "--no-fail-fast"])
        .current_dir(project.root())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo")?;
    let output = child.stdout.take().context("no output of cargo test")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(result) = parse_result(&line) {
            count.passed += result.passed;
            count.failed += result.failed;
        }
    }
    let status = child.wait()?;
    if count.failed > 0 {
        bail!("{} tests failed", count.failed);
    }
    ensure!(status.success(), "cargo test failed ({status})");
    ensure!(count.passed > 0, "cargo test ran no test");
    Ok(())
}

/// Reads the line that closes the output of one test program.
fn parse_result(line: &str) -> Option<Count> {
    let mut words = line.strip_prefix("test result: ")?.split_whitespace().peekable();
    let mut count = Count::default();
    while let Some(word) = words.next() {
        let Ok(n) = word.parse() else { continue };
        match words.peek()?.trim_end_matches(';') {
            "passed" => count.passed = n,
            "failed" => count.failed = n,
            _ => {}
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted() {
        let check = |line: &str, expected: Option<(usize, usize)>| {
            assert_eq!(
                parse_result(line),
                expected.map(|(passed, failed)| Count { passed, failed }),
                "{line}"
            );
        };
        check(
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.03s",
            Some((12, 0)),
        );
        check(
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
            Some((1, 2)),
        );
        check("test tests::result ... ok", None);
    }
}
