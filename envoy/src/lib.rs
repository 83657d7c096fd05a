//! The configuration of the Envoy that runs next to an application.
//!
//! Two documents come out of one [`Sidecar`]: the static [`Bootstrap`], read once at start, and the
//! [`FilterResource`], a file that Envoy watches and reloads without dropping a connection. Both are typed structs of
//! exactly the fields that we set; there are no text templates, so no value can change the shape of a document.
//! Nothing here does IO or knows Kubernetes.

mod bootstrap;
mod cidr;
mod filter;
mod message;
mod sidecar;

pub use bootstrap::{Bootstrap, bootstrap};
pub use cidr::{Cidr, InvalidCidr};
pub use filter::{FilterResource, filter_config};
pub use sidecar::{
    ADMIN_SOCKET, APP_CLUSTER, BOOTSTRAP_FILE, FILTER_FILE, FILTER_NAME, HEALTH_PATHS, METRICS_PATH,
    POSTANALYTICS_CLUSTER, Paths, Ports, Postanalytics, Sidecar,
};
