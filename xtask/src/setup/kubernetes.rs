//! The Kubernetes control plane, kubectl and Helm for tests: built from Go modules that `charts/e2e/tools` pins by hash.
//!
//! A build takes ten minutes on two cores, so its programs are kept per user, for every checkout, in a folder named after
//! what they were built from. Whoever has the programs of envtest names their folder in `KUBEBUILDER_ASSETS`; what is in
//! there is not built.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use xshell::{Shell, cmd};

use super::{on_path, step};
use crate::project::Project;

/// Name of each program, and the package it is built from.
const PROGRAMS: [(&str, &str); 5] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    (
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    ("helm", "helm.sh/helm/v3/cmd/helm"),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
];

/// Oldest Go that builds them, as the `go` line of the module says.
const GO_VERSION: (u32, u32) = (1, 26);

/// Builds the programs unless they are there, and links their folder to [`Project::kubernetes`].
pub(crate) fn ensure(project: &Project) -> Result<()> {
    let module = project.root().join("charts/e2e/tools");
    let read =
        |name: &str| fs::read_to_string(module.join(name)).with_context(|| format!("reading {name} of the tools"));
    let (go_mod, go_sum) = (read("go.mod")?, read("go.sum")?);
    let assets = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let wanted = PROGRAMS
        .into_iter()
        .filter(|(name, _)| !assets.as_ref().is_some_and(|folder| folder.join(name).is_file()))
        .collect::<Vec<_>>();
    let flags = link_flags(&go_mod)?;
    let store = user_cache()?.join("kubernetes");
    let built = store.join(key(&[&go_mod, &go_sum, &flags]));
    if !wanted.iter().all(|(name, _)| built.join(name).is_file()) {
        fs::create_dir_all(&store).with_context(|| format!("making {}", store.display()))?;
        // Another checkout may be building the same.
        let lock = File::create(store.join("lock"))?;
        flock(&lock, FlockOperation::LockExclusive).context("locking the cache of Kubernetes programs")?;
        let missing = wanted
            .into_iter()
            .filter(|(name, _)| !built.join(name).is_file())
            .collect::<Vec<_>>();
        build(&project.shell()?, &module, &missing, &flags, &built)?;
    }
    link(&built, &project.kubernetes())
}

fn build(shell: &Shell, module: &Path, missing: &[(&str, &str)], flags: &str, built: &Path) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    check_go(shell, &names)?;
    step(
        &format!("go build of {names}, 10 minutes on 2 cores, once per user"),
        "tests install the chart on a real API server",
    );
    let staging = built.with_extension(std::process::id().to_string());
    fs::create_dir_all(&staging)?;
    fs::create_dir_all(built)?;
    let packages = missing.iter().map(|(_, package)| *package);
    let _inside = shell.push_dir(module);
    // One call for all: they share most of their packages. Without cgo, so that they run on any Linux.
    cmd!(
        shell,
        "go build -mod=readonly -trimpath -buildvcs=false -ldflags {flags} -o {staging}/ {packages...}"
    )
    .env("CGO_ENABLED", "0")
    // Flags of the user would change what is built under the same key.
    .env("GOFLAGS", "")
    .env("GOWORK", "off")
    .quiet()
    .run()
    .with_context(|| format!("building {names}"))?;
    for (name, package) in missing {
        // A half-written program would pass for built at the next start.
        fs::rename(staging.join(file_of(package)), built.join(name)).with_context(|| format!("keeping {name}"))?;
    }
    fs::remove_dir_all(&staging)?;
    Ok(())
}

/// Go names a program after the last part of its package's path, unless that is a version.
fn file_of(package: &str) -> &str {
    let mut parts = package.rsplit('/');
    let last = parts.next().unwrap_or(package);
    match last.strip_prefix('v') {
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => parts.next().unwrap_or(last),
        _ => last,
    }
}

fn check_go(shell: &Shell, names: &str) -> Result<()> {
    let (major, minor) = GO_VERSION;
    ensure!(
        on_path("go"),
        "no `go` on the PATH, and {names} are built with Go {major}.{minor} or newer: install it from \
         https://go.dev/dl/, or set KUBEBUILDER_ASSETS to a folder that holds them"
    );
    let version = cmd!(shell, "go env GOVERSION")
        .env("GOTOOLCHAIN", "local")
        .quiet()
        .read()?;
    ensure!(
        is_recent(&version) == Some(true),
        "{version} is too old to build {names}: install Go {major}.{minor} or newer from https://go.dev/dl/"
    );
    Ok(())
}

