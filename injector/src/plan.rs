//! What one pod's sidecar looks like, and everything that speaks against it.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU16,
};

use envoy::{Paths, Ports, Postanalytics, Sidecar};
use k8s_openapi::api::core::v1::{Container, ContainerPort, PodSpec, PodTemplateSpec};
use waf_policy::FilterConfig;

use crate::{
    annotations::{Annotations, Mistake},
    cluster::Cluster,
    names,
    settings::{NativeSidecar, Settings},
};

/// Containers of service meshes that redirect the pod's traffic themselves.
const MESH_CONTAINERS: [&str; 2] = ["istio-proxy", "linkerd-proxy"];

/// The sidecar of one pod.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) sidecar: Sidecar,
    /// Whether the application's port is redirected to the sidecar.
    pub(crate) redirect: bool,
    /// Whether the sidecar is an init container that keeps running.
    pub(crate) native: bool,
    /// Advice for the pod's owner.
    pub(crate) warnings: Vec<String>,
}

impl Plan {
    /// Errors: every reason why the pod cannot be protected.
    pub(crate) fn new(template: &PodTemplateSpec, settings: &Settings, cluster: Cluster) -> Result<Plan, Vec<String>> {
        let Some(spec) = &template.spec else {
            return Err(vec!["it has no spec".to_owned()]);
        };
        let none = BTreeMap::new();
        let annotations = template.metadata.as_ref().and_then(|meta| meta.annotations.as_ref());
        let mut problems = Vec::new();
        let (annotations, warnings) = Annotations::read(annotations.unwrap_or(&none), &settings.annotation_prefix)
            .unwrap_or_else(|mistakes| {
                problems.extend(mistakes.iter().map(Mistake::to_string));
                Default::default()
            });

        let redirect = annotations
            .iptables_enable
            .unwrap_or(settings.injection_strategy.iptables_enable);
        let native = annotations
            .native_enable
            .unwrap_or(match settings.injection_strategy.native_sidecar {
                NativeSidecar::Auto => cluster.native_sidecars,
                NativeSidecar::Always => true,
                NativeSidecar::Never => false,
            });
        let app_port = application_port(&annotations, spec, settings);
        let sidecar = sidecar(&annotations, app_port, settings);
        problems.extend(name_collisions(spec));
        problems.extend(port_collisions(spec, &sidecar, settings));
        if spec.host_network == Some(true) {
            problems.push(
                "hostNetwork is true, so the sidecar would take the node's traffic; remove hostNetwork or the label"
                    .to_owned(),
            );
        }
        let mesh = containers(spec).find(|container| MESH_CONTAINERS.contains(&container.name.as_str()));
        if let (Some(mesh), true) = (mesh, redirect) {
            problems.push(format!(
                "container {:?} redirects the pod's traffic already; load the filter into the mesh instead, or set \
                 annotation {}/sidecar-injection-iptables-enable to false",
                mesh.name, settings.annotation_prefix
            ));
        }
        if problems.is_empty() {
            Ok(Plan {
                sidecar,
                redirect,
                native,
                warnings,
            })
        } else {
            Err(problems)
        }
    }
}

/// Precedence of what was written: annotation, then settings.
fn sidecar(annotations: &Annotations, app_port: NonZeroU16, settings: &Settings) -> Sidecar {
    let paths = &settings.sidecar.paths;
    Sidecar {
        listen_address: settings.sidecar.listen_address,
        ports: Ports {
            ingress: annotations.listen_port.unwrap_or(settings.nginx.listen_port).get(),
            status: settings.nginx.status_port.get(),
            metrics: settings.nginx.wallarm_metrics_port.get(),
        },
        app: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), app_port.get()),
        postanalytics: Postanalytics {
            host: settings.postanalytics.host.clone(),
            port: settings.postanalytics.port.get(),
        },
        trusted_proxies: settings.nginx.set_real_ip_from.clone(),
        paths: Paths {
            config_dir: paths.config_dir.clone(),
            run_dir: paths.run_dir.clone(),
            module: paths.module.clone(),
        },
        shed_near_memory_limit: settings
            .sidecar
            .containers
            .proxy
            .resources
            .limits
            .contains_key("memory"),
        filter: FilterConfig {
            mode: annotations.mode.unwrap_or(settings.wallarm.mode),
            application: annotations.application.unwrap_or_default(),
            ..FilterConfig::default()
        },
        ..Sidecar::default()
    }
}

/// The port to protect: annotation, first TCP port named `http`, first TCP port at all, settings.
fn application_port(annotations: &Annotations, spec: &PodSpec, settings: &Settings) -> NonZeroU16 {
    let declared = || spec.containers.iter().flat_map(tcp_ports);
    let number = |port: &ContainerPort| NonZeroU16::new(u16::try_from(port.container_port).ok()?);
    let named_http = declared().find(|port| port.name.as_deref() == Some("http"));
    annotations
        .application_port
        .or_else(|| number(named_http?))
        .or_else(|| number(declared().next()?))
        .unwrap_or(settings.nginx.application_port)
}

/// Names that the sidecar needs and the pod has.
fn name_collisions(spec: &PodSpec) -> Vec<String> {
    let containers = containers(spec).map(|container| ("container", &container.name));
    let volumes = spec.volumes.iter().flatten().map(|volume| ("volume", &volume.name));
    let is_ours = |(_, name): &(&str, &String)| names::is_ours(name);
    let problem = |(kind, name)| format!("{kind} {name:?} exists already and the sidecar needs the name; rename it");
    containers.chain(volumes).filter(is_ours).map(problem).collect()
}

/// Ports that the sidecar needs and the application has.
fn port_collisions(spec: &PodSpec, sidecar: &Sidecar, settings: &Settings) -> Vec<String> {
    let Ports {
        ingress,
        status,
        metrics,
    } = sidecar.ports;
    let prefix = &settings.annotation_prefix;
    let mut problems = Vec::new();
    if ingress == status || ingress == metrics {
        problems.push(format!(
            "port {ingress} is the sidecar's status or metrics port too; set annotation {prefix}/proxy-listen-port to \
             another one"
        ));
    }
    for (port, remedy) in [
        (
            ingress,
            format!("set annotation {prefix}/proxy-listen-port to a free port"),
        ),
        (status, "the operator can move it by nginx.statusPort".to_owned()),
        (
            metrics,
            "the operator can move it by nginx.wallarmMetricsPort".to_owned(),
        ),
    ] {
        let owner = containers(spec).find(|container| {
            let mut ports = tcp_ports(container);
            ports.any(|declared| declared.container_port == i32::from(port))
        });
        if let Some(owner) = owner {
            problems.push(format!(
                "container {:?} listens on port {port}, which the sidecar needs; {remedy}",
                owner.name
            ));
        } else if sidecar.app.port() == port {
            problems.push(format!("application port {port} is a port of the sidecar; {remedy}"));
        }
    }
    problems
}

/// All containers, those of the init phase included.
fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten())
}

/// Declared ports that speak TCP, which is also what an unset protocol means.
fn tcp_ports(container: &Container) -> impl Iterator<Item = &ContainerPort> {
    let is_tcp = |port: &&ContainerPort| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
    container.ports.iter().flatten().filter(is_tcp)
}
