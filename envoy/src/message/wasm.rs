//! `envoy.extensions.wasm.v3` and the discovery response that carries it.

use serde::Serialize;

use super::{
    any::Any,
    core::{DataSource, Duration},
};

/// `envoy.service.discovery.v3.DiscoveryResponse` as a file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DiscoveryResponse {
    pub(crate) resources: [Any; 1],
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct TypedExtensionConfig {
    pub(crate) name: String,
    pub(crate) typed_config: Any,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Wasm {
    pub(crate) config: PluginConfig,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct PluginConfig {
    pub(crate) name: String,
    pub(crate) root_id: &'static str,
    pub(crate) failure_policy: FailurePolicy,
    pub(crate) reload_config: ReloadConfig,
    pub(crate) allow_on_headers_stop_iteration: bool,
    pub(crate) configuration: Any,
    pub(crate) vm_config: VmConfig,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FailurePolicy {
    FailReload,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReloadConfig {
    pub(crate) backoff: BackoffStrategy,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct BackoffStrategy {
    pub(crate) base_interval: Duration,
    pub(crate) max_interval: Duration,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct VmConfig {
    pub(crate) vm_id: &'static str,
    pub(crate) runtime: &'static str,
    pub(crate) code: AsyncDataSource,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AsyncDataSource {
    Local(DataSource),
}
