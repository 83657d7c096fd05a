//! Instructions per unit of fuel, for every detector on hostile repetitions; counted by callgrind, so the machine's load
//! does not matter.
//!
//! Limits count fuel. They bound the work of a request only if a unit stands for about the same number of instructions
//! whatever the input is. This prints where it stands for most.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)]

#[path = "../tests/work/shapes.rs"]
mod shapes;

use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs};

use shapes::{FRONTS, PARTS, repeated};
use waf_engine::detect::{DETECTORS, Detector, Fuel, Place, Scratch, Signs, Value};

/// Set in the process that callgrind runs.
const CHILD: &str = "WAF_BENCH_WORK_CHILD";

/// Length of the shorter of two repetitions; the other is twice as long.
const SHORT_BYTES: usize = 1024;

/// Most instructions that a unit may stand for.
const MAX_PER_UNIT: f64 = 128.0;

/// Most that twice the bytes may cost, as a ratio.
const MAX_GROWTH: f64 = 2.2;

/// Less is not judged: what is done once per value counts for too much.
const MIN_INSTRUCTIONS: u64 = 50_000;

fn main() {
    if env::var_os(CHILD).is_some() {
        count();
    } else {
        report();
    }
}

#[inline(never)]
fn measured(detector: &Detector, value: &Value<'_>, scratch: &mut Scratch, fuel: &mut Fuel, signs: &mut Signs) {
    (detector.scan)(black_box(value), b"next", scratch, fuel, signs);
}

fn wanted() -> Option<String> {
    env::args().skip(1).find(|arg| !arg.starts_with("--"))
}

/// Every combination; prints what it is and how much fuel it took.
fn count() {
    for detector in DETECTORS {
        if wanted().is_some_and(|wanted| wanted != detector.name) {
            continue;
        }
        for front in FRONTS {
            for part in PARTS {
                for n_bytes in [SHORT_BYTES, 2 * SHORT_BYTES] {
                    let text = repeated(front, part, n_bytes);
                    let place = if detector.name == "scanner" {
                        Place::UserAgent
                    } else {
                        Place::Query
                    };
                    let value = Value {
                        bytes: text.as_bytes(),
                        place,
                    };
                    let (mut scratch, mut fuel, mut signs) =
                        (Scratch::default(), Fuel::new(u64::MAX), Signs::default());
                    measured(detector, &value, &mut scratch, &mut fuel, &mut signs);
                    println!(
                        "{}\t{front:?} {part:?}\t{n_bytes}\t{}",
                        detector.name,
                        u64::MAX - fuel.left()
                    );
                }
            }
        }
    }
}

/// One measured combination.
struct Sample {
    detector: String,
    shape: String,
    n_bytes: u64,
    n_fuel: u64,
    n_instructions: u64,
}

/// Runs this program under callgrind and prints what stands out.
fn report() {
    let program = env::current_exe().expect("a path of this program");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("work");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for counts");
    // Callgrind counts inside `measured` only and writes a file whenever it ends.
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--collect-atstart=no",
            "--toggle-collect=work::measured",
        ])
        .args(["--dump-after=work::measured", "--dump-line=no", "--quiet"])
        .arg(format!("--callgrind-out-file={}", folder.join("count").display()))
        .arg(program)
        .args(wanted())
        .env(CHILD, "1")
        .stderr(Stdio::inherit())
        .output();
    let Ok(output) = output else {
        println!("no instruction counts: valgrind is missing (apt-get install valgrind)");
        return;
    };
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let samples: Vec<Sample> = text
        .lines()
        .zip(1..)
        .map(|(line, position)| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [detector, shape, n_bytes, n_fuel] = fields[..] else {
                panic!("{line}")
            };
            let path = folder.join(format!("count.{position}"));
            let counts = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let total = counts
                .lines()
                .find_map(|line| line.strip_prefix("summary: "))
                .expect("a sum");
            Sample {
                detector: detector.to_owned(),
                shape: shape.to_owned(),
                n_bytes: n_bytes.parse().unwrap(),
                n_fuel: n_fuel.parse().unwrap(),
                n_instructions: total.parse().unwrap(),
            }
        })
        .collect();
    let _ = fs::remove_dir_all(&folder);
    for detector in DETECTORS {
        let mut own: Vec<&Sample> = samples
            .iter()
            .filter(|sample| sample.detector == detector.name)
            .collect();
        own.sort_by(|a, b| b.per_unit().total_cmp(&a.per_unit()));
        let Some(median) = own.get(own.len() / 2) else { continue };
        println!(
            "\n{}: median {:.1} instructions per unit",
            detector.name,
            median.per_unit()
        );
        println!("{:>10} {:>10} {:>10} {:>8}  shape", "bytes", "units", "instr.", "ratio");
        for sample in own.iter().take(8) {
            println!(
                "{:>10} {:>10} {:>10} {:>8.1}  {}",
                sample.n_bytes,
                sample.n_fuel,
                sample.n_instructions,
                sample.per_unit(),
                sample.shape
            );
        }
    }
    let mut problems = Vec::new();
    for pair in samples.chunks_exact(2) {
        let [short, long] = pair else { continue };
        if long.n_instructions < MIN_INSTRUCTIONS {
            continue;
        }
        let growth = long.n_instructions as f64 / short.n_instructions as f64;
        let name = format!("{} on {}", long.detector, long.shape);
        if growth > MAX_GROWTH {
            problems.push(format!("{name}: twice the bytes, {growth:.2} times the instructions"));
        }
        if long.per_unit() > MAX_PER_UNIT {
            problems.push(format!("{name}: {:.0} instructions per unit", long.per_unit()));
        }
    }
    if !problems.is_empty() {
        eprintln!("\n{}", problems.join("\n"));
        std::process::exit(1);
    }
    println!(
        "\nno unit stands for more than {MAX_PER_UNIT} instructions, twice the bytes cost at most {MAX_GROWTH} times as much"
    );
}

impl Sample {
    fn per_unit(&self) -> f64 {
        self.n_instructions as f64 / (self.n_fuel + 16) as f64
    }
}
