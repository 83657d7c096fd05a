//! `cargo xtask fuzz`: the fuzz targets of the engine, one after another on one core.
//!
//! A target runs until its coverage has been flat for five minutes, and for ten minutes at least; then its corpus is
//! reduced to the inputs that matter. Everything is kept in `target/fuzz`: `corpus/TARGET` to go on from, `crashes/` with what
//! failed, `runs.md` with a line per run.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use xshell::cmd;

use crate::flags::Fuzz;
use crate::project::Project;

/// A crate of its own workspace, so that nothing else needs a nightly compiler.
pub(crate) const CRATE: &str = "wasm-filter/engine/fuzz";

const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// How long coverage must not have grown.
const FLAT: Duration = Duration::from_secs(5 * 60);

/// How long a target runs at least.
const AT_LEAST: Duration = Duration::from_secs(10 * 60);

/// How often a run is looked at.
const GLANCE: Duration = Duration::from_secs(1);

/// Longest input, in bytes.
const MAX_BYTES: usize = 1024;

/// Longest time for one input, in seconds. Inputs are short: one that takes this long found a loop.
const TIMEOUT_S: u32 = 5;

/// Runs one target, or all of them, and fails when one has failed.
pub(crate) fn run(project: &Project, flags: Fuzz) -> Result<()> {
    let Fuzz { target, seconds, build } = flags;
    let bench = Bench::new(project);
    let known = bench.targets()?;
    let targets = match target {
        Some(name) => {
            ensure!(
                known.contains(&name),
                "no fuzz target {name:?}, allowed are {}",
                known.join(", ")
            );
            vec![name]
        }
        None => known,
    };
    bench.install()?;
    bench.build(&targets)?;
    if build {
        return Ok(());
    }
    bench.write_seeds()?;
    let mut failed = Vec::new();
    for target in &targets {
        let outcome = bench.fuzz(target, seconds.map(Duration::from_secs))?;
        bench.record(target, &outcome)?;
        if let Some(crash) = outcome.crash {
            eprintln!("{crash}");
            failed.push(target.as_str());
        }
    }
    ensure!(
        failed.is_empty(),
        "failed: {}; the inputs are in {}",
        failed.join(", "),
        project.relative(&bench.folder.join("crashes"))
    );
    Ok(())
}

/// The folder in which fuzzing happens.
struct Bench<'p> {
    project: &'p Project,
    folder: PathBuf,
}

/// How a run ended.
#[derive(Debug, Default)]
struct Outcome {
    time: Duration,
    n_executions: u64,
    coverage: u64,
    n_inputs: usize,
    /// The last lines of a target that failed.
    crash: Option<String>,
}

// === impl Bench ===

