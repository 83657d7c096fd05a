//! Names that injection takes within a pod.

/// Container that runs Envoy.
pub const PROXY: &str = "sidecar-proxy";

/// Init container that redirects the application's ports.
pub const IPTABLES: &str = "sidecar-init-iptables";

/// Volume that shows annotations as files.
pub const CONFIG_VOLUME: &str = "wallarm-config";

/// Volume of the admin socket.
pub const RUN_VOLUME: &str = "wallarm-run";

/// Every container of ours.
pub const CONTAINERS: [&str; 2] = [PROXY, IPTABLES];

/// Every volume of ours.
pub const VOLUMES: [&str; 2] = [CONFIG_VOLUME, RUN_VOLUME];

/// Whether a container or volume of this name is ours.
pub(crate) fn is_ours(name: &str) -> bool {
    CONTAINERS.contains(&name) || VOLUMES.contains(&name)
}
