//! `cargo xtask eval`: how well a running sidecar tells attacks from ordinary requests.
//!
//! Every labelled request is sent byte for byte to a sidecar in block mode on this machine. A request that is answered
//! with 403 counts as blocked. The labelled data is not part of this project.

mod corpus;
mod score;
mod send;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::eval::corpus::Record;
use crate::eval::score::{Figures, Outcome};
use crate::flags::Eval;
use crate::project::Project;

/// Sends everything and prints the figures.
pub(crate) fn run(project: &Project, flags: Eval) -> Result<()> {
    let Eval {
        target,
        data,
        out,
        source,
        limit,
        concurrency,
        timeout_s,
    } = flags;
    let address = loopback_target(&target)?;
    let records = corpus::load(&data, &source, limit)?;
    println!(
        "eval: {} requests to {address} over {concurrency} connections",
        records.len()
    );

    let started = Instant::now();
    let answers = send::send_all(
        &records,
        address,
        usize::from(concurrency),
        Duration::from_secs(timeout_s),
    )?;
    let elapsed = started.elapsed();
    let outcomes = answers
        .iter()
        .map(|answer| Outcome::of(answer.status))
        .collect::<Vec<_>>();
    let figures = Figures::new(records.iter().zip(outcomes.iter().copied()));

    let mut latencies = answers.iter().map(|answer| answer.latency).collect::<Vec<_>>();
    latencies.sort_unstable();
    let percentile =
        |part: usize| latencies[(latencies.len() * part / 100).min(latencies.len() - 1)].as_secs_f64() * 1e3;
    let per_second = records.len() as f64 / elapsed.as_secs_f64().max(1e-9);
    print!("{figures}");
    println!(
        "\n{} requests in {:.2} s: {per_second:.0}/s, latency p50 {:.2} ms, p99 {:.2} ms",
        records.len(),
        elapsed.as_secs_f64(),
        percentile(50),
        percentile(99),
    );

    let out = project.root().join(out);
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut report = figures.to_json();
    report["run"] = json!({
        "target": target,
        "requests": records.len(),
        "seconds": elapsed.as_secs_f64(),
        "requests_per_second": per_second,
        "p50_ms": percentile(50),
        "p99_ms": percentile(99),
    });
    fs::write(&out, format!("{report:#}\n")).with_context(|| format!("writing {}", out.display()))?;
    let misses = misses_path(&out);
    let n_misses = write_misses(&misses, &records, &outcomes, &answers)?;
    println!(
        "figures in {}, {n_misses} misses and false positives in {}",
        project.relative(&out),
        project.relative(&misses)
    );
    Ok(())
}

/// The address behind a URL, when nothing but this machine is behind it.
///
/// Thousands of attacks per second are sent there; no other machine may ever be the target.
fn loopback_target(url: &str) -> Result<SocketAddr> {
    let authority = url
        .strip_prefix("http://")
        .with_context(|| format!("--target {url} is not of the form http://HOST:PORT"))?
        .trim_end_matches('/');
    let with_port = match authority.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
        _ => format!("{authority}:80"),
    };
    let addresses = with_port
        .to_socket_addrs()
        .with_context(|| format!("--target {url}: unknown host"))?
        .collect::<Vec<_>>();
    ensure!(
        addresses.iter().all(|address| address.ip().is_loopback()),
        "--target {url} is not on this machine: only loopback addresses are accepted"
    );
    addresses
        .into_iter()
        .next()
        .with_context(|| format!("--target {url}: unknown host"))
}

fn misses_path(out: &Path) -> PathBuf {
    out.with_extension("misses.jsonl")
}

/// Writes attacks that were not blocked and ordinary requests that did not pass.
fn write_misses(path: &Path, records: &[Record], outcomes: &[Outcome], answers: &[send::Answer]) -> Result<usize> {
    let mut file = BufWriter::new(File::create(path).with_context(|| format!("writing {}", path.display()))?);
    let mut n = 0;
    for ((record, outcome), answer) in records.iter().zip(outcomes).zip(answers) {
        if outcome.is_right(record.label) {
            continue;
        }
        n += 1;
        let line = json!({
            "id": record.id,
            "source": record.source,
            "category": record.category,
            "label": record.label,
            "outcome": outcome.name(),
            "status": answer.status.to_string(),
            "text": record.summary(),
        });
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_target() {
        assert_eq!(
            loopback_target("http://127.0.0.1:26001/").unwrap().to_string(),
            "127.0.0.1:26001"
        );
        assert_eq!(loopback_target("http://[::1]:80").unwrap().to_string(), "[::1]:80");
        assert_eq!(loopback_target("http://127.0.0.1").unwrap().port(), 80);
        for url in [
            "http://192.0.2.1:80",
            "http://0.0.0.0:80",
            "https://127.0.0.1",
            "127.0.0.1:80",
        ] {
            assert!(loopback_target(url).is_err(), "{url}");
        }
    }
}
