//! The detection engine: request bytes in, verdict out.
//!
//! No IO, clock, randomness, logging or host types, so the same bytes under the same policy give the same verdict
//! natively, in Envoy and in a browser. Input is hostile: the engine returns findings and notes, never an error, and
//! never panics. Files read in pipeline order: [`request`] → [`point`] → `parse` ⇄ `decode` → [`prefilter`] → [`detect`]
//! → [`verdict`] → [`enforce`](mod@enforce).

// Tests may fail loudly; the lints of Cargo.toml are for what runs on traffic.
#![cfg_attr(
    test,
    allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

pub mod detect;
pub mod enforce;
pub mod point;
pub mod prefilter;
pub mod raw;
pub mod request;
pub mod verdict;

mod decode;
mod inspect;
mod memo;
mod parse;
mod settings;
mod walk;

pub use enforce::{Action, enforce};
pub use inspect::{Engine, Inspection};
pub use raw::{Part, RawSpan};
pub use request::{Body, Request};
pub use settings::Settings;
pub use verdict::{Finding, GqlSummary, Hit, LimitFlags, Verdict};
pub use walk::{Scratch, Trace};
