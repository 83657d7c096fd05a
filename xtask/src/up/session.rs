//! Everything that runs together: postanalytics, the sidecar and the application.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::http;
use crate::process::{Process, Program, fresh_folder};
use crate::project::Project;
use crate::up::pod::Pod;
use crate::up::render::render;
use crate::up::settings::{Folders, Ports, settings};
use crate::up::sidecar::{Applied, Sidecar};

/// Longest wait for a service to answer after its start.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for a service to end. Postanalytics empties its spool meanwhile.
const STOP_PATIENCE: Duration = Duration::from_secs(25);

/// Longest path of a Unix socket on Linux, in bytes, without the closing zero.
const MAX_SOCKET_PATH_BYTES: usize = 107;

const POLL: Duration = Duration::from_millis(50);

/// A pod with its application, and postanalytics. Dropping it kills all.
#[derive(Debug)]
pub(super) struct Session {
    project: Project,
    folders: Folders,
    ports: Ports,
    manifest: PathBuf,
    application: Process,
    sidecar: Sidecar,
    analytics: Process,
    /// Held as long as anything runs.
    _lock: File,
}

// === impl Session ===

impl Session {
    /// Renders the manifest and starts everything in the order of a cluster: postanalytics is there already, a native
    /// sidecar starts before the application.
    pub(super) fn start(
        project: &Project,
        manifest: &Path,
        folders: Folders,
        ports: Ports,
        stop: &dyn Fn() -> bool,
    ) -> Result<Session> {
        fs::create_dir_all(folders.state()).with_context(|| format!("making {}", folders.state().display()))?;
        let lock = lock(&folders.state().join("lock"))?;
        let socket = folders.run().join("admin.sock");
        ensure!(
            socket.as_os_str().len() <= MAX_SOCKET_PATH_BYTES,
            "{} is too long for a socket: set CARGO_TARGET_DIR to a shorter path",
            socket.display()
        );
        fresh_folder(&folders.pod())?;
        let settings = settings(project, &folders, &ports);
        fs::write(folders.settings(), format!("{settings:#}\n"))?;
        let pod = render(project, manifest, &folders.settings())?;
        for container in pod.preparing() {
            println!("note: the init container {container} is not run here");
        }
        ensure_free(&pod, &ports)?;

        let analytics = start_analytics(project, &folders, &ports, stop)?;
        let sidecar = Sidecar::start(pod, &folders, ports.app, stop)?;
        let application = start_application(project, &folders, &ports, stop)?;
        Ok(Session {
            project: project.clone(),
            folders,
            ports,
            manifest: manifest.to_owned(),
            application,
            sidecar,
            analytics,
            _lock: lock,
        })
    }

    pub(super) fn pod(&self) -> &Pod {
        self.sidecar.pod()
    }

    pub(super) fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Where clients send requests. An annotation may choose another port than the flag.
    pub(super) fn sidecar_address(&self) -> Result<SocketAddr> {
        Ok(loopback(self.pod().sidecar()?.named_port("proxy")?))
    }

    /// The address of the port of the sidecar with this name.
    pub(super) fn sidecar_port(&self, name: &str) -> Result<SocketAddr> {
        Ok(loopback(self.pod().sidecar()?.named_port(name)?))
    }

    /// Renders the manifest anew and applies it. On an error the old configuration stays in force.
    pub(super) fn apply_manifest(&mut self, stop: &dyn Fn() -> bool) -> Result<Applied> {
        let pod = render(&self.project, &self.manifest, &self.folders.settings())?;
        self.sidecar.apply(pod, stop)
    }

