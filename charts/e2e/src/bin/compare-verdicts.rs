//! Compares native verdicts with those of the compiled module in Envoy, on a folder of labelled requests as `cargo xtask eval`
//! reads them.
//!
//! `cargo run --release -p e2e --bin compare-verdicts -- FOLDER [AT_MOST_PER_FILE]`

#![allow(clippy::print_stdout)]

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use clap::Parser;
use e2e::verdicts::{Message, compare};
use flate2::read::MultiGzDecoder;

/// Compares native verdicts with those of the compiled module in Envoy.
#[derive(Debug, Parser)]
struct Args {
    /// Folder with `*.jsonl.gz` files.
    folder: PathBuf,
    /// Requests taken of each file, spread over it.
    #[arg(default_value_t = 500)]
    at_most: usize,
}

/// A request as written; strings are bytes read as Latin-1.
#[derive(Debug, serde::Deserialize)]
struct Line {
    id: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body_b64: String,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let Args { folder, at_most } = Args::parse();
    let mut paths = std::fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    paths.retain(|path| path.to_string_lossy().ends_with(".jsonl.gz"));
    paths.sort();
    ensure!(!paths.is_empty(), "no *.jsonl.gz in {}", folder.display());
    let mut n_differences = 0;
    for path in paths {
        let messages = read(&path, at_most).with_context(|| path.display().to_string())?;
        let comparison = compare(&messages).await?;
        println!(
            "{}: {} compared, {} with findings, {} no HTTP, {} different",
            path.file_name().unwrap_or_default().to_string_lossy(),
            comparison.n_compared,
            comparison.n_found,
            comparison.refused.len(),
            comparison.differences.len()
        );
        for difference in &comparison.differences {
            print!("{difference}");
        }
        n_differences += comparison.differences.len();
    }
    ensure!(n_differences == 0, "{n_differences} verdicts differ");
    Ok(())
}

fn read(path: &Path, at_most: usize) -> anyhow::Result<Vec<Message>> {
    let mut text = String::new();
    BufReader::new(MultiGzDecoder::new(File::open(path)?)).read_to_string(&mut text)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let step = lines.len().div_ceil(at_most.max(1)).max(1);
    lines.into_iter().step_by(step).map(message).collect()
}

fn message(line: &str) -> anyhow::Result<Message> {
    let Line {
        id,
        method,
        path,
        headers,
        body_b64,
    } = serde_json::from_str(line)?;
    let kept = |name: &String| {
        let added = [
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "x-request-id",
        ];
        !added.iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let headers = headers.into_iter().filter(|(name, _)| kept(name));
    Ok(Message {
        name: id,
        method,
        target: latin1(&path)?,
        headers: headers
            .map(|(name, value)| Ok((latin1(&name)?, latin1(&value)?)))
            .collect::<anyhow::Result<_>>()?,
        body: BASE64_STANDARD.decode(body_b64)?,
    })
}

fn latin1(text: &str) -> anyhow::Result<Vec<u8>> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).with_context(|| format!("{c:?} is not Latin-1")))
        .collect()
}
