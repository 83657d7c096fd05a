//! The configuration of the Envoy that runs next to an application.
//!
//! Two documents come out of one [`Sidecar`]: the static [`Bootstrap`], read once at start, and the
//! [`FilterResource`], a file that Envoy watches and reloads without dropping a connection. Both are typed structs of
//! exactly the fields that we set; there are no text templates, so no value can change the shape of a document.
//! Nothing here does IO or knows Kubernetes.

mod bootstrap;
mod cidr;
mod filter;
mod fragment;
mod location;
mod message;
mod sidecar;
mod tls;

pub use bootstrap::{Bootstrap, bootstrap};
pub use cidr::{Cidr, InvalidCidr};
pub use filter::{FilterResource, filter_config, filter_configs};
pub use fragment::{HttpFragment, RouteFragment, VirtualHostFragment};
pub use location::{Location, PathMatch};
pub use sidecar::{
    ADMIN_SOCKET, APP_CLUSTER, BOOTSTRAP_FILE, Compression, FILTER_FILE, FILTER_NAME, HEALTH_PATHS, Ingress,
    METRICS_PATH, POSTANALYTICS_CLUSTER, Paths, Ports, Postanalytics, STATISTICS_PATH, Sidecar,
};
pub use tls::{CIPHER_SUITES, TlsResource, TlsServer, TlsVersion, tls_resources};
