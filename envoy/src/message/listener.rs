//! `envoy.config.listener.v3`.

use serde::Serialize;

use super::{
    core::{Address, Extension},
    tls::TransportSocket,
};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) per_connection_buffer_limit_bytes: u32,
    /// Probes and metrics must still answer while load is shed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) bypass_overload_manager: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ignore_global_conn_limit: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) listener_filters: Vec<Extension>,
    pub(crate) filter_chains: Vec<FilterChain>,
    /// Takes connections that no other chain matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default_filter_chain: Option<FilterChain>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct FilterChain {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filter_chain_match: Option<FilterChainMatch>,
    pub(crate) filters: [Extension; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transport_socket: Option<TransportSocket>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct FilterChainMatch {
    /// Names of the TLS extension SNI.
    pub(crate) server_names: Vec<String>,
}