/// Whether `go1.26.8` is new enough; `None` when it is no version.
fn is_recent(version: &str) -> Option<bool> {
    let mut numbers = version.strip_prefix("go")?.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse::<u32>().ok();
    Some((next()?, next()?) >= GO_VERSION)
}

/// Strips the programs and tells them their versions: an API server built without says v0.0.0, which charts refuse.
fn link_flags(go_mod: &str) -> Result<String> {
    let kubernetes = required(go_mod, "k8s.io/kubernetes")?;
    let helm = required(go_mod, "helm.sh/helm/v3")?;
    let mut numbers = kubernetes.trim_start_matches('v').split('.');
    let (major, minor) = numbers.next().zip(numbers.next()).context("no version of Kubernetes")?;
    let mut flags = "-s -w".to_owned();
    for (name, value) in [
        ("k8s.io/component-base/version.gitVersion", kubernetes),
        ("k8s.io/component-base/version.gitMajor", major),
        ("k8s.io/component-base/version.gitMinor", minor),
        ("helm.sh/helm/v3/internal/version.version", helm),
        ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor", major),
        ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor", minor),
        ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor", major),
        ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor", minor),
    ] {
        flags += &format!(" -X {name}={value}");
    }
    Ok(flags)
}

/// The version of a requirement of a `go.mod`. Programs alone count as indirect.
fn required<'a>(go_mod: &'a str, module: &str) -> Result<&'a str> {
    go_mod
        .lines()
        .filter_map(|line| line.trim().strip_prefix(module)?.strip_prefix(' '))
        .filter_map(|rest| rest.split_whitespace().next())
        .find(|version| version.starts_with('v'))
        .with_context(|| format!("go.mod requires no {module}"))
}

/// Names a build: its platform, and the hash of everything that it is made from.
fn key(inputs: &[&str]) -> String {
    let mut hash = Sha256::new();
    for input in inputs {
        hash.update(input);
        hash.update([0]);
    }
    let digest = hash.finalize();
    let short = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    format!("{}-{}-{short}", env::consts::OS, env::consts::ARCH)
}

/// Folder of this user for what is expensive to build. Source: XDG Base Directory Specification.
fn user_cache() -> Result<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Ok(cache
        .context("neither XDG_CACHE_HOME nor HOME is set: no folder for built programs")?
        .join("wallarm-sidecar"))
}

/// Points `link` to `folder`, in one step.
fn link(folder: &Path, link: &Path) -> Result<()> {
    // With all programs from KUBEBUILDER_ASSETS, nothing has been built.
    fs::create_dir_all(folder)?;
    if fs::read_link(link).is_ok_and(|target| target == folder) {
        return Ok(());
    }
    fs::create_dir_all(link.parent().context("no folder for the link")?)?;
    let staging = link.with_extension(std::process::id().to_string());
    let _ = fs::remove_file(&staging);
    symlink(folder, &staging)?;
    fs::rename(&staging, link).with_context(|| format!("linking {}", link.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO_MOD: &str = "require (\n\thelm.sh/helm/v3 v3.22.0\n\tk8s.io/kubernetes v1.37.2 // indirect\n)\nrequire (\n\tk8s.io/x v0.1.0 // indirect\n)\n";

    #[test]
    fn versions_come_from_the_module() {
        let flags = link_flags(GO_MOD).unwrap();
        assert!(flags.contains("component-base/version.gitVersion=v1.37.2 "), "{flags}");
        assert!(flags.contains("component-base/version.gitMinor=37 "), "{flags}");
        assert!(flags.contains("internal/version.version=v3.22.0 "), "{flags}");
        assert!(link_flags("module x\n").is_err());
    }

    #[test]
    fn programs_are_named_as_go_names_them() {
        assert_eq!(file_of("go.etcd.io/etcd/server/v3"), "server");
        assert_eq!(file_of("k8s.io/kubernetes/cmd/kube-apiserver"), "kube-apiserver");
        assert_eq!(file_of("example.com/vet"), "vet");
    }

    #[test]
    fn old_go_is_refused() {
        assert_eq!(is_recent("go1.26.8"), Some(true));
        assert_eq!(is_recent("go1.26rc1"), Some(true));
        assert_eq!(is_recent("go2.0"), Some(true));
        assert_eq!(is_recent("go1.9.7"), Some(false));
        assert_eq!(is_recent("devel"), None);
    }

    #[test]
    fn key_depends_on_every_input() {
        assert_ne!(key(&["a", "b"]), key(&["ab", ""]));
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
    }
}
