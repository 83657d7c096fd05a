//! `analytics tail` shows what was there, and then what comes.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    sync::mpsc::channel,
    time::Instant,
};

use jiff::SignedDuration;

use crate::{
    running::{PATIENCE, Running, program},
    sample,
};

#[tokio::test(flavor = "multi_thread")]
async fn hits_are_shown_once_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path());
    let mut reports = service.reports().await;
    let mut report = async |sequence: u64, attack_type: &str, payload: &[u8]| {
        let mut hit = sample::hit(attack_type, "shop", "/", SignedDuration::ZERO);
        hit.findings[0].payload = payload.to_vec();
        let batch = sample::batch("pod", sequence, vec![hit]);
        reports.report_hits(batch).await.unwrap();
    };
    report(1, "sqli", b"before").await;
    let mut child = program()
        .args(["tail", "type:sqli", "--server", &service.url()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let deadline = Instant::now() + PATIENCE;
    let next = || {
        let left = deadline.saturating_duration_since(Instant::now());
        lines.recv_timeout(left).expect("a line comes")
    };
    let first = next();
    assert!(
        first.ends_with("monitored  sqli  203.0.113.7  GET  shop/  [\"get\",\"id\"]  before"),
        "{first}"
    );
    report(2, "xss", b"not asked for").await;
    report(3, "sqli", b"then\x1b[2J").await;
    let second = next();
    assert!(second.ends_with("  then\\u{1b}[2J"), "{second}");
    report(4, "sqli", b"last").await;
    let third = next();
    assert!(third.ends_with("  last"), "{third}");
    child.kill().unwrap();
    child.wait().unwrap();
}
