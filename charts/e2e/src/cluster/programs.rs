//! Finds the programs that `cargo xtask setup` built, and runs them so that they never outlive the tests.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, bail, ensure};

use crate::module::project;

/// How much of the end of a log is shown, in bytes.
const TAIL_BYTES: usize = 4096;

/// A running program of the control plane; killed when dropped, and by the kernel when the thread that started it ends.
#[derive(Debug)]
pub(super) struct Program {
    name: &'static str,
    log: PathBuf,
    child: Child,
}

/// Path of a program: `KUBEBUILDER_ASSETS` first, as envtest has it, then what `setup` built.
pub(super) fn find(name: &str) -> anyhow::Result<PathBuf> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").map(|folder| Path::new(&folder).join(name));
    let built = project().join("target/tools/kubernetes").join(name);
    match assets.into_iter().chain([built.clone()]).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("{} is missing: run cargo xtask setup", built.display()),
    }
}

/// Runs a line of a shell that finds these programs first, and returns its standard output.
pub(super) fn shell(line: &str, kubeconfig: &Path) -> anyhow::Result<String> {
    let home = tempfile::tempdir()?;
    let folder = find("kubectl")?.parent().map(Path::to_owned).context("no folder")?;
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([folder].into_iter().chain(env::split_paths(&path)))?;
    let output = Command::new("sh")
        .args(["-euc", line])
        .current_dir(project())
        .env("PATH", path)
        .env("KUBECONFIG", kubeconfig)
        // Nothing of the user's own configuration of Helm and kubectl.
        .env("HOME", home.path())
        .output()
        .context("running sh")?;
    ensure!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Program {
    /// Starts a program with its output in `NAME.log` in `folder`.
    pub(super) fn start<S: AsRef<OsStr>>(
        name: &'static str,
        arguments: impl IntoIterator<Item = S>,
        folder: &Path,
    ) -> anyhow::Result<Program> {
        let arguments = arguments.into_iter().collect::<Vec<_>>();
        Program::start_at(name, &find(name)?, &arguments, &[], folder)
    }

    /// The same for any program, with further variables of its environment.
    pub(super) fn start_at<S: AsRef<OsStr>>(
        name: &'static str,
        program: &Path,
        arguments: &[S],
        environment: &[(&str, String)],
        folder: &Path,
    ) -> anyhow::Result<Program> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log)?;
        // util-linux; the programs themselves cannot be told to end with their parent.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {name} by setpriv (util-linux)"))?;
        Ok(Program { name, log, child })
    }

    /// Fails when the program has ended by itself.
    pub(super) fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}):\n{}", self.name, self.log_tail()),
        }
    }

    /// Process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The end of what it has said.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(TAIL_BYTES)..];
        format!("{}: {}", self.name, String::from_utf8_lossy(tail))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
