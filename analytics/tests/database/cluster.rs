//! A PostgreSQL cluster of our own: real server, own folder, free port, TLS.

use std::{
    env, fs,
    io::Write,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use analytics::store::postgres::Server;
use tempfile::TempDir;

/// Longest time that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with its folder. Both end with the value; the server also ends with this process, however that ends.
pub(crate) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    running: Mutex<Option<Child>>,
}

#[allow(dead_code, reason = "each test program uses its part")]
impl Cluster {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Cluster {
        let programs = programs();
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster {
            programs,
            folder,
            port: free_port(),
            running: Mutex::default(),
        };
        let data = cluster.folder.path().join("data");
        fs::create_dir(&data).unwrap();
        certify(cluster.folder.path());
        for path in [".", "data", "server.pem", "key.pem"] {
            give(&cluster.folder.path().join(path));
        }
        let output = as_user(&cluster.programs.join("initdb"))
            .args([
                "--username=postgres",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "-D",
            ])
            .arg(&data)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        cluster.run();
        cluster
    }

    /// Starts the server and waits until it takes connections.
    pub(crate) fn run(&self) {
        let folder = self.folder.path();
        // The shell ends the server when the pipe closes, which it does however this process ends.
        // Where it is told nothing before that, the folder goes too.
        let script = r#""$@" </dev/null & pid=$!; word=$(cat); kill -QUIT $pid; wait $pid
            if [ -z "$word" ]; then rm -rf "$0"; fi"#;
        let child = as_user(Path::new("/bin/sh"))
            .args(["-c", script])
            .arg(folder)
            .arg(self.programs.join("postgres"))
            .arg("-D")
            .arg(folder.join("data"))
            .args(["-h", "localhost", "-p", &self.port.to_string(), "-k"])
            .arg(folder)
            .args(["-c", "ssl=on", "-c"])
            .arg(format!("ssl_cert_file={}", folder.join("server.pem").display()))
            .arg("-c")
            .arg(format!("ssl_key_file={}", folder.join("key.pem").display()))
            // What is killed here is the server, not the machine: nothing that it wrote gets lost.
            .args([
                "-c",
                "fsync=off",
                "-c",
                "max_connections=200",
                "-c",
                "shared_buffers=32MB",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ready = Command::new(self.programs.join("pg_isready"))
                .args(["-q", "-h", "localhost", "-p", &self.port.to_string()])
                .status();
            if ready.unwrap().success() {
                return;
            }
            let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PostgreSQL does not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the server like a crash.
    pub(crate) fn crash(&self) {
        let pid = fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap();
        let pid: i32 = pid.lines().next().unwrap().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        self.end(b"keep");
        // Its children notice that they are orphans and end; only then can it start again.
        let deadline = Instant::now() + PATIENCE;
        while TcpListener::bind(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the port stays in use");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(&self, word: &[u8]) {
        let child = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(word).unwrap();
            drop(stdin);
            child.wait().unwrap();
        }
    }

    /// The address of a schema of the server, over TLS.
    pub(crate) fn url(&self, schema: &str) -> String {
        format!(
            "postgres://postgres:not-asked@localhost:{}/postgres?sslmode=require&options=-csearch_path%3D{schema}",
            self.port
        )
    }

    /// The certificate of the server.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// The server, as the store wants it.
    pub(crate) fn server(&self, schema: &str) -> Server {
        let server: Server = self.url(schema).parse().unwrap();
        server.with_ca(Some(self.ca()))
    }

    /// Makes an empty schema.
    pub(crate) fn create(&self, schema: &str) {
        self.sql(&format!("CREATE SCHEMA {schema}"));
    }

    /// Runs a statement and returns what it prints.
    pub(crate) fn sql(&self, statement: &str) -> String {
        let output = Command::new(self.programs.join("psql"))
            .args([
                "-X",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "localhost",
                "-U",
                "postgres",
            ])
            .args(["-p", &self.port.to_string(), "-d", "postgres", "-c", statement])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end(b"");
    }
}

/// A certificate for loopback, signed by itself.
fn certify(folder: &Path) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(folder.join("server.pem"), cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
}

/// The folder with the programs of the newest version, from 15. As root, installs the Debian package where there is none.
fn programs() -> PathBuf {
    if let Some(found) = installed() {
        return found;
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "these tests need PostgreSQL 15 or newer: install it (Debian: postgresql-15), or put its programs on the PATH"
    );
    for arguments in [
        &["update"][..],
        &["install", "-y", "--no-install-recommends", "postgresql-15"],
    ] {
        let status = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "apt-get {arguments:?} failed"
        );
    }
    installed().expect("the package has the programs")
}

fn installed() -> Option<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        let version: Option<u32> = entry.file_name().to_str().and_then(|name| name.parse().ok());
        found.extend(version.map(|version| (version, entry.path().join("bin"))));
    }
    let complete = |folder: &Path| {
        ["initdb", "postgres", "psql", "pg_isready"]
            .iter()
            .all(|name| folder.join(name).exists())
    };
    found.retain(|(version, folder)| *version >= 15 && complete(folder));
    let path = env::var_os("PATH").unwrap_or_default();
    let newest = found.into_iter().max().map(|(_, folder)| folder);
    newest.or_else(|| env::split_paths(&path).find(|folder| complete(folder)))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// PostgreSQL refuses to run as root: the user it runs as then.
fn user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody"))
}

fn as_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((user, group)) = user() {
        command.uid(user).gid(group);
    }
    command
}

fn give(path: &Path) {
    if let Some((user, group)) = user() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}
