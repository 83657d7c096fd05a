//! The mutating webhook that adds the Envoy sidecar to labelled pods.
//!
//! The decision is a pure function, [`inject::inject`]: a pod and the settings in, a JSON Patch or the reasons against
//! it out. [`server`] brings it to the Kubernetes API server, [`mod@render`] to people and tests. Only [`certs::keeper`],
//! [`leader`], [`events`] and [`serve`] talk to a cluster.

pub mod args;

pub mod settings;

pub mod annotations;

pub mod snippet;

pub mod profile;

pub mod cluster;

pub mod names;

mod plan;

mod sidecar;

pub mod inject;

pub mod render;

mod yaml;

pub mod admission;

pub mod metrics;

pub mod server;

pub mod reload;

pub mod certs;

pub mod leader;

pub mod events;

pub mod serve;
