//! Finds the programs and modules under test.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, bail, ensure};

/// A proxy-wasm module that Envoy can load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// The module as shipped. `WALLARM_WASM` names another file.
    Shipped,
    /// Our module with the feature `trap-for-tests`, not optimised.
    Trapping,
    /// A module that does nothing.
    Empty,
}

impl Module {
    /// Builds the module if it is not up to date and returns its path.
    pub fn path(self) -> anyhow::Result<PathBuf> {
        static SHIPPED: OnceLock<PathBuf> = OnceLock::new();
        static TRAPPING: OnceLock<PathBuf> = OnceLock::new();
        static EMPTY: OnceLock<PathBuf> = OnceLock::new();
        if self == Module::Shipped
            && let Some(path) = env::var_os("WALLARM_WASM")
        {
            return Ok(path.into());
        }
        let (cell, build) = match self {
            Module::Shipped => (
                &SHIPPED,
                Build {
                    package: "wasm-filter",
                    profile: "wasm",
                    features: "",
                },
            ),
            // Another profile and so another folder: a module that can be made to trap must never be taken for ours.
            Module::Trapping => (
                &TRAPPING,
                Build {
                    package: "wasm-filter",
                    profile: "dev",
                    features: "trap-for-tests",
                },
            ),
            Module::Empty => (
                &EMPTY,
                Build {
                    package: "empty-filter",
                    profile: "wasm",
                    features: "",
                },
            ),
        };
        if let Some(path) = cell.get() {
            return Ok(path.clone());
        }
        let path = build.run()?;
        Ok(cell.get_or_init(|| path).clone())
    }

    /// The module's bytes.
    pub fn bytes(self) -> anyhow::Result<Vec<u8>> {
        let path = self.path()?;
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    }
}

struct Build {
    package: &'static str,
    profile: &'static str,
    features: &'static str,
}

impl Build {
    fn run(&self) -> anyhow::Result<PathBuf> {
        let Build {
            package,
            profile,
            features,
        } = self;
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(project())
            .args(["build", "--quiet", "--locked", "--target", "wasm32-wasip1"])
            .args(["--package", package, "--profile", profile, "--features", features])
            // Flags meant for this test binary must not reach the module.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .output()
            .context("running cargo")?;
        ensure!(
            output.status.success(),
            "building {package} for wasm32-wasip1 (when the target is missing: run cargo xtask setup):\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let folder = if *profile == "dev" { "debug" } else { profile };
        let file = format!("{}.wasm", package.replace('-', "_"));
        Ok(target_dir().join("wasm32-wasip1").join(folder).join(file))
    }
}

/// The program `analytics`, built if it is not up to date.
pub fn analytics_binary() -> anyhow::Result<PathBuf> {
    binary("analytics")
}

/// The program `injector`, built if it is not up to date.
pub fn injector_binary() -> anyhow::Result<PathBuf> {
    binary("injector")
}

/// The program of the crate of the same name.
fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(project())
        .args(["build", "--quiet", "--locked", "--package", name, "--bin", name])
        .output()
        .context("running cargo")?;
    ensure!(
        output.status.success(),
        "building {name}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(target_dir().join("debug").join(name))
}

/// The pinned Envoy. `WALLARM_ENVOY` names another one.
pub fn envoy_binary() -> anyhow::Result<PathBuf> {
    let path = env::var_os("WALLARM_ENVOY")
        .map_or_else(|| project().join("target/tools/envoy/1.40.0/bin/envoy"), PathBuf::from);
    if !path.exists() {
        bail!("{} is missing: run cargo xtask setup", path.display());
    }
    Ok(path)
}

/// The root of the repository.
pub fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| project().join("target"), |dir| project().join(dir))
}
