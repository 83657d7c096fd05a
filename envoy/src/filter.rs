//! The WAF filter as a file that Envoy watches.

use serde::Serialize;
use waf_policy::FilterConfig;

use crate::{
    FILTER_FILE, FILTER_NAME, POSTANALYTICS_CLUSTER, Sidecar,
    location::{self, Filter},
    message::{
        any::Any,
        core::{DataSource, Duration},
        wasm::{
            AsyncDataSource, BackoffStrategy, DiscoveryResponse, FailurePolicy, PluginConfig, ReloadConfig,
            TypedExtensionConfig, VmConfig, Wasm,
        },
    },
};

/// A discovery response with one filter, ready to be moved into [`crate::Paths::config_dir`].
///
/// A changed file takes effect without a restart and without closing a connection. One that the module refuses is
/// dropped and the last good one stays in force.
#[derive(Clone, Debug, Serialize)]
pub struct FilterResource {
    /// Name below [`crate::Paths::config_dir`].
    #[serde(skip)]
    pub file: String,
    #[serde(flatten)]
    response: DiscoveryResponse,
}

/// The filter of the whole application.
pub fn filter_config(sidecar: &Sidecar) -> FilterResource {
    let whole = Filter {
        name: FILTER_NAME.to_owned(),
        file: FILTER_FILE.to_owned(),
        config: sidecar.filter.clone(),
    };
    resource(sidecar, whole)
}

/// Every filter: first the one of [`filter_config`], then those of [`Sidecar::locations`].
pub fn filter_configs(sidecar: &Sidecar) -> Vec<FilterResource> {
    let filters = location::filters(sidecar).into_iter();
    filters.map(|filter| resource(sidecar, filter)).collect()
}

fn resource(sidecar: &Sidecar, filter: Filter) -> FilterResource {
    let Filter { name, file, config } = filter;
    let config = FilterConfig {
        // True because `allow_on_headers_stop_iteration` is set below: both or neither.
        hold_headers: true,
        // An empty name switches reporting off and stays.
        postanalytics_cluster: match config.postanalytics_cluster.as_str() {
            "" => String::new(),
            _ => POSTANALYTICS_CLUSTER.to_owned(),
        },
        ..config
    };
    let wasm = Wasm {
        config: PluginConfig {
            name: name.clone(),
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
    let resource = TypedExtensionConfig {
        name,
        typed_config: Any::Wasm(Box::new(wasm)),
    };
    FilterResource {
        file,
        response: DiscoveryResponse {
            resources: [Any::TypedExtensionConfig(Box::new(resource))],
        },
    }
}

impl FilterResource {
    /// The document, compact and with keys in a fixed order.
    pub fn to_json(&self) -> String {
        // Structs of strings, numbers and booleans always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}
