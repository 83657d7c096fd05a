//! Every annotation.

use envoy::{HttpFragment, RouteFragment, VirtualHostFragment};

use super::{
    Annotations,
    value::{self, Reject, Taken},
};
use crate::snippet::{self, Context};

/// One annotation, as it is documented and read.
#[derive(Clone, Copy, Debug)]
pub struct Annotation {
    /// Name without the prefix.
    pub name: &'static str,
    /// Names of the NGINX-based sidecar that are still read.
    pub older_names: &'static [&'static str],
    /// What it is about.
    pub group: Group,
    /// Which values are allowed, to be read after "allowed:".
    pub allowed: &'static str,
    /// What holds without it: a value, or the setting that decides.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    pub(super) read: Read,
}

/// What an annotation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// How the sidecar gets into the pod.
    Injection,
    /// The containers and volumes of the sidecar.
    Containers,
    /// Ports and paths of the sidecar.
    Ports,
    /// What the filter does.
    Filtering,
    /// Changes of Envoy's own configuration.
    Envoy,
}

/// How a value is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    /// Into the annotations.
    Set(fn(&mut Annotations, &str) -> Taken),
    /// It is checked and does nothing yet.
    NotYet {
        check: fn(&str) -> Taken,
        /// Values that say what is so anyway.
        already: &'static [&'static str],
        /// Why there is no effect.
        why: &'static str,
    },
}

/// The annotation of a name, be it an older one.
pub(super) fn find(name: &str) -> Option<&'static Annotation> {
    let is_it = |annotation: &&Annotation| annotation.name == name || annotation.older_names.contains(&name);
    TABLE.iter().find(is_it)
}

/// An annotation that sets one field.
macro_rules! set {
    ($($field:ident).+ = $parse:expr) => {
        Read::Set(|read, value| {
            read.$($field).+ = $parse(value)?;
            Ok(Vec::new())
        })
    };
}

/// Requests or limits of a container.
macro_rules! amount {
    ($container:ident . $kind:ident [ $resource:literal ]) => {
        Read::Set(|read, value| {
            let amount = value::quantity(value)?;
            read.$container.$kind.insert($resource.to_owned(), amount);
            Ok(Vec::new())
        })
    };
}

/// Directives of NGINX.
macro_rules! snippet {
    ($idx:literal, $context:expr) => {
        Read::Set(|read, value| {
            let (snippet, warnings) = snippet::read(value, $context).map_err(|all| Reject::Because(all.join("; ")))?;
            read.snippets[$idx] = snippet;
            Ok(warnings)
        })
    };
}

const fn not_yet(check: fn(&str) -> Taken, already: &'static [&'static str], why: &'static str) -> Read {
    Read::NotYet { check, already, why }
}

const NO_CLOUD: &str = "the sidecar is not connected to the Wallarm Cloud";
const NO_HELPER: &str =
    "there is no helper container: what it did for NGINX is done by postanalytics, once for all pods";
const NO_RESPONSES: &str = "responses are not inspected";

fn check_on_off(value: &str) -> Taken {
    value::on_off(value).map(|_| Vec::new())
}

fn check_quantity(value: &str) -> Taken {
    value::quantity(value).map(|_| Vec::new())
}

fn check_files(value: &str) -> Taken {
    value::includes(value).map(|_| Vec::new())
}

fn one_of(value: &str, allowed: &[&str]) -> Taken {
    match allowed.contains(&value) {
        true => Ok(Vec::new()),
        false => Err(Reject::NotAllowed),
    }
}

const FILES: &str = "a list of absolute paths such as ['/a.conf', '/b.conf']";
const FILES_UNREAD: &str = "files inside the pod are not read at admission; put their Wallarm directives into the snippet annotation of the same \
     place, and what Envoy shall do into an envoy-*-snippet";
const DIRECTIVES: &str = "directives of NGINX with semicolons between them, such as wallarm_mode block";
const BLOCKS: &str = "directives of NGINX and location blocks, such as location /admin { wallarm_mode block; }, with wallarm_* and \
     disable_acl in them";
const SNIPPET: &str = "Wallarm directives, for pods that were configured for NGINX; they beat the annotations of filtering. Directives \
     that would keep somebody out are refused, all others of NGINX have no effect. A location is a filter of its own.";
