//! Envoy's configuration messages, cut down to the fields that we set.
//!
//! Names and nesting are those of Envoy's v3 API in protobuf's JSON form, which accepts field names as declared.
//! Source: <https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/api>.

pub(crate) mod any;
pub(crate) mod cluster;
pub(crate) mod connection_manager;
pub(crate) mod core;
pub(crate) mod listener;
pub(crate) mod overload;
pub(crate) mod route;
pub(crate) mod stats;
pub(crate) mod tls;
pub(crate) mod wasm;
