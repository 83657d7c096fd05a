//! Starts and ends the real program.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tonic::transport::Channel;
use waf_proto::v1::{query_service_client::QueryServiceClient, report_service_client::ReportServiceClient};

/// Longest time that anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The running program. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    log: Receiver<String>,
    /// Address of gRPC.
    pub(crate) grpc: SocketAddr,
    /// Address of the metrics.
    pub(crate) metrics: SocketAddr,
}

/// The program with its arguments, not yet started.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_analytics"));
    // Settings of whoever runs the tests do not count.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ANALYTICS_") {
            command.env_remove(name);
        }
    }
    command
}

/// `serve` on ports that are free.
pub(crate) fn serve(data: &Path) -> Command {
    let mut command = program();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
        .args(["--log-format", "json", "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

impl Running {
    /// Starts the service on a folder and waits until it serves.
    pub(crate) fn start(data: &Path) -> Running {
        Running::start_with(data, &[])
    }

    /// Starts with more arguments.
    pub(crate) fn start_with(data: &Path, arguments: &[&str]) -> Running {
        let child = serve(data).args(arguments).spawn().expect("the program starts");
        let (lines, log) = channel();
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut running = Running {
            child,
            log,
            grpc: unknown,
            metrics: unknown,
        };
        let stderr = running.child.stderr.take().expect("stderr is piped");
        std::thread::spawn(move || {
            // Reading to the end keeps the program from blocking on a full pipe.
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let mut seen = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = running.log.recv_timeout(left) else {
                panic!("the program does not serve; it said {seen:#?}");
            };
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if entry["message"] == "Serving." {
                let address = |name: &str| entry[name].as_str().unwrap().parse().unwrap();
                running.grpc = address("address");
                running.metrics = address("metrics_address");
                return running;
            }
            seen.push(line);
        }
    }

    /// Ends it like a crash: SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end: SIGTERM.
    pub(crate) fn ask_to_stop(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits for its end and returns what it logged since the start.
    pub(crate) fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.log.iter().collect());
            }
            assert!(Instant::now() < deadline, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Address for clients.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// A connection.
    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(self.url()).unwrap().connect().await.unwrap()
    }

    /// A client for reports.
    pub(crate) async fn reports(&self) -> ReportServiceClient<Channel> {
        ReportServiceClient::new(self.channel().await)
    }

    /// A client for queries.
    pub(crate) async fn queries(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel().await)
    }

    /// The body of a page on the metrics address.
    pub(crate) fn page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.metrics).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        body.to_owned()
    }

    /// The value of a metric without labels, or with exactly these.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let page = self.page("/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again until the answer is there.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
