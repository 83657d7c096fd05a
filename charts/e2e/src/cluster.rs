//! A real Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager, and real Helm.
//!
//! Nothing schedules or runs pods, but everything that users write is taken, defaulted, validated and admitted as in any
//! cluster, Deployments, Jobs and CronJobs make pods, and what was stored can be read back.

mod certificates;
mod control_plane;
mod helm;
mod pod;
mod programs;
mod release;

use std::{
    env,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};

use self::control_plane::ControlPlane;
pub use self::{
    certificates::{Authority, Certificate},
    helm::Helm,
    pod::{Place, RunningPod, sidecar},
    release::{Release, supplied_certificate, write_account},
};
use crate::{module::project, poll};

/// Names a kubeconfig file of an existing cluster to use in place of an own control plane. Not `KUBECONFIG`: tests install
/// cluster-wide webhooks, and that variable often points to a cluster that people depend on.
const EXISTING: &str = "WALLARM_TEST_KUBECONFIG";

/// An API server that tests may do anything to.
pub struct Cluster {
    client: Client,
    kubeconfig: PathBuf,
    // Ends when it is dropped.
    control_plane: Option<ControlPlane>,
}

impl Cluster {
    /// Starts a control plane, or connects to the cluster that `WALLARM_TEST_KUBECONFIG` names.
    ///
    /// The client works as long as the runtime that this was called on.
    pub async fn start() -> anyhow::Result<Cluster> {
        let (kubeconfig, control_plane) = match env::var_os(EXISTING) {
            Some(path) => (PathBuf::from(path), None),
            None => {
                let control_plane = ControlPlane::start().await?;
                (control_plane.kubeconfig(), Some(control_plane))
            }
        };
        let client = connect(&kubeconfig).await?;
        client
            .apiserver_version()
            .await
            .with_context(|| format!("asking the cluster of {}", kubeconfig.display()))?;
        Ok(Cluster {
            client,
            kubeconfig,
            control_plane,
        })
    }

    /// A client that may do anything.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A file that lets programs do anything.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Helm, as an administrator of this cluster.
    pub fn helm(&self) -> anyhow::Result<Helm> {
        Helm::new(Some(&self.kubeconfig))
    }

    /// Runs a line of a shell in the root of the repository, with Helm and kubectl as an administrator of this cluster.
    pub fn shell(&self, line: &str) -> anyhow::Result<String> {
        programs::shell(line, &self.kubeconfig)
    }

    /// Makes a namespace whose name begins with `prefix`, and waits until pods can be made in it.
    pub async fn namespace(&self, prefix: &str) -> anyhow::Result<String> {
        self.namespace_with(prefix, &[]).await
    }

    /// The same, with labels.
    pub async fn namespace_with(&self, prefix: &str, labels: &[(&str, &str)]) -> anyhow::Result<String> {
        static LAST: AtomicU32 = AtomicU32::new(0);
        // The process id tells runs on an existing cluster apart.
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{}-{number}", std::process::id());
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(labels.collect()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::<Namespace>::all(self.client())
            .create(&PostParams::default(), &namespace)
            .await?;
        // Without its default account, a namespace refuses pods.
        let accounts = Api::<ServiceAccount>::namespaced(self.client(), &name);
        poll::until(&format!("the default account of {name}"), async || {
            Ok(accounts.get_opt("default").await?)
        })
        .await
        .with_context(|| self.log())?;
        Ok(name)
    }

    /// Asks for a namespace to be deleted with everything in it, and does not wait.
    pub async fn delete_namespace(&self, name: &str) -> anyhow::Result<()> {
        Api::<Namespace>::all(self.client())
            .delete(name, &DeleteParams::default())
            .await?;
        Ok(())
    }

    /// The last that the control plane has said.
    pub fn log(&self) -> String {
        self.control_plane.as_ref().map_or_else(String::new, ControlPlane::log)
    }
}

/// The chart as it is shipped.
pub fn chart_folder() -> PathBuf {
    project().join("charts/wallarm-sidecar")
}

async fn connect(kubeconfig: &Path) -> anyhow::Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig).with_context(|| format!("reading {}", kubeconfig.display()))?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    ensure!(
        config.cluster_url.scheme_str() == Some("https"),
        "{} names {}, which is not https",
        kubeconfig.display(),
        config.cluster_url
    );
    Ok(Client::try_from(config)?)
}
