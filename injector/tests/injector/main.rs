//! The injector from outside: manifests in, manifests out, and what Envoy says to the result.

mod client;
mod manifests;
mod program;
mod server;