const QUANTITY: &str = "a quantity such as 100m or 256Mi";
const PORT: &str = "a port number from 1 to 65535";
const PATH: &str = "a path of letters, digits and /-._~ that begins with /";
const ON_OFF: &str = "on, off";
const TRUE_FALSE: &str = "true, false";

const fn row(name: &'static str, group: Group, allowed: &'static str, read: Read) -> Annotation {
    Annotation {
        name,
        older_names: &[],
        group,
        allowed,
        default: "",
        meaning: "",
        read,
    }
}

impl Annotation {
    const fn default(mut self, default: &'static str) -> Annotation {
        self.default = default;
        self
    }

    const fn means(mut self, meaning: &'static str) -> Annotation {
        self.meaning = meaning;
        self
    }

    const fn was(mut self, older_names: &'static [&'static str]) -> Annotation {
        self.older_names = older_names;
        self
    }

    /// Why it has no effect yet, and values that say what is so anyway.
    pub fn not_yet(&self) -> Option<(&'static str, &'static [&'static str])> {
        match self.read {
            Read::NotYet { why, already, .. } => Some((why, already)),
            Read::Set(_) => None,
        }
    }
}

use Group::{Containers, Envoy, Filtering, Injection, Ports};

/// Every annotation, by group.
pub const TABLE: &[Annotation] = &[
    row(
        "sidecar-injection-schema",
        Injection,
        "single, split",
        not_yet(|value| one_of(value, &["single", "split"]), &["single"], NO_HELPER),
    )
    .default("single")
    .means("Layout of the containers."),
    row(
        "sidecar-injection-iptables-enable",
        Injection,
        TRUE_FALSE,
        set!(iptables_enable = |value| value::flag(value).map(Some)),
    )
    .default("config.injectionStrategy.iptablesEnable")
    .means(
        "Whether an init container redirects the application's ports to the sidecar. Without it a Service must name \
         the target port `proxy`.",
    ),
    row(
        "sidecar-injection-native-enable",
        Injection,
        TRUE_FALSE,
        set!(native_enable = |value| value::flag(value).map(Some)),
    )
    .default("config.injectionStrategy.nativeSidecar")
    .means(
        "Whether the sidecar is an init container that keeps running: up before the application, down after it, and \
         no obstacle for Jobs. Needs Kubernetes 1.29.",
    ),
    row(
        "application-port",
        Injection,
        "up to 8 different port numbers from 1 to 65535 with commas between them",
        set!(application_ports = value::ports),
    )
    .default("the port named `http`, else the first TCP port, else config.nginx.applicationPort")
    .means("Ports of the application that are protected."),
    row(
        "application-address",
        Injection,
        "an IP address",
        set!(application_address = |value| value::any(value).map(Some)),
    )
    .default("127.0.0.1")
    .means("Address that the application listens on, as seen from within the pod; `::1` when it knows IPv6 only."),
    row(
        "profile",
        Injection,
        "the name of a profile in config.profiles",
        set!(profile = |value| value::name(value).map(Some)),
    )
    .means("TLS that the sidecar terminates."),
    row(
        "proxy-image",
        Containers,
        "an image reference",
        set!(image = |value| value::image(value).map(Some)),
    )
    .default("config.sidecar.image")
    .means("Image of all injected containers."),
    row(
        "proxy-extra-volumes",
        Containers,
        "a JSON list of volumes, or a JSON object of volumes by name",
        set!(extra_volumes = value::volumes),
    )
    .means("More volumes of the pod."),
    row(
        "proxy-extra-volume-mounts",
        Containers,
        "a JSON list of volume mounts, or a JSON object of volume mounts by name",
        set!(extra_volume_mounts = value::mounts),
    )
    .means("More mounts of `sidecar-proxy`."),
    row(
        "proxy-cpu",
        Containers,
        QUANTITY,
        amount!(proxy_resources.requests["cpu"]),
    )
    .default("config.sidecar.containers.proxy.resources")
    .means("CPU that `sidecar-proxy` requests. One of the four annotations replaces all settings of the container."),
    row(
        "proxy-memory",
        Containers,
        QUANTITY,
        amount!(proxy_resources.requests["memory"]),
    )
    .default("config.sidecar.containers.proxy.resources")
    .means("Memory that `sidecar-proxy` requests."),
    row(
        "proxy-cpu-limit",
        Containers,
        QUANTITY,
        amount!(proxy_resources.limits["cpu"]),
    )
    .default("config.sidecar.containers.proxy.resources")
    .means("CPU limit of `sidecar-proxy`."),
    row(
        "proxy-memory-limit",
        Containers,
        QUANTITY,
        amount!(proxy_resources.limits["memory"]),
    )
    .default("config.sidecar.containers.proxy.resources")
    .means("Memory limit of `sidecar-proxy`; load is shed near it."),
    row(
        "init-iptables-cpu",
        Containers,
        QUANTITY,
        amount!(iptables_resources.requests["cpu"]),
    )
    .default("config.sidecar.initContainers.iptables.resources")
    .means("CPU that `sidecar-init-iptables` requests. One of the four replaces all settings of the container."),
    row(
        "init-iptables-memory",
        Containers,
        QUANTITY,
        amount!(iptables_resources.requests["memory"]),
    )
    .default("config.sidecar.initContainers.iptables.resources")
    .means("Memory that `sidecar-init-iptables` requests."),
    row(
        "init-iptables-cpu-limit",
        Containers,
        QUANTITY,
        amount!(iptables_resources.limits["cpu"]),
    )
    .default("config.sidecar.initContainers.iptables.resources")
    .means("CPU limit of `sidecar-init-iptables`."),
    row(
        "init-iptables-memory-limit",
        Containers,
        QUANTITY,
        amount!(iptables_resources.limits["memory"]),
    )
    .default("config.sidecar.initContainers.iptables.resources")
    .means("Memory limit of `sidecar-init-iptables`."),
    row(
        "helper-cpu",
        Containers,
        QUANTITY,
        not_yet(check_quantity, &[], NO_HELPER),
    )
    .means("CPU of the helper."),
    row(
        "helper-memory",
        Containers,
        QUANTITY,
        not_yet(check_quantity, &[], NO_HELPER),
    )
    .means("Memory of the helper."),
    row(
        "helper-cpu-limit",
        Containers,
        QUANTITY,
        not_yet(check_quantity, &[], NO_HELPER),
    )
    .means("CPU limit of the helper."),
    row(
        "helper-memory-limit",
        Containers,
        QUANTITY,
        not_yet(check_quantity, &[], NO_HELPER),
    )
    .means("Memory limit of the helper."),
    row(
        "init-helper-cpu",
        Containers,
        QUANTITY,
        not_yet(check_quantity, &[], NO_HELPER),
    )
    .means("CPU of the helper's init container."),
    row(
        "init-helper-memory",
        Containers,
        QUANTITY,
        not_yet(check_quantity, &[], NO_HELPER),
    )
    .means("Memory of the helper's init container."),
    row(
        "init-helper-cpu-limit",
        Containers,
        QUANTITY,
        not_yet(check_quantity, &[], NO_HELPER),
    )
    .means("CPU limit of the helper's init container."),
    row(
        "init-helper-memory-limit",
        Containers,
        QUANTITY,
        not_yet(check_quantity, &[], NO_HELPER),
    )
    .means("Memory limit of the helper's init container."),
    row(
        "proxy-listen-port",
        Ports,
        "as many different port numbers as there are application ports, with commas between them",
        set!(listen_ports = value::ports),
    )
    .was(&["nginx-listen-port"])
    .default("config.nginx.listenPort and the numbers after it")
    .means("Ports that the sidecar takes requests on, one per application port."),
    row(
        "proxy-listen-address",
        Ports,
        "an IP address",
        set!(listen_address = |value| value::any(value).map(Some)),
    )
    .default("config.sidecar.listenAddress")
    .means("Address that the sidecar listens on: `::` for IPv4 and IPv6, `0.0.0.0` on nodes without IPv6."),
    row(
        "proxy-status-port",
        Ports,
        PORT,
        set!(status_port = |value| value::any(value).map(Some)),
    )
    .was(&["nginx-status-port"])
    .default("config.nginx.statusPort")
    .means("Port of probes and statistics."),
    row(
        "proxy-status-path",
        Ports,
        PATH,
        set!(status_path = |value| value::path(value).map(Some)),
    )
    .was(&["nginx-status-path"])
    .default("config.nginx.statusPath")
    .means("Path of Envoy's statistics on the status port."),
    row(
        "proxy-health-path",
        Ports,
        PATH,
        set!(health_path = |value| value::path(value).map(Some)),
    )
    .was(&["nginx-health-path"])
    .default("config.nginx.healthPath")
    .means("Path on the status port that answers 200 while the filter works, besides `/healthz` and `/health`."),
    row(
        "proxy-wallarm-status-path",
        Ports,
        PATH,
        not_yet(
            |value| value::path(value).map(|_| Vec::new()),
            &[],
            "statistics of the filter are at proxy-metrics-path alone",
        ),
    )
    .was(&["nginx-wallarm-status-path"])
    .means("Path of the filter's statistics."),
    row(
        "proxy-metrics-port",
        Ports,
        PORT,
        set!(metrics_port = |value| value::any(value).map(Some)),
    )
    .was(&["nginx-wallarm-metrics-port"])
    .default("config.nginx.wallarmMetricsPort")
    .means("Port of the Prometheus metrics."),
    row(
        "proxy-metrics-path",
        Ports,
        PATH,
        set!(metrics_path = |value| value::path(value).map(Some)),
    )
    .was(&["nginx-wallarm-metrics-path"])
    .default("config.nginx.wallarmMetricsPath")
    .means("Path of the Prometheus metrics."),
    row(
        "proxy-concurrency",
        Ports,
        "auto, a number from 1 to 128",
        set!(concurrency = |value| value::concurrency(value).map(Some)),
    )
    .was(&["nginx-worker-processes"])
    .default("config.nginx.workerProcesses")
    .means("Worker threads of Envoy. `auto`: the CPU limit rounded up, 2 without a limit."),
    row(
        "proxy-worker-connections",
        Ports,
        "a positive number below 2^32",
        set!(worker_connections = |value| value::any(value).map(Some)),
    )
    .was(&["nginx-worker-connections"])
    .default("config.nginx.workerConnections")
    .means("Client connections per worker thread; more are closed at once."),
    row(
        "wallarm-mode",
        Filtering,
        "off, monitoring, safe_blocking, block",
        set!(filtering.mode = |value| value::any(value).map(Some)),
    )
    .default("config.wallarm.mode")
    .means("Filtration mode. A change takes effect while the pod runs."),
    row(
        "wallarm-application",
        Filtering,
        "a positive number, or -1 for the default application",
        set!(filtering.application = |value| value::application(value).map(Some)),
    )
    .default("-1")
    .means("Application that hits are recorded for. A change takes effect while the pod runs."),
    row(
        "wallarm-parser-disable",
        Filtering,
        "names of parsers with semicolons between them",
        set!(filtering.disabled_parsers = |value| value::parsers(value).map(Some)),
    )
    .means("Parsers that are not applied. A change takes effect while the pod runs."),
    row(
        "wallarm-enable-libdetection",
        Filtering,
        ON_OFF,
        set!(filtering.enable_libdetection = |value| value::on_off(value).map(Some)),
    )
    .default("config.wallarm.enableLibDetection")
    .means("Whether SQL injection needs a second opinion. A change takes effect while the pod runs."),
    row(
        "wallarm-mode-allow-override",
        Filtering,
        "on, off, strict",
        not_yet(|value| one_of(value, &["on", "off", "strict"]), &["off"], NO_CLOUD),
    )
    .means("Whether rules of the Cloud may change the mode."),
    row(
        "wallarm-fallback",
        Filtering,
        ON_OFF,
        not_yet(
            check_on_off,
            &["off"],
            "detection is part of the module, so nothing can be missing; a pod whose filter does not work is not ready",
        ),
    )
    .means("Whether to serve without detection when its rules cannot be loaded."),
    row(
        "wallarm-parse-response",
        Filtering,
        ON_OFF,
        not_yet(check_on_off, &["off"], NO_RESPONSES),
    )
    .means("Inspection of responses."),
    row(
        "wallarm-unpack-response",
        Filtering,
        ON_OFF,
        not_yet(check_on_off, &["off"], NO_RESPONSES),
    )
    .means("Unpacking of compressed responses."),
    row(
        "wallarm-parse-websocket",
        Filtering,
        ON_OFF,
        not_yet(check_on_off, &["off"], "messages of WebSocket pass uninspected"),
    )
    .means("Inspection of WebSocket messages."),
    row(
        "wallarm-acl-export-enable",
        Filtering,
        ON_OFF,
        not_yet(check_on_off, &["off"], "there are no IP lists"),
    )
    .means("Statistics of requests from deny-listed sources."),
    row(
        "wallarm-block-page",
        Filtering,
        "pages with semicolons between them, each &/FILE.html, &$VARIABLE, /URL or @NAME with response_code=CODE and \
         type=attack,acl_ip,acl_source",
        not_yet(
            |value| value::block_page(value).map(|()| Vec::new()),
            &[],
            "a blocked request is always answered 403 with the page of the filter",
        ),
    )
    .means("What a blocked client sees."),
    row(
        "wallarm-node-group",
        Filtering,
        "a name",
        not_yet(|value| value::name(value).map(|_| Vec::new()), &[], NO_CLOUD),
    )
    .means("Group of nodes in the Wallarm Console."),
    row(
        "wallarm-upstream-connect-attempts",
        Filtering,
        "a number",
        not_yet(
            |value| value::any::<u32>(value).map(|_| Vec::new()),
            &[],
            "the filter keeps reports and tries again by itself, with pauses of 1 to 30 s",
        ),
    )
    .means("Attempts to reach postanalytics before a pause."),
    row(
        "wallarm-upstream-reconnect-interval",
        Filtering,
        "a duration such as 15s",
        not_yet(
            |value| value::duration(value).map(|()| Vec::new()),
            &[],
            "the filter keeps reports and tries again by itself, with pauses of 1 to 30 s",
        ),
    )
    .means("Pause between attempts to reach postanalytics."),
    row(
        "api-firewall-enabled",
        Filtering,
        ON_OFF,
        not_yet(check_on_off, &["off"], "API specifications are not enforced"),
    )
    .means("Enforcement of API specifications."),
    row(
        "envoy-http-snippet",
        Envoy,
        "YAML or JSON with stream_idle_timeout, request_timeout, request_headers_timeout, idle_timeout, \
         max_request_headers_kb, max_headers_count, max_concurrent_streams",
        set!(http = value::fragment::<HttpFragment>),
    )
    .means("Timeouts and limits of the connection manager."),
    row(
        "envoy-virtual-host-snippet",
        Envoy,
        "YAML or JSON with request_headers_to_add, request_headers_to_remove, response_headers_to_add, \
         response_headers_to_remove",
        set!(virtual_host = value::fragment::<VirtualHostFragment>),
    )
    .means("Headers that are changed on everything that passes."),
    row(
        "envoy-route-snippet",
        Envoy,
        "YAML or JSON with timeout, idle_timeout, request_headers_to_add, request_headers_to_remove, \
         response_headers_to_add, response_headers_to_remove",
        set!(route = value::fragment::<RouteFragment>),
    )
    .means("Timeouts and headers of the routes to the application."),
    row("nginx-http-snippet", Envoy, DIRECTIVES, snippet!(0, Context::Http)).means(SNIPPET),
    row("nginx-server-snippet", Envoy, BLOCKS, snippet!(1, Context::Server)).means(SNIPPET),
    row("nginx-location-snippet", Envoy, BLOCKS, snippet!(2, Context::Server)).means(SNIPPET),
    row(
        "nginx-http-include",
        Envoy,
        FILES,
        not_yet(check_files, &[], FILES_UNREAD),
    )
    .means("Files of NGINX."),
    row(
        "nginx-server-include",
        Envoy,
        FILES,
        not_yet(check_files, &[], FILES_UNREAD),
    )
    .means("Files of NGINX."),
    row(
        "nginx-location-include",
        Envoy,
        FILES,
        not_yet(check_files, &[], FILES_UNREAD),
    )
    .means("Files of NGINX."),
    row(
        "envoy-extra-filters",
        Envoy,
        "a list of brotli, gzip",
        Read::Set(|read, value| {
            let (compressions, warnings) = value::extra_filters(value)?;
            read.compressions = compressions;
            Ok(warnings)
        }),
    )
    .was(&["nginx-extra-modules"])
    .means("Compression of responses for clients that ask for it, the preferred one first."),
];
