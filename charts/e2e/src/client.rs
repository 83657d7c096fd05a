//! Clients that can misbehave.

pub mod http1;
pub mod http2;
