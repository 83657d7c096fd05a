//! What our module costs in a real Envoy, side by side with an empty module and with none.
//!
//! Everything runs on loopback and is bounded by the number of requests. The three proxies are measured in turns, round
//! by round, so that noise of the machine meets all of them; of each figure the median over rounds is shown.

mod load;
mod usage;
mod workload;

use std::{io::Write as _, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use e2e::{
    module::Module,
    proxy::{Proxy, Setup},
};
use waf_policy::{FilterConfig, Mode};

use crate::{load::Load, workload::Workload};

/// Measures what the module costs in Envoy.
#[derive(Debug, Parser)]
struct Args {
    /// Requests per round, workload and proxy.
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
    /// Rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Connections that send one request after the other.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Filtration mode of our module.
    #[arg(long, default_value_t = Mode::Block)]
    mode: Mode,
    /// Skip memory and start-up by number of workers.
    #[arg(long)]
    no_memory: bool,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// Envoy as a plain proxy.
    NoFilter,
    /// A module that does nothing.
    Empty,
    /// Our module.
    Ours,
}

impl Subject {
    const ALL: [Subject; 3] = [Subject::NoFilter, Subject::Empty, Subject::Ours];

    fn name(self) -> &'static str {
        match self {
            Subject::NoFilter => "no filter",
            Subject::Empty => "empty filter",
            Subject::Ours => "ours",
        }
    }

    async fn start(self, app: SocketAddr, mode: Mode, concurrency: usize) -> anyhow::Result<Proxy> {
        let filter = FilterConfig {
            mode,
            // No collector runs, and nothing here is an attack.
            postanalytics_cluster: String::new(),
            ..FilterConfig::default()
        };
        let setup = Setup {
            module: match self {
                Subject::Ours => Module::Shipped,
                Subject::NoFilter | Subject::Empty => Module::Empty,
            },
            concurrency,
            ..Setup::new(app, filter)
        };
        let mut proxy = Proxy::start_unready(setup, |bootstrap| {
            let listeners = bootstrap["static_resources"]["listeners"].as_array_mut();
            for listener in listeners.into_iter().flatten() {
                let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
                // Writing a line per request to a file would drown what is measured.
                manager["access_log"] = serde_json::json!([]);
                if self == Subject::NoFilter
                    && let Some(filters) = manager["http_filters"].as_array_mut()
                {
                    filters.retain(|filter| filter["name"] != envoy::FILTER_NAME);
                }
            }
        })?;
        proxy.wait_for_status("/healthz", 200).await?;
        Ok(proxy)
    }
}

/// One round of one workload through one proxy.
#[derive(Clone, Copy, Debug)]
struct Sample {
    requests_per_second: f64,
    cpu_micros_per_request: f64,
    p50: Duration,
    p99: Duration,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(&args))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let app = load::serve().await?;
    if !args.no_memory {
        memory(args, app).await?;
    }
    let mut proxies = Vec::new();
    for subject in Subject::ALL {
        proxies.push((subject, subject.start(app, args.mode, 1).await?));
    }
    for workload in Workload::ALL {
        compare(args, &proxies, workload).await?;
    }
    Ok(())
}

async fn compare(args: &Args, proxies: &[(Subject, Proxy)], workload: Workload) -> anyhow::Result<()> {
    let request = workload.request();
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); proxies.len()];
    for round in 0..=args.rounds {
        for (place, (_, proxy)) in proxies.iter().enumerate() {
            let load = Load {
                address: proxy.ingress(),
                request: &request,
                connections: args.connections,
                // The first round only warms up.
                requests: if round == 0 { args.requests / 5 } else { args.requests },
            };
            let cpu_before = usage::cpu_time(proxy.pid())?;
            let outcome = load.run().await?;
            let cpu = usage::cpu_time(proxy.pid())?.saturating_sub(cpu_before);
            if round > 0 {
                let n_requests = outcome.latencies.len() as f64;
                samples[place].push(Sample {
                    requests_per_second: n_requests / outcome.elapsed.as_secs_f64(),
                    cpu_micros_per_request: cpu.as_secs_f64() * 1e6 / n_requests,
                    p50: outcome.quantile(0.5),
                    p99: outcome.quantile(0.99),
                });
            }
        }
    }
    let medians: Vec<Sample> = samples.iter().map(|rounds| median(rounds)).collect();
    let name = workload.name();
    line(&format!(
        "\n{name}: {} bytes, {} rounds of {} requests on {} connections, 1 worker, mode {}",
        request.len(),
        args.rounds,
        args.requests,
        args.connections,
        args.mode
    ))?;
    line("                requests/s  CPU us/request        p50        p99")?;
    for ((subject, _), sample) in proxies.iter().zip(&medians) {
        line(&format!(
            "  {:<12} {:>12.0} {:>15.1} {:>7} us {:>7} us",
            subject.name(),
            sample.requests_per_second,
            sample.cpu_micros_per_request,
            sample.p50.as_micros(),
            sample.p99.as_micros()
        ))?;
    }
    let [plain, empty, ours] = medians.as_slice() else {
        anyhow::bail!("three proxies are compared");
    };
    for (against, base) in [("no filter", plain), ("empty filter", empty)] {
        line(&format!(
            "  ours against {against}: throughput {:.2}x, CPU {:.2}x, p50 {:+} us, p99 {:+} us",
            ours.requests_per_second / base.requests_per_second,
            ours.cpu_micros_per_request / base.cpu_micros_per_request,
            added_micros(ours.p50, base.p50),
            added_micros(ours.p99, base.p99),
        ))?;
    }
    let budget = workload.cpu_budget();
    let ratio = ours.cpu_micros_per_request / empty.cpu_micros_per_request;
    let verdict = if ratio <= budget { "kept" } else { "MISSED" };
    line(&format!(
        "  budget: CPU at most {budget:.2}x of an empty filter: {verdict}"
    ))
}

/// Memory after some traffic and CPU until ready, by number of workers.
async fn memory(args: &Args, app: SocketAddr) -> anyhow::Result<()> {
    line("memory (RSS after traffic) and CPU until ready, by number of workers")?;
    for subject in Subject::ALL {
        let mut cells = Vec::new();
        for concurrency in [1, 2, 4] {
            let proxy = subject.start(app, args.mode, concurrency).await?;
            let start_up = usage::cpu_time(proxy.pid())?;
            let request = Workload::Json10Kb.request();
            let load = Load {
                address: proxy.ingress(),
                request: &request,
                // Enough connections for every worker to get some.
                connections: 8 * concurrency,
                requests: 2000,
            };
            load.run().await.context("traffic before measuring memory")?;
            let mib = usage::resident_bytes(proxy.pid())? as f64 / f64::from(1 << 20);
            cells.push(format!("{concurrency}: {mib:.1} MiB, {:.2} s", start_up.as_secs_f64()));
        }
        line(&format!("  {:<12} {}", subject.name(), cells.join("   ")))?;
    }
    Ok(())
}

fn median(samples: &[Sample]) -> Sample {
    let middle = |of: &dyn Fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let duration =
        |of: &dyn Fn(&Sample) -> Duration| Duration::from_secs_f64(middle(&|s| of(s).as_secs_f64()).max(0.0));
    Sample {
        requests_per_second: middle(&|sample| sample.requests_per_second),
        cpu_micros_per_request: middle(&|sample| sample.cpu_micros_per_request),
        p50: duration(&|sample| sample.p50),
        p99: duration(&|sample| sample.p99),
    }
}

fn added_micros(ours: Duration, base: Duration) -> i128 {
    ours.as_micros() as i128 - base.as_micros() as i128
}

fn line(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
