//! What in a pod does not go together with a sidecar.

use std::collections::BTreeSet;

use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::ports::containers;
use crate::{annotations::Annotations, names, settings::Settings};

/// A service mesh that redirects the traffic of its pods by itself.
struct Mesh {
    name: &'static str,
    container: &'static str,
    /// Labels or annotations, and the value, by which a pod asks for it.
    asked_by: &'static [(&'static str, &'static str)],
    /// What else can be done.
    recipe: &'static str,
}

const MESHES: [Mesh; 2] = [
    Mesh {
        name: "Istio",
        container: "istio-proxy",
        asked_by: &[("sidecar.istio.io/inject", "true")],
        recipe: "load the module into Istio's own proxy by a WasmPlugin and remove the label wallarm-sidecar",
    },
    Mesh {
        name: "Linkerd",
        container: "linkerd-proxy",
        asked_by: &[("linkerd.io/inject", "enabled"), ("linkerd.io/inject", "ingress")],
        recipe: "keep the pod out of Linkerd by annotation linkerd.io/inject: disabled",
    },
];

/// Names that the sidecar needs and the pod has, and names that extra volumes and the pod both have.
pub(super) fn names(spec: &PodSpec, annotations: &Annotations) -> Vec<String> {
    let own_containers = containers(spec).map(|container| ("container", container.name.as_str()));
    let volumes = spec.volumes.iter().flatten().map(|volume| volume.name.as_str());
    let own_volumes = volumes.clone().map(|name| ("volume", name));
    let is_ours = |(_, name): &(&str, &str)| names::is_ours(name);
    let problem = |(kind, name)| format!("{kind} {name:?} exists already and the sidecar needs the name; rename it");
    let mut problems = own_containers
        .chain(own_volumes)
        .filter(is_ours)
        .map(problem)
        .collect::<Vec<_>>();
    let mut taken = volumes.collect::<BTreeSet<_>>();
    for volume in &annotations.extra_volumes {
        let name = volume["name"].as_str().unwrap_or_default();
        if names::is_ours(name) || !taken.insert(name) {
            problems.push(format!(
                "volume {name:?} of proxy-extra-volumes exists already; rename it"
            ));
        }
    }
    for mount in &annotations.extra_volume_mounts {
        let name = mount.name.as_str();
        if names::is_ours(name) || !taken.contains(name) {
            problems.push(format!(
                "volume {name:?} of proxy-extra-volume-mounts is not a volume of the pod; add it to proxy-extra-volumes"
            ));
        }
    }
    problems
}

/// Mounts that would hide a part of the sidecar.
pub(super) fn mounts(annotations: &Annotations, settings: &Settings) -> Vec<String> {
    let paths = &settings.sidecar.paths;
    let own = [&paths.config_dir, &paths.run_dir, &paths.module, &paths.envoy];
    let is_in = |inner: &str, outer: &str| {
        let outer = outer.trim_end_matches('/');
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut problems = Vec::new();
    for mount in &annotations.extra_volume_mounts {
        let path = &mount.mount_path;
        let steps = path.split('/').any(|step| step == ".." || step == ".");
        if steps || own.iter().any(|own| is_in(own, path) || is_in(path, own)) {
            problems.push(format!(
                "mountPath {path:?} of proxy-extra-volume-mounts would hide a part of the sidecar; choose another one"
            ));
        }
    }
    problems
}

/// Who else has the pod's network.
pub(super) fn network(meta: Option<&ObjectMeta>, spec: &PodSpec, redirect: bool, settings: &Settings) -> Vec<String> {
    let mut problems = Vec::new();
    if spec.host_network == Some(true) {
        problems.push(
            "hostNetwork is true, so the sidecar would take the node's traffic; remove hostNetwork or the label"
                .to_owned(),
        );
    }
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        problems
            .push("its operating system is Windows, which the sidecar does not run on; remove the label".to_owned());
    }
    if redirect {
        problems.extend(MESHES.iter().filter_map(|mesh| mesh.problem(meta, spec, settings)));
    }
    problems
}

// === impl Mesh ===

impl Mesh {
    /// Why the pod's traffic cannot be redirected, and what can be done. The mesh may be there already, or come later.
    fn problem(&self, meta: Option<&ObjectMeta>, spec: &PodSpec, settings: &Settings) -> Option<String> {
        let Mesh {
            name,
            container,
            asked_by,
            recipe,
        } = self;
        let maps = || {
            meta.into_iter()
                .flat_map(|meta| [&meta.labels, &meta.annotations])
                .flatten()
        };
        let asks = |(key, value): &&(&str, &str)| maps().any(|map| map.get(*key).is_some_and(|own| own == value));
        let sign = if containers(spec).any(|own| own.name == *container) {
            format!("container {container:?} belongs to {name}, which")
        } else {
            let (key, value) = asked_by.iter().find(asks)?;
            format!("{key}: {value} asks for {name}, which")
        };
        let prefix = &settings.annotation_prefix;
        Some(format!(
            "{sign} redirects the pod's traffic by itself; either set annotation \
             {prefix}/sidecar-injection-iptables-enable to \"false\" and let the Service's targetPort be proxy, or {recipe}"
        ))
    }
}
