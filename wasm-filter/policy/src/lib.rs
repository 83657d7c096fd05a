//! What should happen to traffic.
//!
//! A leaf: types without behaviour of their own beyond validation and precedence. The engine, the filter, the injector
//! and postanalytics share these types, so that one idea has one name everywhere. Nothing here does IO, and nothing
//! here knows Envoy, Kubernetes or a wire format; JSON is behind the feature `serde`.

mod attack_type;
mod config;
mod limits;
mod mode;
mod parser;

pub use attack_type::{AttackType, UnknownAttackType};
#[cfg(feature = "serde")]
pub use config::ConfigError;
pub use config::{Application, FilterConfig, InvalidApplication};
pub use limits::Limits;
pub use mode::{Mode, UnknownMode};
pub use parser::{Parser, ParserSet, UnknownParser};
