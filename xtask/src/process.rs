//! Programs that run beside xtask and never outlive it.
//!
//! Each one gets a process group of its own, so that Ctrl-C in the terminal reaches only xtask, which then stops them in
//! order. Each one asks the kernel to be killed when xtask dies, so that `kill -9` leaves nothing behind either.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, getppid, kill_process_group, set_parent_process_death_signal};

use crate::flags;

/// How much of the end of a log is read to show its last lines, in bytes.
const TAIL_BYTES: u64 = 16 * 1024;

/// How often a stopping process is looked at.
const POLL: Duration = Duration::from_millis(20);

/// What to run, with nothing inherited but the file system and the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Program {
    /// Shown to people; also the name of its log.
    pub(crate) name: String,
    /// Program and arguments.
    pub(crate) command: Vec<OsString>,
    /// The whole environment.
    pub(crate) env: Vec<(String, String)>,
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

// === impl Process ===

impl Process {
    /// Starts a program whose output goes to `NAME.log` in the folder `logs`.
    ///
    /// Must be called from the main thread: the kernel takes the death of the starting *thread* for the parent's.
    pub(crate) fn start(program: &Program, logs: &Path) -> Result<Process> {
        let Program { name, command, env } = program;
        let log = logs.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
        let child = Command::new("/proc/self/exe")
            .arg("child")
            .arg(std::process::id().to_string())
            .arg("--")
            .args(command)
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Process {
            name: name.clone(),
            child,
            log,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Fails with the last lines of the log when the program has ended by itself.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended ({status}); the end of {}:\n{}",
                self.name,
                self.log.display(),
                self.last_lines(20)
            );
        }
        Ok(())
    }

    /// Asks the program to end, waits, and kills it when it takes longer than `patience`.
    pub(crate) fn stop(&mut self, patience: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                self.signal(Signal::KILL);
                return Ok(self.child.wait()?);
            }
            thread::sleep(POLL);
        }
    }

    /// The last `n` lines that the program wrote.
    pub(crate) fn last_lines(&self, n: usize) -> String {
        read_tail(&self.log)
            .map(|tail| {
                let lines = tail.lines().collect::<Vec<_>>();
                lines[lines.len().saturating_sub(n)..]
                    .iter()
                    .map(|line| format!("  | {line}"))
                    .collect::<Vec<_>>()
                    .join("\n")
            })
            .unwrap_or_default()
    }

    fn signal(&mut self, signal: Signal) {
        // Once waited for, the number may belong to another process.
        if let Ok(None) = self.child.try_wait()
            && let Some(group) = Pid::from_raw(self.child.id().cast_signed())
        {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

fn read_tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The hidden verb behind [`Process::start`]: ties this process to its parent, then becomes the command.
pub(crate) fn become_child(flags: flags::Child) -> Result<()> {
    let flags::Child { parent, command } = flags;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the line above.
    if getppid() != Pid::from_raw(parent) {
        bail!("the parent has gone");
    }
    let (program, arguments) = command.split_first().context("no command")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("running {}", Path::new(program).display()))
}

/// Deletes a folder of state and makes it anew.
pub(crate) fn fresh_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("deleting {}", path.display())),
    }
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))
}
