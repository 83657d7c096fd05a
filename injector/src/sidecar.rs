//! The containers and volumes that injection adds.

mod redirect;

use std::{collections::BTreeMap, fmt};

use envoy::{BOOTSTRAP_FILE, HEALTH_PATHS, Ingress, Sidecar};
use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource,
        EnvVar, EnvVarSource, HTTPGetAction, ObjectFieldSelector, Probe, ResourceRequirements, SeccompProfile,
        SecurityContext, Volume, VolumeMount,
    },
    apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString},
};
use serde_json::Value;

use crate::{
    annotations::written,
    names::{CONFIG_VOLUME, PROXY, RUN_VOLUME},
    plan::Plan,
    settings::{self, Settings},
};

/// User and group of Envoy, the same in the image.
const UID: i64 = 65532;

/// What is added to a pod, as JSON.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) init_containers: Vec<Value>,
    pub(crate) containers: Vec<Value>,
    pub(crate) volumes: Vec<Value>,
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.init_containers.iter().chain(&self.containers).chain(&self.volumes);
        all.into_iter().try_for_each(|part| write!(f, "{part}"))
    }
}

/// A file that the sidecar reads, which is an annotation of its pod.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// Name below the configuration folder.
    pub(crate) file: String,
    /// Name of the annotation, without the prefix.
    pub(crate) annotation: String,
    pub(crate) text: String,
    /// Whether Envoy takes a new text while it runs.
    pub(crate) live: bool,
}

/// Every document of a sidecar.
pub(crate) fn documents(sidecar: &Sidecar) -> Vec<Document> {
    let bootstrap = Document {
        file: BOOTSTRAP_FILE.to_owned(),
        annotation: written::BOOTSTRAP.to_owned(),
        text: envoy::bootstrap(sidecar).to_json(),
        live: false,
    };
    let numbered = |stem: &str, idx: usize| format!("{stem}-{idx}");
    let filters = envoy::filter_configs(sidecar).into_iter().enumerate();
    let filters = filters.map(|(idx, filter)| Document {
        text: filter.to_json(),
        file: filter.file,
        annotation: match idx {
            0 => written::FILTER_CONFIG.to_owned(),
            _ => numbered(written::FILTER_CONFIG, idx),
        },
        live: true,
    });
    let certificates = envoy::tls_resources(sidecar).into_iter().enumerate();
    let certificates = certificates.map(|(idx, certificate)| Document {
        text: certificate.to_json(),
        file: certificate.file,
        annotation: numbered(written::TLS, idx),
        live: false,
    });
    std::iter::once(bootstrap).chain(filters).chain(certificates).collect()
}

pub(crate) fn parts(plan: &Plan, documents: &[Document], settings: &Settings) -> Result<Parts, serde_json::Error> {
    let mut volumes = to_json([config_volume(documents, settings), run_volume()])?;
    volumes.extend(plan.extra_volumes.iter().cloned());
    let redirect = plan.redirect.then(|| redirect::container_of(plan, settings));
    let proxy = proxy_container(plan, settings);
    let (init, running) = if plan.native {
        (Some(proxy), None)
    } else {
        (None, Some(proxy))
    };
    Ok(Parts {
        init_containers: to_json(redirect.into_iter().chain(init))?,
        containers: to_json(running)?,
        volumes,
    })
}

fn to_json<T: serde::Serialize>(items: impl IntoIterator<Item = T>) -> Result<Vec<Value>, serde_json::Error> {
    items.into_iter().map(serde_json::to_value).collect()
}

