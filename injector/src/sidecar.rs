//! The containers and volumes that injection adds.

use std::{collections::BTreeMap, fmt};

use envoy::{BOOTSTRAP_FILE, FILTER_FILE, HEALTH_PATHS};
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
    names::{CONFIG_VOLUME, IPTABLES, PROXY, RUN_VOLUME},
    plan::Plan,
    settings::{self, Settings},
};

/// User and group of Envoy, the same in the image.
const UID: i64 = 65532;

/// Redirects new connections to the application's port, for both families, to the sidecar. Only what arrives from
/// outside the pod passes this chain; connections over loopback, such as the sidecar's own, do not. Running it twice
/// changes nothing.
const REDIRECT: &str = r#"set -eu
redirect() {
  "$1" -w -t nat -C PREROUTING -p tcp --dport "$APP_PORT" -j REDIRECT --to-ports "$PROXY_PORT" 2>/dev/null ||
    "$1" -w -t nat -A PREROUTING -p tcp --dport "$APP_PORT" -j REDIRECT --to-ports "$PROXY_PORT"
}
redirect iptables
if [ -e /proc/net/if_inet6 ]; then
  redirect ip6tables
fi
"#;

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

pub(crate) fn parts(plan: &Plan, settings: &Settings) -> Result<Parts, serde_json::Error> {
    let redirect = plan.redirect.then(|| redirect_container(plan, settings));
    let proxy = proxy_container(plan, settings);
    let (init, running) = if plan.native {
        (Some(proxy), None)
    } else {
        (None, Some(proxy))
    };
    Ok(Parts {
        init_containers: to_json(redirect.into_iter().chain(init))?,
        containers: to_json(running)?,
        volumes: to_json([config_volume(settings), run_volume()])?,
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
        "2",
        "--drain-time-s",
        "5",
        "--parent-shutdown-time-s",
        "10",
        "--disable-hot-restart",
        "--log-level",
        "warn",
    ];
    let ports = plan.sidecar.ports;
    let mount = |name: &str, path: &str, read_only| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..VolumeMount::default()
    };
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
        ports: Some(vec![
            tcp_port("proxy", ports.ingress),
            tcp_port("status", ports.status),
            tcp_port("metrics", ports.metrics),
        ]),
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
        volume_mounts: Some(vec![
            mount(CONFIG_VOLUME, &paths.config_dir, Some(true)),
            mount(RUN_VOLUME, &paths.run_dir, None),
        ]),
        ..container(&settings.sidecar.containers.proxy, settings)
    }
}

/// Redirects the application's port, then ends. The only container with a capability.
fn redirect_container(plan: &Plan, settings: &Settings) -> Container {
    Container {
        name: IPTABLES.to_owned(),
        command: Some(["/bin/sh", "-c", REDIRECT].map(str::to_owned).into()),
        env: Some(vec![
            value_env("APP_PORT", plan.sidecar.app.port()),
            value_env("PROXY_PORT", plan.sidecar.ports.ingress),
        ]),
        security_context: Some(SecurityContext {
            run_as_user: Some(0),
            run_as_group: Some(0),
            run_as_non_root: Some(false),
            ..hardened(Some(vec!["NET_ADMIN".to_owned(), "NET_RAW".to_owned()]))
        }),
        ..container(&settings.sidecar.init_containers.iptables, settings)
    }
}

/// What all injected containers have in common.
fn container(own: &settings::Container, settings: &Settings) -> Container {
    let settings::Resources { requests, limits } = &own.resources;
    let quantities = |map: &BTreeMap<String, settings::Quantity>| {
        let quantity = |(name, amount): (&String, &settings::Quantity)| (name.clone(), Quantity(amount.0.clone()));
        (!map.is_empty()).then(|| map.iter().map(quantity).collect::<BTreeMap<_, _>>())
    };
    let image = &settings.sidecar.image;
    Container {
        image: Some(image.reference()),
        image_pull_policy: Some(image.pull_policy.as_str().to_owned()),
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

/// Shows two annotations of the pod as files, which follow the annotations while the pod runs.
fn config_volume(settings: &Settings) -> Volume {
    let prefix = &settings.annotation_prefix;
    let file = |path: &str, annotation: &str| DownwardAPIVolumeFile {
        path: path.to_owned(),
        field_ref: Some(field(format!("metadata.annotations['{prefix}/{annotation}']"))),
        ..DownwardAPIVolumeFile::default()
    };
    Volume {
        name: CONFIG_VOLUME.to_owned(),
        downward_api: Some(DownwardAPIVolumeSource {
            items: Some(vec![
                file(BOOTSTRAP_FILE, written::BOOTSTRAP),
                file(FILTER_FILE, written::FILTER_CONFIG),
            ]),
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
