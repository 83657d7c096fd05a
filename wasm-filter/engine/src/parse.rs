//! Parsers: one value in, named parts of it out.
//!
//! Parsers are lenient, because what matters is what the application behind us may read: they name what they can and
//! say how far they came. Parts go to a sink as borrowed slices; nothing is collected that a limit does not bound.

pub(crate) mod body;
pub(crate) mod declared;
pub(crate) mod gql;
pub(crate) mod grpc;
pub(crate) mod head;
pub(crate) mod json;
pub(crate) mod multipart;
pub(crate) mod pairs;
pub(crate) mod protobuf;
pub(crate) mod viewstate;
pub(crate) mod xml;
