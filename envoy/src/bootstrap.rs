//! The static configuration that Envoy reads once at start.

mod clusters;
mod http;
mod ingress;
mod listeners;
mod overload;
mod stats;

use serde::Serialize;

use crate::{
    Sidecar,
    message::{cluster::Cluster, core::Address, listener::Listener, overload::OverloadManager, stats::StatsConfig},
};

/// Most bytes that Envoy buffers per connection and direction. The filter holds less than half of it while it waits
/// for the rest of a body.
const BUFFER_LIMIT_BYTES: u32 = 1024 * 1024;

/// Most bytes of free memory that Envoy gives back per second. Compiling the module takes memory that is never needed
/// again; without this it stays with the process. Every pod pays for it, so little is kept.
const RELEASED_BYTES_PER_SECOND: u64 = 16 * 1024 * 1024;

/// Envoy's bootstrap, ready to be written to [`crate::Paths::bootstrap`].
#[derive(Clone, Debug, Serialize)]
pub struct Bootstrap {
    node: Node,
    admin: Admin,
    memory_allocator_manager: MemoryAllocatorManager,
    overload_manager: OverloadManager,
    stats_config: StatsConfig,
    static_resources: StaticResources,
}

#[derive(Clone, Debug, Serialize)]
struct Node {
    /// Replaced on the command line by the pod's name, which the webhook does not know yet.
    id: &'static str,
    cluster: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct Admin {
    address: Address,
    ignore_global_conn_limit: bool,
}

#[derive(Clone, Debug, Serialize)]
struct StaticResources {
    listeners: Vec<Listener>,
    clusters: Vec<Cluster>,
}

#[derive(Clone, Debug, Serialize)]
struct MemoryAllocatorManager {
    /// Most bytes of free memory given back to the system per second.
    bytes_to_release: u64,
}

/// The bootstrap of one sidecar. It depends on nothing else: the same sidecar gives the same bytes.
pub fn bootstrap(sidecar: &Sidecar) -> Bootstrap {
    Bootstrap {
        node: Node {
            id: "wallarm-sidecar",
            cluster: "wallarm",
        },
        admin: Admin {
            // A socket rather than a port: all containers of a pod share loopback, so a request forged by the
            // application could stop the proxy. Mode 0600: its owner alone.
            address: Address::Pipe {
                path: sidecar.paths.admin_socket(),
                mode: Some(0o600),
            },
            ignore_global_conn_limit: true,
        },
        memory_allocator_manager: MemoryAllocatorManager {
            bytes_to_release: RELEASED_BYTES_PER_SECOND,
        },
        overload_manager: overload::manager(sidecar),
        stats_config: stats::config(),
        static_resources: StaticResources {
            listeners: listeners::all(sidecar),
            clusters: clusters::all(sidecar),
        },
    }
}

impl Bootstrap {
    /// The document, compact and with keys in a fixed order.
    pub fn to_json(&self) -> String {
        // Structs of strings, numbers and maps with string keys always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}
