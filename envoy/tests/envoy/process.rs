//! A real Envoy in a folder of its own.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use envoy::{Paths, Ports, Sidecar};
use tempfile::TempDir;

use crate::module::module;

/// Longest that anything here may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Pause between two looks at a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Where the pinned Envoy is.
fn envoy_binary() -> PathBuf {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/envoy/1.40.0/bin/envoy");
    let path = std::env::var_os("WALLARM_ENVOY").map_or_else(|| installed.into(), PathBuf::from);
    assert!(path.exists(), "{} is missing: run cargo xtask setup", path.display());
    path
}

/// The files of one sidecar, below a folder of their own.
pub(crate) struct Deployment {
    pub(crate) sidecar: Sidecar,
    pub(crate) folder: TempDir,
}

impl Deployment {
    /// Writes the documents and the module. Paths of `sidecar` are replaced.
    pub(crate) fn new(mut sidecar: Sidecar) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let below = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        sidecar.paths = Paths {
            config_dir: below("etc"),
            run_dir: below("run"),
            module: below("wallarm.wasm"),
        };
        fs::create_dir(&sidecar.paths.config_dir).unwrap();
        fs::create_dir(&sidecar.paths.run_dir).unwrap();
        fs::write(&sidecar.paths.module, module()).unwrap();
        fs::write(sidecar.paths.bootstrap(), envoy::bootstrap(&sidecar).to_json()).unwrap();
        let deployment = Deployment { sidecar, folder };
        deployment.write_filter();
        deployment
    }

    /// Moves the resources of the present `sidecar` in.
    pub(crate) fn write_filter(&self) {
        let filters = envoy::filter_configs(&self.sidecar).into_iter();
        let filters = filters.map(|filter| (filter.to_json(), filter.file));
        let certificates = envoy::tls_resources(&self.sidecar).into_iter();
        let certificates = certificates.map(|resource| (resource.to_json(), resource.file));
        for (text, file) in filters.chain(certificates) {
            let staged = self.folder.path().join(&file);
            fs::write(&staged, text).unwrap();
            fs::rename(staged, self.sidecar.paths.config(&file)).unwrap();
        }
    }

    pub(crate) fn edit_bootstrap(&mut self, edit: impl FnOnce(String) -> String) {
        let path = self.sidecar.paths.bootstrap();
        fs::write(&path, edit(fs::read_to_string(&path).unwrap())).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(envoy_binary());
        command.args(["--disable-hot-restart", "--concurrency", "2", "--config-path"]);
        command.arg(self.sidecar.paths.bootstrap());
        command
    }

    /// Whether Envoy accepts the bootstrap, and what it says.
    pub(crate) fn validate(&self) -> (bool, String) {
        let output = self.command().args(["--mode", "validate"]).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Starts Envoy and waits until its status listener answers anything at all.
    pub(crate) fn start(self) -> Envoy {
        let log = self.folder.path().join("envoy.log");
        let mut envoy = Envoy {
            child: self.spawn(&log),
            deployment: self,
            log,
        };
        envoy.wait_until_listening();
        envoy
    }

    fn spawn(&self, log: &Path) -> Child {
        let file = fs::File::create(log).unwrap();
        self.command()
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap()
    }
}

/// A running Envoy, stopped when dropped.
pub(crate) struct Envoy {
    pub(crate) deployment: Deployment,
    child: Child,
    log: PathBuf,
}

impl Envoy {
    /// Ends Envoy without warning and starts it again on the same files.
    pub(crate) fn crash_and_restart(mut self) -> Envoy {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = self.deployment.spawn(&self.log);
        self.wait_until_listening();
        self
    }

    fn wait_until_listening(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(local(self.deployment.sidecar.ports.status)).is_err() {
            assert!(started.elapsed() < DEADLINE, "not listening:\n{}", self.log());
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("Envoy ended with {status}:\n{}", self.log());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Everything that Envoy has written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks one of the listeners with extra header lines.
    pub(crate) fn get(&self, port: u16, path: &str, headers: &str) -> Answer {
        let stream = TcpStream::connect(local(port)).unwrap();
        exchange(stream, path, headers)
    }

    /// Asks the admin interface.
    pub(crate) fn admin(&self, path: &str) -> Answer {
        let socket = self.deployment.sidecar.paths.admin_socket();
        exchange(std::os::unix::net::UnixStream::connect(socket).unwrap(), path, "")
    }

    /// The value of one statistic, none when it does not exist.
    pub(crate) fn stat(&self, name: &str) -> Option<u64> {
        let stats = self.admin("/stats").body;
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
        Some(line.parse().unwrap())
    }

    /// Waits until `condition` holds.
    pub(crate) fn wait_for(&self, what: &str, mut condition: impl FnMut(&Envoy) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            assert!(started.elapsed() < DEADLINE, "no {what}:\n{}", self.log());
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

fn exchange(mut stream: impl Read + Write, path: &str, headers: &str) -> Answer {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no status in {text:?}")),
        body: body.to_owned(),
    }
}

/// Ports that nobody uses at this moment.
pub(crate) fn free_ports() -> Ports {
    let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    let [ingress, status, metrics] = listeners.map(|listener| listener.local_addr().unwrap().port());
    Ports {
        ingress,
        status,
        metrics,
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Whether only the owner may use a file.
pub(crate) fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777 == 0o600
}
