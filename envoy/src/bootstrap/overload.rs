//! What is shed before the container runs out of memory or connections.

use crate::{
    Sidecar,
    message::{
        any::Any,
        core::{Duration, Extension},
        overload::{
            CgroupMemoryConfig, DownstreamConnectionsConfig, OverloadAction, OverloadManager, ThresholdTrigger, Trigger,
        },
    },
};

/// Sees all memory of the container. `fixed_heap` does not see what V8 maps, which is most of ours.
const MEMORY: &str = "envoy.resource_monitors.cgroup_memory";
const CONNECTIONS: &str = "envoy.resource_monitors.global_downstream_max_connections";

pub(super) fn manager(sidecar: &Sidecar) -> OverloadManager {
    let connections = DownstreamConnectionsConfig {
        max_active_downstream_connections: sidecar.max_connections,
    };
    let mut resource_monitors = vec![Extension {
        name: CONNECTIONS,
        typed_config: Any::DownstreamConnectionsConfig(connections),
    }];
    let mut actions = Vec::new();
    if sidecar.shed_near_memory_limit {
        resource_monitors.push(Extension {
            name: MEMORY,
            typed_config: Any::CgroupMemoryConfig(CgroupMemoryConfig {}),
        });
        // Late thresholds: the kernel counts the page cache as well.
        actions = vec![
            when_memory_above(0.85, "envoy.overload_actions.shrink_heap"),
            when_memory_above(0.92, "envoy.overload_actions.disable_http_keepalive"),
            when_memory_above(0.97, "envoy.overload_actions.stop_accepting_requests"),
        ];
    }
    OverloadManager {
        refresh_interval: Duration::millis(250),
        resource_monitors,
        actions,
    }
}

fn when_memory_above(share: f64, name: &'static str) -> OverloadAction {
    OverloadAction {
        name,
        triggers: [Trigger {
            name: MEMORY,
            threshold: ThresholdTrigger { value: share },
        }],
    }
}
