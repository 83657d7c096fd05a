//! `envoy.config.overload.v3` and the resource monitors.

use serde::Serialize;

use super::core::{Duration, Extension};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct OverloadManager {
    pub(crate) refresh_interval: Duration,
    pub(crate) resource_monitors: Vec<Extension>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) actions: Vec<OverloadAction>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct OverloadAction {
    pub(crate) name: &'static str,
    pub(crate) triggers: [Trigger; 1],
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trigger {
    pub(crate) name: &'static str,
    pub(crate) threshold: ThresholdTrigger,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ThresholdTrigger {
    /// Share of the resource, 0 to 1.
    pub(crate) value: f64,
}

/// Configuration of `envoy.resource_monitors.cgroup_memory`. Unset limit: the container's own.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CgroupMemoryConfig {}

/// Configuration of `envoy.resource_monitors.global_downstream_max_connections`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DownstreamConnectionsConfig {
    pub(crate) max_active_downstream_connections: u32,
}
