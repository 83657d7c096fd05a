//! `envoy.config.listener.v3`.

use serde::Serialize;

use super::core::{Address, Extension};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Listener {
    pub(crate) name: &'static str,
    pub(crate) address: Address,
    pub(crate) per_connection_buffer_limit_bytes: u32,
    /// Probes and metrics must still answer while load is shed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) bypass_overload_manager: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ignore_global_conn_limit: bool,
    pub(crate) filter_chains: [FilterChain; 1],
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct FilterChain {
    pub(crate) filters: [Extension; 1],
}
