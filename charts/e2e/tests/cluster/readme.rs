//! The README's section "In a cluster", run as it is written.
//!
//! No node exists, so what needs one is done here in its place: `port-forward` and `curl` become requests to the sidecar
//! of the stored pod, run on this machine, and `exec` asks the real postanalytics. Every other command runs.

use std::fs;

use anyhow::{Context, bail, ensure};
use e2e::{
    app::App,
    cluster::{Cluster, Place, Release, RunningPod},
    collector::Collector,
    module::project,
    poll,
    postanalytics::Postanalytics,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};

use crate::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![Scenario::new("readme::in_a_cluster", in_a_cluster)]
}

/// Lines of the fenced shell blocks of the section.
fn commands() -> anyhow::Result<Vec<String>> {
    let readme = fs::read_to_string(project().join("README.md"))?;
    let section = readme.split("\n## In a cluster\n").nth(1).context("no section")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    Ok(blocks.flat_map(str::lines).map(str::to_owned).collect())
}

/// What is true after each command.
struct Walk<'a> {
    cluster: &'a Cluster,
    place: Place,
    app: App,
    postanalytics: Postanalytics,
    release: Option<Release>,
    sidecar: Option<RunningPod>,
    /// Status of the last request.
    status: u16,
}

/// Has a control plane of its own: as written, the webhook is asked about the pods of all namespaces.
async fn in_a_cluster(_: &Cluster) -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    poll::until("the namespace default", async || {
        Ok(cluster.shell("kubectl get serviceaccount default").ok())
    })
    .await?;
    let data = tempfile::tempdir()?;
    let postanalytics = Postanalytics::start(Collector::free_address().await?, data.path()).await?;
    let mut walk = Walk {
        cluster: &cluster,
        place: Place::new()?,
        app: App::start().await?,
        postanalytics,
        release: None,
        sidecar: None,
        status: 0,
    };
    let commands = commands()?;
    for command in &commands {
        walk.run(command).await.with_context(|| command.clone())?;
    }
    ensure!(walk.status == 200, "the attack did not pass: {}", walk.status);
    // The last command asks to block; the new pod does.
    walk.run_sidecar("block").await?;
    walk.request("/etc/passwd").await?;
    ensure!(walk.status == 403, "the attack was not blocked: {}", walk.status);
    ensure!(commands.len() == 7, "{commands:?}");
    Ok(())
}

impl Walk<'_> {
    async fn run(&mut self, command: &str) -> anyhow::Result<()> {
        let words = command.split_whitespace().collect::<Vec<_>>();
        match words[..] {
            ["helm", "install", name, ..] => {
                let values = tempfile::NamedTempFile::new()?;
                fs::write(
                    values.path(),
                    self.place.values(self.postanalytics.address())?.to_string(),
                )?;
                self.cluster
                    .shell(&format!("{command} --values {}", values.path().display()))?;
                let release = Release::adopt(self.cluster, name.to_owned(), name.to_owned()).await?;
                self.release = Some(release);
            }
            ["kubectl", "port-forward", "deployment/myapp", ports, "&"] => {
                ensure!(ports.ends_with(":26001"), "{ports} is not the sidecar's default port");
                self.run_sidecar("monitoring").await?;
            }
            ["kubectl", "-n", "wallarm-sidecar", "exec", ..] => {
                ensure!(command.ends_with("-- analytics attacks"));
                let attacks = poll::until("the attack", async || {
                    let attacks = self.postanalytics.attacks("shop.example").await?;
                    Ok((!attacks.is_empty()).then_some(attacks))
                })
                .await?;
                ensure!(
                    attacks.iter().any(|attack| attack.attack_type == "ptrav"),
                    "{attacks:?}"
                );
            }
            ["kubectl", "create" | "patch", ..] => {
                self.cluster.shell(command)?;
            }
            ["curl", "-i", url] => {
                let path = url.strip_prefix("http://127.0.0.1:8080").context("another address")?;
                self.request(path).await?;
            }
            _ => bail!("a command that this test does not know"),
        }
        Ok(())
    }

    async fn request(&mut self, path: &str) -> anyhow::Result<()> {
        let sidecar = self.sidecar.as_ref().context("no sidecar runs")?;
        self.status = sidecar.connect().await?.get(path).await?.status;
        Ok(())
    }

    /// Runs the sidecar of the Deployment's pod that has this mode.
    async fn run_sidecar(&mut self, mode: &str) -> anyhow::Result<()> {
        self.sidecar = None;
        let pods = Api::<Pod>::namespaced(self.cluster.client(), "default");
        let mode = format!("\\\"mode\\\":\\\"{mode}\\\"");
        let mut pod = poll::until("a pod of myapp with a sidecar", async || {
            let found = pods.list(&ListParams::default().labels("app=myapp")).await?;
            let has_mode = |pod: &Pod| annotation(pod, "filter-config").is_some_and(|config| config.contains(&mode));
            Ok(found.items.into_iter().find(has_mode))
        })
        .await?;
        // Only root may listen on the port of the application, so it is the one thing that moves.
        let key = "sidecar.wallarm.io/bootstrap";
        let bootstrap = annotation(&pod, "bootstrap").context("no bootstrap")?;
        let moved = bootstrap.replace(
            "\"port_value\":80}",
            &format!("\"port_value\":{}}}", self.app.address().port()),
        );
        ensure!(moved != bootstrap, "the sidecar does not lead to port 80: {bootstrap}");
        let annotations = pod.metadata.annotations.get_or_insert_default();
        annotations.insert(key.to_owned(), moved);
        self.place.clear()?;
        self.sidecar = Some(RunningPod::start(&pod, &self.place).await?);
        Ok(())
    }
}

fn annotation<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let all = pod.metadata.annotations.as_ref()?;
    all.get(&format!("sidecar.wallarm.io/{name}")).map(String::as_str)
}
