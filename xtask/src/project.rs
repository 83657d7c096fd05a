//! Where things are: the repository, its target folder and what is built there.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::Shell;

/// Version of Envoy that everything here is built for and tested with.
pub(crate) const ENVOY_VERSION: &str = "1.40.0";

/// The checkout that this xtask was built from.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    root: PathBuf,
    target: PathBuf,
}

// === impl Project ===

impl Project {
    /// Finds the repository from the place of this crate, so that the current folder does not matter.
    pub(crate) fn find() -> Result<Project> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask stands in no repository")?
            .to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        Ok(Project { root, target })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything that may be deleted at any time.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// A shell in the root of the repository.
    pub(crate) fn shell(&self) -> Result<Shell> {
        let shell = Shell::new()?;
        shell.change_dir(&self.root);
        Ok(shell)
    }

    /// Private folder of tools that `setup` installs. Never below `CARGO_TARGET_DIR`: tests look for it here.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join("target/tools")
    }

    pub(crate) fn envoy(&self) -> PathBuf {
        self.tools().join("envoy").join(ENVOY_VERSION).join("bin/envoy")
    }

    /// etcd, kube-apiserver, kube-controller-manager, kubectl and helm: a link into the user's cache.
    pub(crate) fn kubernetes(&self) -> PathBuf {
        self.tools().join("kubernetes")
    }

    /// The proxy-wasm module, as `cargo build -p wasm-filter --profile wasm` leaves it.
    pub(crate) fn wasm_module(&self) -> PathBuf {
        self.target.join("wasm32-wasip1/wasm/wasm_filter.wasm")
    }

    /// A binary of ours in the development profile.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// `path` as a person in the root of the repository would write it.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}