/// Envoy.
fn proxy_container(plan: &Plan, settings: &Settings) -> Container {
    let paths = &plan.sidecar.paths;
    let args = [
        "--config-path",
        &paths.bootstrap(),
        "--service-node",
        "$(POD_NAME).$(POD_NAMESPACE)",
        "--concurrency",
        &plan.threads.to_string(),
        "--drain-time-s",
        "5",
        "--parent-shutdown-time-s",
        "10",
        "--disable-hot-restart",
        "--log-level",
        "warn",
    ];
    let mut volume_mounts = vec![
        mount(CONFIG_VOLUME, &paths.config_dir, Some(true)),
        mount(RUN_VOLUME, &paths.run_dir, None),
    ];
    volume_mounts.extend(plan.extra_volume_mounts.iter().cloned());
    Container {
        name: PROXY.to_owned(),
        // What makes an init container a native sidecar.
        restart_policy: plan.native.then(|| "Always".to_owned()),
        command: Some(vec![settings.sidecar.paths.envoy.clone()]),
        args: Some(args.map(str::to_owned).into()),
        env: Some(vec![
            field_env("POD_NAME", "metadata.name"),
            field_env("POD_NAMESPACE", "metadata.namespace"),
        ]),
        ports: Some(ports(&plan.sidecar)),
        // Compiling the module takes seconds of CPU time, more under load; the application waits for it.
        startup_probe: Some(health_probe(1, 120)),
        // No liveness probe: Envoy reloads a failed filter by itself, and a restart would cut connections.
        readiness_probe: Some(health_probe(5, 3)),
        security_context: Some(SecurityContext {
            run_as_user: Some(UID),
            run_as_group: Some(UID),
            run_as_non_root: Some(true),
            ..hardened(None)
        }),
        volume_mounts: Some(volume_mounts),
        ..container(&plan.image, &plan.proxy_resources, settings)
    }
}

/// What all injected containers have in common.
fn container(image: &str, resources: &settings::Resources, settings: &Settings) -> Container {
    let settings::Resources { requests, limits } = resources;
    let quantities = |map: &BTreeMap<String, settings::Quantity>| {
        let quantity = |(name, amount): (&String, &settings::Quantity)| (name.clone(), Quantity(amount.0.clone()));
        (!map.is_empty()).then(|| map.iter().map(quantity).collect::<BTreeMap<_, _>>())
    };
    Container {
        image: Some(image.to_owned()),
        image_pull_policy: Some(settings.sidecar.image.pull_policy.as_str().to_owned()),
        resources: (!requests.is_empty() || !limits.is_empty()).then(|| ResourceRequirements {
            requests: quantities(requests),
            limits: quantities(limits),
            claims: None,
        }),
        ..Container::default()
    }
}

/// As little as a process can run with; the pod security standard "restricted" when no capability is added.
fn hardened(added_capabilities: Option<Vec<String>>) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            add: added_capabilities,
            drop: Some(vec!["ALL".to_owned()]),
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..SecurityContext::default()
    }
}

/// Asks the status listener, which answers 200 only through a working filter.
fn health_probe(period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(HEALTH_PATHS[0].to_owned()),
            port: IntOrString::String("status".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(1),
        failure_threshold: Some(failure_threshold),
        ..Probe::default()
    }
}

/// One port per application port, the first of them named `proxy`, and those of probes and metrics.
fn ports(sidecar: &Sidecar) -> Vec<ContainerPort> {
    let name = |(idx, ingress): (usize, Ingress)| match idx {
        0 => tcp_port("proxy", ingress.port),
        _ => tcp_port(&format!("proxy-{}", ingress.app.port()), ingress.port),
    };
    let side = [
        tcp_port("status", sidecar.ports.status),
        tcp_port("metrics", sidecar.ports.metrics),
    ];
    sidecar.ingresses().enumerate().map(name).chain(side).collect()
}

fn mount(name: &str, path: &str, read_only: Option<bool>) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..VolumeMount::default()
    }
}

fn tcp_port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number.into(),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn field(path: String) -> ObjectFieldSelector {
    ObjectFieldSelector {
        api_version: Some("v1".to_owned()),
        field_path: path,
    }
}

fn field_env(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(field(path.to_owned())),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

fn value_env(name: &str, value: impl ToString) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_string()),
        ..EnvVar::default()
    }
}

/// Shows annotations of the pod as files, which follow the annotations while the pod runs.
fn config_volume(documents: &[Document], settings: &Settings) -> Volume {
    let prefix = &settings.annotation_prefix;
    let file = |document: &Document| DownwardAPIVolumeFile {
        path: document.file.clone(),
        field_ref: Some(field(format!(
            "metadata.annotations['{prefix}/{}']",
            document.annotation
        ))),
        ..DownwardAPIVolumeFile::default()
    };
    Volume {
        name: CONFIG_VOLUME.to_owned(),
        downward_api: Some(DownwardAPIVolumeSource {
            items: Some(documents.iter().map(file).collect()),
            ..DownwardAPIVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn run_volume() -> Volume {
    Volume {
        name: RUN_VOLUME.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}
