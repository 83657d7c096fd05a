//! Which ports of the application are protected, and which stand in for them.

use std::{collections::BTreeSet, num::NonZeroU16};

use envoy::{Ports, Sidecar};
use k8s_openapi::api::core::v1::{Container, ContainerPort, PodSpec};

use crate::{annotations::Annotations, settings::Settings};

/// A port of the application and the one that takes its requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) application: u16,
    pub(super) listen: u16,
}

/// The first pair and the others. Without an annotation, the ports of the sidecar count up from the first.
pub(super) fn pairs(
    annotations: &Annotations,
    spec: &PodSpec,
    settings: &Settings,
) -> Result<(Pair, Vec<Pair>), String> {
    let applications = match annotations.application_ports.as_slice() {
        [] => vec![discovered(spec).unwrap_or(settings.nginx.application_port).get()],
        written => written.iter().map(|port| port.get()).collect(),
    };
    let (n_wanted, n_written) = (applications.len(), annotations.listen_ports.len());
    let prefix = &settings.annotation_prefix;
    let first = match annotations.listen_ports.as_slice() {
        [] => settings.nginx.listen_port.get(),
        [first, ..] => first.get(),
    };
    let listen = match n_written {
        0 | 1 => (0..n_wanted)
            .map(|idx| first.checked_add(u16::try_from(idx).ok()?))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("there is no port for each of {n_wanted} application ports from {first} on"))?,
        _ if n_written == n_wanted => annotations.listen_ports.iter().map(|port| port.get()).collect(),
        _ => {
            return Err(format!(
                "annotation {prefix}/proxy-listen-port has {n_written} ports for {n_wanted} application ports (allowed: \
                 {n_wanted}, or 1 to count up from)"
            ));
        }
    };
    let mut pairs = applications
        .into_iter()
        .zip(listen)
        .map(|(application, listen)| Pair { application, listen });
    let first = pairs.next().ok_or("there is no application port")?;
    Ok((first, pairs.collect()))
}

/// First TCP port named `http`, else the first TCP port at all.
fn discovered(spec: &PodSpec) -> Option<NonZeroU16> {
    let declared = || spec.containers.iter().flat_map(tcp_ports);
    let number = |port: &ContainerPort| NonZeroU16::new(u16::try_from(port.container_port).ok()?);
    let named_http = declared().find(|port| port.name.as_deref() == Some("http"));
    named_http.and_then(number).or_else(|| number(declared().next()?))
}

/// Ports that the sidecar needs and the application has.
pub(super) fn collisions(spec: &PodSpec, sidecar: &Sidecar, settings: &Settings) -> Vec<String> {
    let Ports { status, metrics, .. } = sidecar.ports;
    let prefix = &settings.annotation_prefix;
    let to_free = |annotation: &str| format!("set annotation {prefix}/{annotation} to a free port");
    let own = sidecar
        .ingresses()
        .map(|ingress| (ingress.port, to_free("proxy-listen-port")));
    let own = own.chain([
        (status, to_free("proxy-status-port")),
        (metrics, to_free("proxy-metrics-port")),
    ]);
    let applications = sidecar
        .ingresses()
        .map(|ingress| ingress.app.port())
        .collect::<BTreeSet<_>>();
    let mut taken = BTreeSet::new();
    let mut problems = Vec::new();
    for (port, remedy) in own {
        let owner = containers(spec).find(|container| {
            let mut ports = tcp_ports(container);
            ports.any(|declared| declared.container_port == i32::from(port))
        });
        if !taken.insert(port) {
            problems.push(format!("the sidecar needs port {port} twice; {remedy}"));
        } else if let Some(owner) = owner {
            problems.push(format!(
                "container {:?} listens on port {port}, which the sidecar needs; {remedy}",
                owner.name
            ));
        } else if applications.contains(&port) {
            problems.push(format!("application port {port} is a port of the sidecar; {remedy}"));
        }
    }
    problems
}

/// All containers, those of the init phase included.
pub(super) fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten())
}

/// Declared ports that speak TCP, which is also what an unset protocol means.
fn tcp_ports(container: &Container) -> impl Iterator<Item = &ContainerPort> {
    let is_tcp = |port: &&ContainerPort| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
    container.ports.iter().flatten().filter(is_tcp)
}
