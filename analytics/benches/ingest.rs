//! Throughput of the real service: durable acknowledgements, and hits that can be queried.
//!
//! Starts the program on a temporary folder and loads it over loopback, so that load and service share the machine.
//! Besides the rate it prints what the service itself used: processor time per hit, which does not depend on what else
//! runs, and the largest resident set. `cargo bench -p analytics`.

#![expect(clippy::print_stdout, reason = "the figures are the purpose")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use analytics::wire;
use jiff::Timestamp;
use tonic::transport::Channel;
use waf_proto::v1::{self, report_service_client::ReportServiceClient};

/// Connections that send at the same time, one batch under way each.
const N_CONNECTIONS: usize = 8;
/// Time of load per batch size.
const LOAD: Duration = Duration::from_secs(5);

fn main() {
    // `cargo test --all-targets` runs this too, without the flag.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    println!("batch   acked/s   ack p50/p99 ms   both per core-s     acked alone    stored alone   lag s   RSS MiB");
    for n_hits in [20, 100, 500] {
        runtime.block_on(measure(n_hits));
    }
}

async fn measure(n_hits: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let service = Service::start(folder.path());
    let start = Instant::now();
    let mut senders = Vec::new();
    for number in 0..N_CONNECTIONS {
        let url = service.url.clone();
        senders.push(tokio::spawn(send(number, url, n_hits)));
    }
    let mut latencies = Vec::new();
    for sender in senders {
        latencies.extend(sender.await.expect("the load runs"));
    }
    let (load_s, load_cpu_s) = (start.elapsed().as_secs_f64(), service.cpu_s());
    let acked = (latencies.len() * n_hits) as f64;
    let applied_during_load = service.applied().await;
    let deadline = Instant::now() + Duration::from_secs(120);
    let drain = Instant::now();
    while service.applied().await < acked {
        assert!(Instant::now() < deadline, "the store does not catch up");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (lag_s, all_cpu_s) = (drain.elapsed().as_secs_f64(), service.cpu_s());
    // After the load the service does nothing but store, which tells the cost of that apart where enough was left.
    let left = acked - applied_during_load;
    let (acked_rate, stored_rate) = if left > acked / 10.0 {
        let store_cost_s = (all_cpu_s - load_cpu_s) / left;
        let ack_cost_s = all_cpu_s / acked - store_cost_s;
        (format!("{:.0}", 1.0 / ack_cost_s), format!("{:.0}", 1.0 / store_cost_s))
    } else {
        ("-".to_owned(), "-".to_owned())
    };
    latencies.sort();
    let percentile = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    println!(
        "{n_hits:5} {:9.0} {:9.1} /{:6.1} {:14.0} {acked_rate:>14} {stored_rate:>15} {lag_s:7.1} {:9.0}",
        acked / load_s,
        percentile(50),
        percentile(99),
        acked / all_cpu_s,
        service.rss_peak_mib(),
    );
}

/// Sends batches one after the other; the time that each took.
async fn send(number: usize, url: String, n_hits: usize) -> Vec<Duration> {
    let channel = Channel::from_shared(url).expect("an address").connect().await;
    let mut client = ReportServiceClient::new(channel.expect("the service answers"));
    let mut latencies = Vec::new();
    let end = Instant::now() + LOAD;
    let mut sequence = 0;
    while Instant::now() < end {
        sequence += 1;
        let batch = v1::ReportHitsRequest {
            producer: Some(v1::Producer {
                node: format!("bench-{number}"),
                boot: 1,
            }),
            sequence,
            hits: (0..n_hits).map(|i| hit(number, sequence as usize, i)).collect(),
            dropped_total: 0,
        };
        let start = Instant::now();
        let answer = client.report_hits(batch).await.expect("the batch is taken");
        assert_eq!(answer.into_inner().stored as usize, n_hits);
        latencies.push(start.elapsed());
    }
    latencies
}

/// A hit of about 900 bytes: 250 attacks from 4,000 addresses.
fn hit(number: usize, sequence: usize, i: usize) -> v1::Hit {
    let mixed = number * 7919 + sequence * 104_729 + i * 31;
    v1::Hit {
        attack_type: ["sqli", "xss", "ptrav", "rce", "ssrf"][mixed % 5].to_owned(),
        time: Some(wire::time_to(Timestamp::now())),
        request_id: format!("4a0c1a9e-6d2f-4c1b-9f55-{mixed:012x}"),
        application: -1,
        remote_addr: format!("10.1.{}.{}", mixed % 16, mixed / 16 % 250),
        method: b"POST".to_vec(),
        host: format!("host-{}.example.com", mixed % 10).into_bytes(),
        path: format!("/api/v1/items/{}", mixed % 25).into_bytes(),
        mode: "block".to_owned(),
        action: v1::Action::Blocked.into(),
        response_status: 403,
        findings: vec![v1::Finding {
            point: vec![v1::PointElement {
                element: "get".to_owned(),
                key: Some(v1::point_element::Key::Name(b"id".to_vec())),
            }],
            payload: format!(
                "{mixed}' UNION SELECT password FROM users WHERE '{:0400}",
                mixed * 2_654_435_761
            )
            .into_bytes(),
            stamps: vec![7, 12, 99],
            reason: "a string literal is closed and a second query follows".to_owned(),
            span_start: 5,
            span_end: 40,
            decoders: vec!["percent".to_owned()],
        }],
        limits: Vec::new(),
    }
}

/// The program, measured.
struct Service {
    child: Child,
    url: String,
    metrics: String,
}

// === impl Service ===

impl Service {
    fn start(data: &Path) -> Service {
        let mut child = Command::new(env!("CARGO_BIN_EXE_analytics"))
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .args([
                "--log-format",
                "json",
                "--max-spool",
                "8GiB",
                "--sampling",
                "off",
                "--data",
            ])
            .arg(data)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let mut service = Service {
            child,
            url: String::new(),
            metrics: String::new(),
        };
        let mut lines = BufReader::new(stderr).lines();
        let line = lines.next().expect("the program says something").expect("text");
        let entry: serde_json::Value = serde_json::from_str(&line).expect("the program serves");
        service.url = format!("http://{}", entry["address"].as_str().expect("an address"));
        service.metrics = entry["metrics_address"].as_str().expect("an address").to_owned();
        // Keeps the pipe empty; ends with the program.
        std::thread::spawn(move || lines.for_each(drop));
        service
    }

    /// Hits in the store.
    async fn applied(&self) -> f64 {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(&self.metrics).await.expect("metrics");
        let request = b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.expect("metrics");
        let mut page = String::new();
        stream.read_to_string(&mut page).await.expect("metrics");
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix("analytics_hits_applied_total "));
        value.and_then(|value| value.parse().ok()).expect("the metric is there")
    }

    /// Processor time used so far, in seconds. Source: proc(5), fields utime and stime of /proc/PID/stat.
    fn cpu_s(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("Linux");
        let (_, fields) = stat.rsplit_once(')').expect("the name ends in a parenthesis");
        let ticks: f64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok())
            .sum();
        // USER_HZ is 100 on every architecture that Linux and we share.
        ticks / 100.0
    }

    /// Largest resident set so far.
    fn rss_peak_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("the field is there");
        let kib = line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number");
        kib / 1024.0
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
