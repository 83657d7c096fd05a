//! The sidecar's container: its volumes, its process, and changes to both while it runs.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::http;
use crate::process::{Process, Program};
use crate::up::admin::Admin;
use crate::up::pod::{Content, Pod};
use crate::up::settings::{Folders, move_application};
use crate::up::volume;

/// The file that Envoy watches: the filter configuration. A change of it alone needs no restart.
const FILTER_FILE: &str = "filter.json";

/// The file that Envoy reads once.
const BOOTSTRAP_FILE: &str = "bootstrap.json";

/// Longest wait until Envoy has taken a new filter configuration.
const APPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for Envoy to end.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(50);

/// Everything about the container that can change.
#[derive(Clone, Debug, PartialEq)]
struct Plan {
    program: Program,
    /// Folders and their files, as mounted.
    projected: BTreeMap<PathBuf, BTreeMap<String, String>>,
    empty: Vec<PathBuf>,
}

/// What a new version of the pod meant for a running sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// Nothing that concerns the sidecar changed.
    Nothing,
    /// Only the filter configuration: Envoy took it while serving.
    Live,
    /// Something that Envoy reads at start.
    Restarted,
}

/// A running sidecar.
#[derive(Debug)]
pub(super) struct Sidecar {
    pod: Pod,
    plan: Plan,
    process: Process,
    folders: Folders,
    app_port: u16,
}

// === impl Sidecar ===

impl Sidecar {
    /// Makes the volumes, starts Envoy and waits for the startup probe. `stop` ends the waiting early.
    pub(super) fn start(pod: Pod, folders: &Folders, app_port: u16, stop: &dyn Fn() -> bool) -> Result<Sidecar> {
        let plan = Plan::new(&pod, folders, app_port)?;
        plan.make_volumes()?;
        let process = Process::start(&plan.program, folders.logs())?;
        let mut sidecar = Sidecar {
            pod,
            plan,
            process,
            folders: folders.clone(),
            app_port,
        };
        sidecar.wait_until_started(stop)?;
        Ok(sidecar)
    }

    pub(super) fn pod(&self) -> &Pod {
        &self.pod
    }

    pub(super) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Turns the running sidecar into that of another version of the pod, with as little interruption as possible.
    ///
    /// On an error the old version stays in force, or is started again.
    pub(super) fn apply(&mut self, pod: Pod, stop: &dyn Fn() -> bool) -> Result<Applied> {
        let plan = Plan::new(&pod, &self.folders, self.app_port)?;
        let applied = self.plan.compare(&plan);
        match applied {
            Applied::Nothing => {}
            Applied::Live => {
                let admin = Admin::new(&self.folders.run().join("admin.sock"));
                let before = admin.filter_updates()?;
                plan.make_volumes()?;
                self.wait_until_taken(&admin, before, stop)?;
            }
            Applied::Restarted => {
                let (old_pod, old_plan) = (self.pod.clone(), self.plan.clone());
                if let Err(error) = self.restart(pod.clone(), plan.clone(), stop) {
                    self.restart(old_pod, old_plan, stop)
                        .context("starting the sidecar as it was before")?;
                    return Err(error);
                }
            }
        }
        self.pod = pod;
        self.plan = plan;
        Ok(applied)
    }

    fn restart(&mut self, pod: Pod, plan: Plan, stop: &dyn Fn() -> bool) -> Result<()> {
        self.process.stop(STOP_PATIENCE)?;
        self.pod = pod;
        self.plan = plan;
        self.plan.make_volumes()?;
        self.process = Process::start(&self.plan.program, self.folders.logs())?;
        self.wait_until_started(stop)
    }

    pub(super) fn stop(&mut self) -> Result<()> {
        self.process.stop(STOP_PATIENCE)?;
        Ok(())
    }