    /// Asks postanalytics through its command line, as a person would.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let output = Command::new(self.project.binary("analytics"))
            .args(arguments)
            .args(["--output", "json", "--server"])
            .arg(format!("http://{}", loopback(self.ports.analytics)))
            .output()
            .context("starting analytics")?;
        ensure!(
            output.status.success(),
            "analytics {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Fails when something ended that should run.
    pub(super) fn check_alive(&mut self) -> Result<()> {
        self.application.check_alive()?;
        self.sidecar.process().check_alive()?;
        self.analytics.check_alive()
    }

    /// Ends everything in order, so that the last hits are still stored.
    pub(super) fn stop(mut self) -> Result<()> {
        let application = self.application.stop(STOP_PATIENCE);
        let sidecar = self.sidecar.stop();
        let analytics = self.analytics.stop(STOP_PATIENCE)?;
        application?;
        sidecar?;
        ensure!(
            analytics.success(),
            "postanalytics did not end well ({analytics}):\n{}",
            self.analytics.last_lines(5)
        );
        Ok(())
    }
}

/// Takes the folder of state for this process; the kernel gives it back when the process ends, however it ends.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("`cargo xtask up` is running already in this checkout: stop it with Ctrl-C first")
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// Fails for the first port that something else has.
pub(super) fn ensure_flags_free(ports: &Ports) -> Result<()> {
    for (port, what, flag) in ports.named() {
        check_free(port).with_context(|| format!("port {port} for {what}: choose another with {flag}"))?;
    }
    Ok(())
}

/// The ports of the pod as rendered: an annotation may have chosen another than the flags.
fn ensure_free(pod: &Pod, ports: &Ports) -> Result<()> {
    ensure_flags_free(ports)?;
    let port = pod.sidecar()?.named_port("proxy")?;
    check_free(port).with_context(|| format!("port {port} for the sidecar, as an annotation of the pod says"))
}

fn check_free(port: u16) -> Result<()> {
    // Envoy itself would share the port with another Envoy rather than fail.
    match TcpListener::bind(loopback(port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!("it is taken by another program"),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => bail!("only root may listen on it"),
        Err(error) => Err(error.into()),
    }
}

/// As many free ports as a session needs.
pub(super) fn free_ports() -> io::Result<Ports> {
    // All held at once, so that none is given out twice.
    let listeners = (0..6)
        .map(|_| TcpListener::bind(loopback(0)))
        .collect::<io::Result<Vec<_>>>()?;
    let port = |index: usize| Ok::<_, io::Error>(listeners[index].local_addr()?.port());
    Ok(Ports {
        sidecar: port(0)?,
        status: port(1)?,
        metrics: port(2)?,
        app: port(3)?,
        analytics: port(4)?,
        analytics_metrics: port(5)?,
    })
}

pub(super) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn start_analytics(project: &Project, folders: &Folders, ports: &Ports, stop: &dyn Fn() -> bool) -> Result<Process> {
    let program = Program {
        name: "analytics".to_owned(),
        command: vec![
            project.binary("analytics").into(),
            "serve".into(),
            "--listen".into(),
            loopback(ports.analytics).to_string().into(),
            "--metrics-listen".into(),
            loopback(ports.analytics_metrics).to_string().into(),
            "--data".into(),
            folders.data().into(),
        ],
        env: inherited(),
    };
    let mut process = Process::start(&program, folders.logs())?;
    wait_for_answer(&mut process, loopback(ports.analytics_metrics), "/healthz", stop)?;
    Ok(process)
}

fn start_application(project: &Project, folders: &Folders, ports: &Ports, stop: &dyn Fn() -> bool) -> Result<Process> {
    let program = Program {
        name: "application".to_owned(),
        command: vec![
            project.binary("demo-app").into(),
            "--listen".into(),
            loopback(ports.app).to_string().into(),
        ],
        env: inherited(),
    };
    let mut process = Process::start(&program, folders.logs())?;
    wait_for_answer(&mut process, loopback(ports.app), "/healthz", stop)?;
    Ok(process)
}

/// Of our own environment only what every program needs: settings must come from flags.
fn inherited() -> Vec<(String, String)> {
    ["PATH", "HOME", "TMPDIR"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), env::var(name).ok()?)))
        .collect()
}

fn wait_for_answer(process: &mut Process, address: SocketAddr, path: &str, stop: &dyn Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    while !http::get(address, path, Duration::from_secs(1)).is_ok_and(|response| response.status == 200) {
        process.check_alive()?;
        ensure!(!stop(), "stopped");
        ensure!(
            Instant::now() < deadline,
            "{} does not answer on http://{address}{path}:\n{}",
            process.name(),
            process.last_lines(20)
        );
        thread::sleep(POLL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_flag() {
        let holder = TcpListener::bind(loopback(0)).unwrap();
        let taken = holder.local_addr().unwrap().port();
        let ports = Ports {
            status: taken,
            ..free_ports().unwrap()
        };
        let error = format!("{:#}", ensure_flags_free(&ports).unwrap_err());
        assert_eq!(
            error,
            format!(
                "port {taken} for the sidecar's status: choose another with --status-port: it is taken by another program"
            )
        );
    }

    #[test]
    fn state_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = lock(&path).unwrap();
        assert!(lock(&path).unwrap_err().to_string().contains("running already"));
        drop(first);
        lock(&path).unwrap();
    }
}
