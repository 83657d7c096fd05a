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

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::{Finding, point::PointPath};

    #[test]
    fn every_mode_with_and_without_findings() {
        let clean = Verdict::default();
        let finding = Finding {
            attack_type: AttackType::Sqli,
            point: PointPath::default(),
            decoders: vec![],
            stamps: vec![],
            payload: vec![],
            span: 0..0,
            raw: crate::RawSpan::default(),
            weight: 100,
        };
        let attack = Verdict {
            findings: vec![finding],
            ..Verdict::default()
        };
        let mut limited = Verdict::default();
        limited.limits.fuel = true;
        let table = [
            (Mode::Off, Action::Pass),
            (Mode::Monitoring, Action::Monitor),
            (Mode::SafeBlocking, Action::Monitor),
            (Mode::Block, Action::Block),
        ];
        assert_eq!(table.map(|(mode, _)| mode), Mode::ALL);
        for (mode, action) in table {
            assert_eq!(enforce(mode, &attack), action, "{mode}");
            assert_eq!(enforce(mode, &clean), Action::Pass, "{mode}");
            assert_eq!(
                enforce(mode, &limited),
                Action::Pass,
                "{mode}: a limit alone is no attack"
            );
        }
    }
}
