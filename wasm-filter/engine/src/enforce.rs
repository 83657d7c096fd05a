//! The one place where findings turn into an action.

use waf_policy::Mode;

use crate::Verdict;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Let through; there is nothing to record.
    Pass,
    /// Let through and record.
    Monitor,
    /// Refuse and record.
    Block,
}

impl Action {
    /// The name used in metrics, logs and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Pass => "pass",
            Action::Monitor => "monitored",
            Action::Block => "blocked",
        }
    }
}

/// Decides what happens to a request with this verdict in this mode.
///
/// `safe_blocking` blocks only sources on the gray list; as long as there are no lists, nobody is on it.
/// Source: Wallarm documentation, "Filtration Mode", table of modes.
pub fn enforce(mode: Mode, verdict: &Verdict) -> Action {
    match (mode, verdict.is_clean()) {
        (Mode::Off, _) | (_, true) => Action::Pass,
        (Mode::Monitoring | Mode::SafeBlocking, false) => Action::Monitor,
        (Mode::Block, false) => Action::Block,
    }
}
