//! The detection engine: request bytes in, verdict out.
//!
//! No IO, clock, randomness, logging or host types, so the same bytes under the same policy give the same verdict
//! natively, in Envoy and in a browser. Input is hostile: the engine returns findings and notes, never an error, and
//! never panics. Files read in pipeline order: [`request`] → [`point`] → `parse` ⇄ `decode` → [`prefilter`] → [`detect`]
//! → [`verdict`] → [`enforce`](mod@enforce).

pub mod detect;
pub mod enforce;
pub mod point;
pub mod prefilter;
pub mod request;
pub mod verdict;

mod inspect;

pub use enforce::{Action, enforce};
pub use inspect::{Engine, Inspection, Scratch};
pub use request::{Body, Request};
pub use verdict::{Finding, Hit, LimitFlags, Verdict};
