//! The WAF filter as a file that Envoy watches.

use serde::Serialize;
use waf_policy::FilterConfig;

use crate::{
    FILTER_NAME, POSTANALYTICS_CLUSTER, Sidecar,
    message::{
        any::Any,
        core::{DataSource, Duration},
        wasm::{
            AsyncDataSource, BackoffStrategy, DiscoveryResponse, FailurePolicy, PluginConfig, ReloadConfig,
            TypedExtensionConfig, VmConfig, Wasm,
        },
    },
};

/// A discovery response with the one resource [`FILTER_NAME`], ready to be moved to [`crate::Paths::filter`].
///
/// A changed file takes effect without a restart and without closing a connection. One that the module refuses is
/// dropped and the last good one stays in force.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct FilterResource(DiscoveryResponse);

/// The filter of one sidecar.
pub fn filter_config(sidecar: &Sidecar) -> FilterResource {
    let config = FilterConfig {
        // True because `allow_on_headers_stop_iteration` is set below: both or neither.
        hold_headers: true,
        // An empty name switches reporting off and stays.
        postanalytics_cluster: match sidecar.filter.postanalytics_cluster.as_str() {
            "" => String::new(),
            _ => POSTANALYTICS_CLUSTER.to_owned(),
        },
        ..sidecar.filter.clone()
    };
    let wasm = Wasm {
        config: PluginConfig {
            name: FILTER_NAME,
            root_id: FILTER_NAME,
            // A trap costs the requests of one worker for 50 ms. Closed would fail it for ever, open would remove the
            // WAF for ever.
            failure_policy: FailurePolicy::FailReload,
            reload_config: ReloadConfig {
                backoff: BackoffStrategy {
                    base_interval: Duration::millis(50),
                    max_interval: Duration::seconds(2),
                },
            },
            allow_on_headers_stop_iteration: true,
            configuration: Any::StringValue {
                value: config.to_json(),
            },
            vm_config: VmConfig {
                vm_id: FILTER_NAME,
                runtime: "envoy.wasm.runtime.v8",
                code: AsyncDataSource::Local(DataSource::Filename(sidecar.paths.module.clone())),
            },
        },
    };
    FilterResource(DiscoveryResponse {
        resources: [Any::TypedExtensionConfig(Box::new(TypedExtensionConfig {
            name: FILTER_NAME,
            typed_config: Any::Wasm(Box::new(wasm)),
        }))],
    })
}

impl FilterResource {
    /// The document, compact and with keys in a fixed order.
    pub fn to_json(&self) -> String {
        // Structs of strings, numbers and booleans always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}
