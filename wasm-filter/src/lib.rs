//! The proxy-wasm module that Envoy loads: the shim between Envoy's callbacks and the detection engine.
//!
//! Nothing here decides about traffic; the engine does. Nothing here panics, whatever a client or the host does: a panic
//! traps the VM and ends every request of one Envoy worker. All logic is written against [`host::Host`] and runs
//! natively in tests; only `context` and `host::envoy` know Envoy and exist only in the module.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test fails by panicking"
    )
)]

pub mod host;

pub mod root;

pub mod http;

pub mod event;
pub mod head;
pub mod metrics;
pub mod reply;
pub mod report;
pub mod vm;

#[cfg(target_arch = "wasm32")]
mod context;
