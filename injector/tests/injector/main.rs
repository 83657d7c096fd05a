//! The injector from outside: manifests in, manifests out, and what Envoy says to the result.

mod manifests;
mod server;
