//! The wire format between filter, postanalytics and its clients.
//!
//! Generated code, committed; `tests/generated.rs` compares it with the `.proto` files. Messages alone build for Wasm;
//! the features `client` and `server` add tonic. These types stay at the edges: domain code converts them at once.

#[cfg(any(feature = "client", feature = "server"))]
pub mod codec;

/// Package `waf.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated; the .proto files carry the documentation"
)]
pub mod v1 {
    include!("gen/waf.v1.rs");
}

/// Serialised `FileDescriptorSet` of every message and service, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptor.bin");
