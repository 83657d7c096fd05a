//! What one pod's sidecar looks like, and everything that speaks against it.

mod conflicts;

mod ports;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use envoy::{Ingress, Location, PathMatch, Paths, Ports, Postanalytics, Sidecar};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec, VolumeMount};
use serde_json::Value;
use waf_policy::FilterConfig;

use crate::{
    annotations::{Annotations, Filtering, Mistake},
    cluster::Cluster,
    profile,
    settings::{NativeSidecar, Resources, Settings},
    snippet,
};

/// The sidecar of one pod.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) sidecar: Sidecar,
    /// Whether the application's ports are redirected to the sidecar.
    pub(crate) redirect: bool,
    /// Whether the sidecar is an init container that keeps running.
    pub(crate) native: bool,
    /// Image of all containers.
    pub(crate) image: String,
    /// Worker threads of Envoy.
    pub(crate) threads: u32,
    pub(crate) proxy_resources: Resources,
    pub(crate) iptables_resources: Resources,
    /// Volumes that the pod's owner or a profile adds.
    pub(crate) extra_volumes: Vec<Value>,
    /// Where the proxy sees them.
    pub(crate) extra_volume_mounts: Vec<VolumeMount>,
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
        let meta = template.metadata.as_ref();
        let written = meta.and_then(|meta| meta.annotations.as_ref()).unwrap_or(&none);
        let mut problems = Vec::new();
        let (annotations, mut warnings) =
            Annotations::read(written, &settings.annotation_prefix).unwrap_or_else(|mistakes| {
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
        let containers = &settings.sidecar.containers;
        let proxy_resources = own_or(&annotations.proxy_resources, &containers.proxy.resources);
        let init_containers = &settings.sidecar.init_containers;
        let iptables_resources = own_or(&annotations.iptables_resources, &init_containers.iptables.resources);
        let threads = annotations
            .concurrency
            .unwrap_or(settings.nginx.worker_processes)
            .threads(proxy_resources.limits.get("cpu"));
        let sidecar = sidecar(&annotations, spec, settings, &proxy_resources, threads, &mut problems);
        let mode = annotations.filtering.mode;
        if mode.is_some_and(|mode| mode != sidecar.filter.mode) {
            warnings.push(format!(
                "a wallarm_mode directive makes the mode {}, not annotation {}/wallarm-mode",
                sidecar.filter.mode, settings.annotation_prefix
            ));
        }
        let mut sidecar = sidecar;
        let mut annotations = annotations;
        if let Some(name) = annotations.profile.clone() {
            match profile::servers(&name, &settings.profiles, &mut warnings) {
                Ok(servers) => sidecar.tls = servers,
                Err(found) => problems.extend(found),
            }
            problems.extend(add_volumes(&mut annotations, &name, settings));
        }
        problems.extend(conflicts::names(spec, &annotations));
        problems.extend(conflicts::mounts(&annotations, settings));
        problems.extend(ports::collisions(spec, &sidecar, settings));
        problems.extend(conflicts::network(meta, spec, redirect, settings));
        if problems.is_empty() {
            Ok(Plan {
                sidecar,
                redirect,
                native,
                image: annotations.image.unwrap_or_else(|| settings.sidecar.image.reference()),
                threads,
                proxy_resources,
                iptables_resources,
                extra_volumes: annotations.extra_volumes,
                extra_volume_mounts: annotations.extra_volume_mounts,
                warnings,
            })
        } else {
            Err(problems)
        }
    }
}

/// Treats the volumes of a profile as if the pod's owner had written them.
fn add_volumes(annotations: &mut Annotations, name: &str, settings: &Settings) -> Vec<String> {
    let Some(profile) = settings.profiles.get(name) else {
        return Vec::new();
    };
    annotations
        .extra_volumes
        .extend(profile.sidecar.volumes.iter().cloned());
    let mut problems = Vec::new();
    for mount in &profile.sidecar.volume_mounts {
        match serde_json::from_value(mount.clone()) {
            Ok(mount) => annotations.extra_volume_mounts.push(mount),
            Err(error) => problems.push(format!("profile {name:?}, a volume mount: {error}")),
        }
    }
    problems
}

