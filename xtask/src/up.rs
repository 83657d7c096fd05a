//! `cargo xtask up`: the whole product on this machine, with real parts.
//!
//! The manifest goes through the real injection code; the pod that comes out is run the way a kubelet would: container
//! `sidecar-proxy` with exactly its command, arguments, environment and files. What must differ outside a cluster stands
//! in `settings`. The application of the pod is replaced by our demo application, because its image cannot be run here.

mod admin;
mod pod;
mod render;
mod session;
mod settings;
mod sidecar;
mod volume;
mod walkthrough;
mod watch;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::flags::Up;
use crate::process::fresh_folder;
use crate::project::Project;
use crate::up::session::Session;
use crate::up::settings::{Folders, Ports};
use crate::up::sidecar::Applied;
use crate::up::watch::Watch;
use crate::{module, setup};

/// The manifest of the walk-through.
const EXAMPLE: &str = "charts/examples/myapp.yaml";

/// How often the processes and the manifest are looked at.
const POLL: Duration = Duration::from_millis(100);

/// Runs until Ctrl-C, or the walk-through with `--check`.
pub(crate) fn run(project: &Project, flags: Up) -> Result<()> {
    if flags.check {
        setup::ensure(project)?;
        module::build(project, "wasm-filter")?;
        let n = check(project)?;
        println!("{n} passed, 0 failed");
        return Ok(());
    }
    let ports = Ports::from_flags(&flags);
    let Up { manifest, verbose, .. } = flags;
    // Relative paths are the reader's, not the repository's; the default is the repository's.
    let manifest = if manifest == Path::new(EXAMPLE) {
        project.root().join(manifest)
    } else {
        manifest
    };
    fs::metadata(&manifest).with_context(|| format!("manifest {}", manifest.display()))?;
    // Said before minutes of building rather than after.
    session::ensure_flags_free(&ports)?;
    setup::ensure(project)?;
    println!("up: building the module");
    module::build(project, "wasm-filter")?;
    println!("up: building injector, analytics and demo-app");
    build_programs(project)?;

    let stop = stop_flag()?;
    let stopping = || stop.load(Ordering::Relaxed);
    println!("up: injecting {} and starting", project.relative(&manifest));
    let folders = Folders::new(project.target().join("up"));
    let mut watch = Watch::new(&manifest);
    let mut session = match Session::start(project, &manifest, folders.clone(), ports, &stopping) {
        Err(_) if stopping() => return Ok(()),
        session => session?,
    };
    if verbose {
        explain(&session, &folders)?;
    }
    welcome(project, &session, &manifest, &folders)?;
    while !stopping() {
        session.check_alive()?;
        if watch.changed() {
            match session.apply_manifest(&stopping) {
                Ok(applied) => println!("{}", describe(applied, &session)),
                Err(_) if stopping() => break,
                Err(error) => eprintln!("{error:#}\nup: not applied; the old configuration stays in force"),
            }
        }
        thread::sleep(POLL);
    }
    println!("\nup: stopping");
    session.stop()?;
    println!("up: stopped");
    Ok(())
}

/// Runs the walk-through of the README on free ports with a fresh store; returns how many answers were right.
///
/// The module must have been built.
pub(crate) fn check(project: &Project) -> Result<usize> {
    build_programs(project)?;
    let stop = stop_flag()?;
    let stopping = || stop.load(Ordering::Relaxed);
    let folders = Folders::new(project.target().join("up-check"));
    fresh_folder(folders.state())?;
    // A copy: the walk-through edits it.
    let manifest = folders.state().join("manifest.yaml");
    fs::copy(project.root().join(EXAMPLE), &manifest).with_context(|| format!("copying {EXAMPLE}"))?;
    let ports = session::free_ports()?;
    let mut session = Session::start(project, &manifest, folders, ports, &stopping)?;
    let n_right = walkthrough::run(&mut session, &manifest, &stopping)?;
    session.stop()?;
    Ok(n_right)
}

fn build_programs(project: &Project) -> Result<()> {
    let status = Command::new("cargo")
        .args([
            "build",
            "--locked",
            "-p",
            "injector",
            "-p",
            "analytics",
            "-p",
            "demo-app",
        ])
        .current_dir(project.root())
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "building the services failed ({status})");
    Ok(())
}

/// Turns true at Ctrl-C, at `kill`, and when the terminal is closed.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("watching for signals")?;
    }
    Ok(stop)
}

fn describe(applied: Applied, session: &Session) -> String {
    let mode = session.pod().mode().unwrap_or_default();
    match applied {
        Applied::Nothing => "up: nothing changed for the sidecar".to_owned(),
        Applied::Live => format!("up: applied without a restart; mode {mode} is in force"),
        Applied::Restarted => format!("up: applied by restarting the sidecar; mode {mode} is in force"),
    }
}

/// What differs from the pod in a cluster.
fn explain(session: &Session, folders: &Folders) -> Result<()> {
    println!("\nThe manifest was injected with these settings:");
    print!("{}", fs::read_to_string(folders.settings())?);
    println!(
        "and the bootstrap's cluster `app` points to the port {} instead of the manifest's.",
        session.ports().app
    );
    Ok(())
}

fn welcome(project: &Project, session: &Session, manifest: &Path, folders: &Folders) -> Result<()> {
    let sidecar = session.sidecar_address()?;
    let ports = session.ports();
    let loopback = session::loopback;
    let mode = session.pod().mode().unwrap_or_default();
    let analytics = project.binary("analytics");
    let analytics = project.relative(&analytics);
    let server = match ports.analytics {
        3313 => String::new(),
        port => format!(" --server http://{}", loopback(port)),
    };
    println!(
        "
Everything runs.

  through the sidecar   http://{sidecar}/   (mode {mode})
  without it            http://{app}/
  health                http://{status}/healthz
  metrics               http://{metrics}/wallarm-metrics
  postanalytics         {grpc} (gRPC), http://{analytics_metrics}/metrics
  logs                  {logs}/*.log

Try next:

  curl -i http://{sidecar}/etc/passwd
  {analytics} attacks{server}
  add the annotation `{annotation}: block` to the pod template in
    {manifest} and save it, then repeat the first command

Ctrl-C stops everything.",
        app = loopback(ports.app),
        status = session.sidecar_port("status")?,
        metrics = session.sidecar_port("metrics")?,
        grpc = loopback(ports.analytics),
        analytics_metrics = loopback(ports.analytics_metrics),
        logs = project.relative(folders.logs()),
        annotation = pod::MODE_ANNOTATION,
        manifest = project.relative(manifest),
    );
    Ok(())
}
