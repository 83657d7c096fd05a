//! Scores the engine on labelled requests: `cargo run --release -p waf-engine --example score -- DIR [--misses FILE]`.
//!
//! DIR holds `*.jsonl.gz`, one request per line: `id`, `source`, `category`, `label` (`attack` or `benign`), `method`,
//! `path`, `headers` (pairs) and `body_b64`; strings are wire bytes read as Latin-1. Prints the rate of true and false
//! positives per source, and the mean over sources so that long lists do not drown short ones. FILE receives what
//! attacks were missed and what harmless requests were refused, with the verdict. Also counts requests whose verdict
//! differs without the prefilter: there must be none.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::Path,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use waf_engine::{Body, Engine, Inspection, Request, Scratch, Settings};

/// One line.
#[derive(serde::Deserialize)]
struct Labelled {
    id: String,
    source: String,
    category: String,
    label: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body_b64: String,
}

#[derive(Default)]
struct Counts {
    attacks: u32,
    found: u32,
    benign: u32,
    refused: u32,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = args.next().expect("usage: score DIR [--misses FILE]");
    let misses = match (args.next().as_deref(), args.next()) {
        (Some("--misses"), Some(file)) => Some(file),
        (None, None) => None,
        _ => panic!("usage: score DIR [--misses FILE]"),
    };
    let mut misses = misses.map(|file| File::create(file).expect("creating the file of misses"));

    let engine = Engine::new(Settings::default());
    let mut scratch = Scratch::default();
    let mut sources: BTreeMap<String, Counts> = BTreeMap::new();
    let mut categories: BTreeMap<String, Counts> = BTreeMap::new();
    let mut busy = Duration::ZERO;
    let unfiltered = Engine::new(Settings::default()).without_prefilter();
    let mut n_hidden = 0;
    for labelled in read(Path::new(&dir)) {
        let wire = Wire::of(&labelled);
        let started = Instant::now();
        let inspection = wire.inspect(&engine, &mut scratch);
        busy += started.elapsed();
        if *inspection.verdict() != *wire.inspect(&unfiltered, &mut scratch).verdict() {
            n_hidden += 1;
            println!("the prefilter changes the verdict of {}", labelled.id);
        }
        let is_found = !inspection.verdict().is_clean();
        let is_attack = labelled.label == "attack";
        let source = sources.entry(labelled.source.clone()).or_default();
        let category = format!("{} {}", labelled.source, labelled.category);
        let category = categories.entry(category).or_default();
        for counts in [source, category] {
            counts.attacks += u32::from(is_attack);
            counts.found += u32::from(is_attack && is_found);
            counts.benign += u32::from(!is_attack);
            counts.refused += u32::from(!is_attack && is_found);
        }
        if is_attack != is_found
            && let Some(file) = &mut misses
        {
            let kind = if is_attack { "MISSED" } else { "REFUSED" };
            let body: String = String::from_utf8_lossy(&wire.body).chars().take(2000).collect();
            write!(
                file,
                "{kind} {} {} {} {}\n{body}\n{}\n",
                labelled.id,
                labelled.category,
                labelled.method,
                labelled.path,
                inspection.verdict()
            )
            .expect("writing the file of misses");
        }
    }

    print("source", &sources);
    print("source and category", &categories);
    let n_requests: u32 = sources.values().map(|counts| counts.attacks + counts.benign).sum();
    println!(
        "{n_requests} requests, {:.1} µs each",
        busy.as_secs_f64() * 1e6 / f64::from(n_requests.max(1))
    );
    println!("{n_hidden} verdicts changed by the prefilter");
    macro_rates(&sources);
}

fn print(title: &str, rows: &BTreeMap<String, Counts>) {
    println!(
        "{title:<40} {:>8} {:>8} {:>8} {:>8}",
        "attacks", "TPR %", "benign", "FPR %"
    );
    for (name, counts) in rows {
        println!(
            "{name:<40} {:>8} {:>8} {:>8} {:>8}",
            counts.attacks,
            rate(counts.found, counts.attacks),
            counts.benign,
            rate(counts.refused, counts.benign)
        );
    }
    println!();
}

fn rate(part: u32, whole: u32) -> String {
    match whole {
        0 => "-".to_owned(),
        _ => format!("{:.2}", f64::from(part) * 100.0 / f64::from(whole)),
    }
}

/// Means over sources. SQL sent to SQL consoles is left out: its content is no different from an attack's.
fn macro_rates(sources: &BTreeMap<String, Counts>) {
    let mean = |title: &str, filter: &dyn Fn(&str) -> bool, rate: &dyn Fn(&Counts) -> Option<f64>| {
        let rates: Vec<f64> = sources
            .iter()
            .filter(|(name, _)| filter(name))
            .filter_map(|(_, counts)| rate(counts))
            .collect();
        let sum: f64 = rates.iter().sum();
        println!("{title:<40} {:.3} %", sum * 100.0 / (rates.len().max(1) as f64));
    };
    let of = |part: u32, whole: u32| (whole > 0).then(|| f64::from(part) / f64::from(whole));
    let is_authoring = |name: &str| ["benign-code", "benign-markdown", "benign-richtext"].contains(&name);
    let is_console = |name: &str| name == "benign-sqlconsole";
    mean("true positives, macro", &|_| true, &|counts| {
        of(counts.found, counts.attacks)
    });
    mean(
        "false positives, core, macro",
        &|name| name.starts_with("benign-") && !is_authoring(name) && !is_console(name),
        &|counts| of(counts.refused, counts.benign),
    );
    mean("false positives, code and markdown, macro", &is_authoring, &|counts| {
        of(counts.refused, counts.benign)
    });
}

fn read(dir: &Path) -> impl Iterator<Item = Labelled> {
    let entries = fs::read_dir(dir).expect("reading the folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("reading the folder").path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".jsonl.gz"));
    paths.sort();
    paths.into_iter().flat_map(|path| {
        let file = File::open(&path).expect("opening a file of requests");
        let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
        lines.map(|line| serde_json::from_str(&line.expect("reading a line")).expect("a request per line"))
    })
}

/// A request as bytes.
struct Wire {
    method: Vec<u8>,
    path: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

impl Wire {
    fn of(labelled: &Labelled) -> Wire {
        let latin1 = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<u8>>();
        Wire {
            method: latin1(&labelled.method),
            path: latin1(&labelled.path),
            headers: labelled
                .headers
                .iter()
                .map(|(name, value)| (latin1(name), latin1(value)))
                .collect(),
            body: BASE64_STANDARD.decode(&labelled.body_b64).expect("a body in base64"),
        }
    }

    fn inspect(&self, engine: &Engine, scratch: &mut Scratch) -> Inspection {
        let headers: Vec<(&[u8], &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (&name[..], &value[..]))
            .collect();
        let request = Request {
            method: &self.method,
            target: &self.path,
            headers: &headers,
            ..Default::default()
        };
        let mut inspection = Inspection::default();
        engine.inspect_head(&request, scratch, &mut inspection);
        let body = Body {
            bytes: &self.body,
            is_complete: true,
        };
        engine.inspect_body(body, scratch, &mut inspection);
        inspection
    }
}