/// Any amount of an annotation replaces all settings of a container, as in the Wallarm Sidecar.
fn own_or(annotated: &Resources, set: &Resources) -> Resources {
    if *annotated == Resources::default() {
        set
    } else {
        annotated
    }
    .clone()
}

/// Precedence of what was written: annotation, then settings.
fn sidecar(
    annotations: &Annotations,
    spec: &PodSpec,
    settings: &Settings,
    resources: &Resources,
    threads: u32,
    problems: &mut Vec<String>,
) -> Sidecar {
    let (nginx, paths) = (&settings.nginx, &settings.sidecar.paths);
    let address = annotations.application_address.unwrap_or(Ipv4Addr::LOCALHOST.into());
    let (first, more) = ports::pairs(annotations, spec, settings).unwrap_or_else(|problem| {
        problems.push(problem);
        (
            ports::Pair {
                application: nginx.application_port.get(),
                listen: nginx.listen_port.get(),
            },
            Vec::new(),
        )
    });
    let ingress = |pair: ports::Pair| Ingress {
        port: pair.listen,
        app: SocketAddr::new(address, pair.application),
    };
    let (filtering, locations) = filtering(annotations).unwrap_or_else(|problem| {
        problems.push(format!("snippets of NGINX: {problem}"));
        Default::default()
    });
    let location = |(path, own): (PathMatch, Filtering)| Location {
        path,
        filter: filter(own, settings),
    };
    let connections = annotations.worker_connections.unwrap_or(nginx.worker_connections);
    let or = |annotated: &Option<String>, set: &String| annotated.as_ref().unwrap_or(set).clone();
    Sidecar {
        listen_address: annotations.listen_address.unwrap_or(settings.sidecar.listen_address),
        ports: Ports {
            ingress: first.listen,
            status: annotations.status_port.unwrap_or(nginx.status_port).get(),
            metrics: annotations.metrics_port.unwrap_or(nginx.wallarm_metrics_port).get(),
        },
        app: SocketAddr::new(address, first.application),
        more_ingresses: more.into_iter().map(ingress).collect(),
        postanalytics: Postanalytics {
            host: settings.postanalytics.host.clone(),
            port: settings.postanalytics.port.get(),
        },
        trusted_proxies: nginx.set_real_ip_from.clone(),
        paths: Paths {
            config_dir: paths.config_dir.clone(),
            run_dir: paths.run_dir.clone(),
            module: paths.module.clone(),
        },
        max_connections: connections.get().saturating_mul(threads),
        shed_near_memory_limit: resources.limits.contains_key("memory"),
        health_path: or(&annotations.health_path, &nginx.health_path),
        statistics_path: or(&annotations.status_path, &nginx.status_path),
        metrics_path: or(&annotations.metrics_path, &nginx.wallarm_metrics_path),
        filter: filter(filtering, settings),
        locations: locations.into_iter().map(location).collect(),
        compressions: annotations.compressions.clone(),
        http: annotations.http.clone(),
        virtual_host: annotations.virtual_host.clone(),
        route: annotations.route.clone(),
        ..Sidecar::default()
    }
}

/// What is said about the whole application and about its parts. What stands closest to a request counts: first its
/// location, then the snippets from the innermost on, then the annotations.
fn filtering(annotations: &Annotations) -> Result<(Filtering, Vec<(PathMatch, Filtering)>), String> {
    let [http, server, location] = &annotations.snippets;
    let whole = http.filtering.or(annotations.filtering);
    let whole = location.filtering.or(server.filtering).or(whole);
    let all = [&server.locations[..], &location.locations[..]].concat();
    let (parts, everything) = snippet::ordered(&all)?;
    let whole = everything.or(whole);
    let parts = parts.into_iter().map(|(path, own)| (path, own.or(whole)));
    Ok((whole, parts.collect()))
}

/// The filter's configuration, with the settings where nothing else is said.
fn filter(filtering: Filtering, settings: &Settings) -> FilterConfig {
    let Filtering {
        mode,
        application,
        disabled_parsers,
        enable_libdetection,
    } = filtering;
    FilterConfig {
        mode: mode.unwrap_or(settings.wallarm.mode),
        application: application.unwrap_or_default(),
        disabled_parsers: disabled_parsers.unwrap_or_default(),
        enable_libdetection: enable_libdetection.unwrap_or(settings.wallarm.enable_lib_detection.0),
        ..FilterConfig::default()
    }
}