    /// Runs the container's own startup probe, as a kubelet would.
    fn wait_until_started(&mut self, stop: &dyn Fn() -> bool) -> Result<()> {
        let container = self.pod.sidecar()?;
        let Some(probe) = container.startup_probe.clone() else {
            return Ok(());
        };
        let get = probe
            .http_get
            .context("the startup probe is of a kind that is not run here")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, get.port(container)?));
        let timeout = Duration::from_secs(probe.timeout_seconds);
        let deadline = Instant::now() + Duration::from_secs(probe.period_seconds * probe.failure_threshold);
        while !http::get(address, &get.path, timeout).is_ok_and(|response| response.status == 200) {
            self.process.check_alive()?;
            ensure!(!stop(), "stopped");
            if Instant::now() >= deadline {
                bail!(
                    "the startup probe http://{address}{} did not succeed; the end of the log:\n{}",
                    get.path,
                    self.process.last_lines(20)
                );
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn wait_until_taken(
        &mut self,
        admin: &Admin,
        before: crate::up::admin::FilterUpdates,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + APPLY_TIMEOUT;
        loop {
            let now = admin.filter_updates()?;
            if now.refused > before.refused {
                bail!(
                    "Envoy refused the new filter configuration and keeps the old one; the end of the log:\n{}",
                    self.process.last_lines(5)
                );
            }
            if now.taken > before.taken {
                return Ok(());
            }
            self.process.check_alive()?;
            ensure!(!stop(), "stopped");
            ensure!(
                Instant::now() < deadline,
                "Envoy did not take the new filter configuration within {} s",
                APPLY_TIMEOUT.as_secs()
            );
            thread::sleep(POLL);
        }
    }
}

// === impl Plan ===

impl Plan {
    fn new(pod: &Pod, folders: &Folders, app_port: u16) -> Result<Plan> {
        let container = pod.sidecar()?;
        let (mut projected, mut empty) = (BTreeMap::new(), Vec::new());
        for mount in &container.volume_mounts {
            let folder = PathBuf::from(&mount.mount_path);
            // Whatever the manifest says, nothing outside our own folder is written.
            ensure!(
                is_inside(&folder, &folders.pod()),
                "volume {} is mounted at {}, which is no folder of this run",
                mount.name,
                mount.mount_path
            );
            match pod.content(&mount.name)? {
                Content::Empty => empty.push(folder),
                Content::Files(mut files) => {
                    if let Some(bootstrap) = files.get_mut(BOOTSTRAP_FILE) {
                        *bootstrap = move_application(bootstrap, app_port)?.0;
                    }
                    projected.insert(folder, files);
                }
            }
        }
        let mut program = pod.program(container)?;
        if let Ok(path) = std::env::var("PATH")
            && !program.env.iter().any(|(name, _)| name == "PATH")
        {
            // An image has one, too.
            program.env.insert(0, ("PATH".to_owned(), path));
        }
        Ok(Plan {
            program,
            projected,
            empty,
        })
    }

    fn make_volumes(&self) -> Result<()> {
        for folder in &self.empty {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        for (folder, files) in &self.projected {
            volume::project(folder, files)?;
        }
        Ok(())
    }

    fn compare(&self, new: &Plan) -> Applied {
        if self == new {
            return Applied::Nothing;
        }
        let without_filter = |plan: &Plan| {
            let mut plan = plan.clone();
            for files in plan.projected.values_mut() {
                files.remove(FILTER_FILE);
            }
            plan
        };
        if without_filter(self) == without_filter(new) {
            Applied::Live
        } else {
            Applied::Restarted
        }
    }
}

fn is_inside(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder)
        && !path
            .components()
            .any(|part| matches!(part, std::path::Component::ParentDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(filter: &str, bootstrap: &str, argument: &str) -> Plan {
        let files = [(FILTER_FILE, filter), (BOOTSTRAP_FILE, bootstrap)];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        Plan {
            program: Program {
                name: "sidecar-proxy".to_owned(),
                command: vec!["envoy".into(), argument.into()],
                env: Vec::new(),
            },
            projected: [(PathBuf::from("/pod/config"), files.into())].into(),
            empty: Vec::new(),
        }
    }

    #[test]
    fn only_what_envoy_reads_at_start_restarts_it() {
        let old = plan("1", "1", "1");
        assert_eq!(old.compare(&old), Applied::Nothing);
        assert_eq!(old.compare(&plan("2", "1", "1")), Applied::Live);
        assert_eq!(old.compare(&plan("1", "2", "1")), Applied::Restarted);
        assert_eq!(old.compare(&plan("2", "1", "2")), Applied::Restarted);
    }

    #[test]
    fn mounts_stay_inside() {
        let folder = Path::new("/t/pod");
        assert!(is_inside(Path::new("/t/pod/config"), folder));
        for path in ["/etc", "/t/pods", "/t/pod/../x", "t/pod/x"] {
            assert!(!is_inside(Path::new(path), folder), "{path}");
        }
    }
}