impl<'p> Bench<'p> {
    fn new(project: &'p Project) -> Bench<'p> {
        Bench {
            project,
            folder: project.target().join("fuzz"),
        }
    }

    /// The names of all targets: the binaries of the crate.
    fn targets(&self) -> Result<Vec<String>> {
        let manifest = fs::read_to_string(self.project.root().join(CRATE).join("Cargo.toml"))?;
        let manifest: toml::Table = toml::from_str(&manifest)?;
        let bins = manifest.get("bin").and_then(|bins| bins.as_array());
        let names = bins.into_iter().flatten().filter_map(|bin| bin.get("name")?.as_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn tools(&self) -> PathBuf {
        self.project.tools().join("cargo-fuzz").join(CARGO_FUZZ_VERSION)
    }

    /// Installs cargo-fuzz when it is missing. The nightly compiler is for people to install: it is large.
    fn install(&self) -> Result<()> {
        let shell = self.project.shell()?;
        let toolchains = cmd!(shell, "rustup toolchain list")
            .quiet()
            .read()
            .context("fuzzing needs rustup with a nightly toolchain: https://rustup.rs")?;
        ensure!(
            toolchains.lines().any(|line| line.starts_with("nightly")),
            "fuzzing needs a nightly compiler for its instrumentation: rustup toolchain install nightly --profile minimal"
        );
        let root = self.tools();
        if !root.join("bin/cargo-fuzz").is_file() {
            println!("fuzz: cargo install cargo-fuzz {CARGO_FUZZ_VERSION} (it builds the targets)");
            cmd!(
                shell,
                "cargo +nightly install cargo-fuzz --version {CARGO_FUZZ_VERSION} --locked --quiet --root {root}"
            )
            .quiet()
            .run()?;
        }
        Ok(())
    }

    /// Builds targets with coverage. No sanitizer: the engine has no unsafe code, and without one it runs three times as fast.
    fn build(&self, targets: &[String]) -> Result<()> {
        let shell = self.project.shell()?;
        let program = self.tools().join("bin/cargo-fuzz");
        for target in targets {
            cmd!(
                shell,
                "{program} fuzz build --fuzz-dir {CRATE} --sanitizer none {target}"
            )
            .env("RUSTUP_TOOLCHAIN", "nightly")
            .env("CARGO_TARGET_DIR", &self.folder)
            .quiet()
            .run()?;
        }
        Ok(())
    }

    fn write_seeds(&self) -> Result<()> {
        let shell = self.project.shell()?;
        let seeds = self.folder.join("seeds");
        cmd!(
            shell,
            "cargo run --quiet --locked -p waf-cases --example seeds -- {seeds}"
        )
        .quiet()
        .run()?;
        Ok(())
    }

    fn binary(&self, target: &str) -> Result<PathBuf> {
        let path = self
            .folder
            .join(format!("{}-unknown-linux-gnu/release/{target}", std::env::consts::ARCH));
        ensure!(path.is_file(), "cargo-fuzz left no {}", path.display());
        Ok(path)
    }

    /// Runs a target for the given time, or until nothing new is found.
    fn fuzz(&self, target: &str, time: Option<Duration>) -> Result<Outcome> {
        let corpus = self.folder.join("corpus").join(target);
        let crashes = self.folder.join("crashes");
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&crashes)?;
        let seeds = self.folder.join("seeds").join(match target {
            "parse" | "inspection" | "prefilter" | "work" => "message",
            _ => "value",
        });
        println!("fuzz: {target}");
        let mut child = Command::new(self.binary(target)?)
            .args([&corpus, &seeds])
            .arg(format!("-max_len={MAX_BYTES}"))
            .arg(format!("-timeout={TIMEOUT_S}"))
            .arg(format!("-artifact_prefix={}/{target}-", crashes.display()))
            .arg("-print_final_stats=1")
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {target}"))?;
        let mut outcome = watch(&mut child, time)?;
        if outcome.crash.is_none() {
            self.reduce(target, &corpus, &seeds)?;
        }
        outcome.n_inputs = fs::read_dir(&corpus)?.count();
        Ok(outcome)
    }

    /// Keeps of a corpus what its coverage needs, besides the seeds.
    fn reduce(&self, target: &str, corpus: &Path, seeds: &Path) -> Result<()> {
        let reduced = corpus.with_extension("reduced");
        let _ = fs::remove_dir_all(&reduced);
        fs::create_dir_all(&reduced)?;
        let status = Command::new(self.binary(target)?)
            .arg("-merge=1")
            .args([reduced.as_path(), corpus, seeds])
            .stderr(Stdio::null())
            .status()?;
        ensure!(status.success(), "reducing the corpus of {target} failed ({status})");
        fs::remove_dir_all(corpus)?;
        fs::rename(&reduced, corpus)?;
        Ok(())
    }

    fn record(&self, target: &str, outcome: &Outcome) -> Result<()> {
        let line = row(target, outcome);
        println!("{line}");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("runs.md"))?;
        writeln!(file, "{line}")?;
        Ok(())
    }
}

fn row(target: &str, outcome: &Outcome) -> String {
    let Outcome {
        time,
        n_executions,
        coverage,
        n_inputs,
        crash,
    } = outcome;
    let result = if crash.is_some() { "failed" } else { "clean" };
    let minutes = time.as_secs() / 60;
    format!("| `{target}` | {minutes} min | {n_executions} | {coverage} | {n_inputs} | {result} |")
}

/// Follows a target's output until it has run long enough, then ends it.
fn watch(child: &mut Child, time: Option<Duration>) -> Result<Outcome> {
    let output = child.stderr.take().context("no output")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    let started = Instant::now();
    let mut grown = started;
    let mut is_stopped = false;
    let mut outcome = Outcome::default();
    let mut last = Vec::new();
    loop {
        match lines.recv_timeout(GLANCE) {
            Ok(line) => {
                if let Some(status) = Status::read(&line) {
                    outcome.n_executions = status.n_executions;
                    if status.coverage > outcome.coverage {
                        outcome.coverage = status.coverage;
                        grown = Instant::now();
                    }
                } else {
                    last.push(line);
                    if last.len() > 40 {
                        last.remove(0);
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let is_enough = match time {
            Some(time) => started.elapsed() >= time,
            None => started.elapsed() >= AT_LEAST && grown.elapsed() >= FLAT,
        };
        if is_enough && !is_stopped {
            is_stopped = true;
            outcome.time = started.elapsed();
            let Some(pid) = Pid::from_raw(child.id().try_into()?) else {
                bail!("a process without an id");
            };
            // A target that has just ended by itself needs no signal.
            let _ = kill_process(pid, Signal::INT);
        }
    }
    let status = child.wait()?;
    if !is_stopped {
        outcome.time = started.elapsed();
        outcome.crash = Some(format!("{}\n{status}", last.join("\n")));
    }
    Ok(outcome)
}

/// A line of progress of libFuzzer: `#8192 NEW cov: 120 ft: 300 ...`.
#[derive(Debug, PartialEq, Eq)]
struct Status {
    n_executions: u64,
    coverage: u64,
}

impl Status {
    fn read(line: &str) -> Option<Status> {
        let mut words = line.strip_prefix('#')?.split_whitespace();
        let n_executions = words.next()?.parse().ok()?;
        let coverage = words.skip_while(|word| *word != "cov:").nth(1)?.parse().ok()?;
        Some(Status { n_executions, coverage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read() {
        let check = |line: &str, expected: Option<(u64, u64)>| {
            let expected = expected.map(|(n_executions, coverage)| Status { n_executions, coverage });
            assert_eq!(Status::read(line), expected, "{line}");
        };
        check(
            "#34263\tDONE   cov: 8861 ft: 28184 corp: 5307/544Kb lim: 600 exec/s: 2635 rss: 39Mb",
            Some((34263, 8861)),
        );
        check("#2\tREAD   units: 12 exec/s: 0", None);
        check("###### Recommended dictionary. ######", None);
        check("==1== ERROR: libFuzzer: deadly signal", None);
    }

    #[test]
    fn runs_end_with_a_program_that_fails() {
        let script = "echo '#12 NEW cov: 34 ft: 5' >&2; echo 'thread panicked' >&2; exit 77";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let outcome = watch(&mut child, None).unwrap();
        assert_eq!((outcome.n_executions, outcome.coverage), (12, 34));
        assert!(
            outcome
                .crash
                .as_deref()
                .is_some_and(|text| text.contains("thread panicked"))
        );
        assert_eq!(row("parse", &outcome), "| `parse` | 0 min | 12 | 34 | 0 | failed |");
    }
}
