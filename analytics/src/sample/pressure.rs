//! How loaded the service is, and what it does and asks of filters because of it.
//!
//! Load is met in a fixed order, the least harmful first: filters are asked to send less often; of identical hits only the
//! first are kept; only hits with new payloads are kept; hits are only counted; batches are refused. The last is done by
//! the journal when it has no room; the others follow the [`Stage`] here.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::info;

use super::Stage;

/// What makes a stage begin: either is enough.
#[derive(Clone, Copy, Debug)]
struct Bound {
    /// Hits per second.
    rate: f64,
    /// Part of the spool in use.
    fill: f64,
}

/// The vendor's measure, the share of attacks in traffic, is not known here; its threshold is not published either. Hits
/// per second are what storing costs: at 900 bytes a hit, 500 of them fill 10 GiB in seven hours.
const BOUNDS: [(Stage, Bound); 3] = [
    (
        Stage::Counts,
        Bound {
            rate: f64::INFINITY,
            fill: 0.9,
        },
    ),
    (
        Stage::Extreme,
        Bound {
            rate: 5000.0,
            fill: 0.75,
        },
    ),
    (Stage::Regular, Bound { rate: 500.0, fill: 0.5 }),
];
/// A stage ends when rate and fill are below this part of what made it begin ...
const LEAVE: f64 = 0.4;
/// ... for so long.
const CALM: Duration = Duration::from_secs(5 * 60);
/// Hits of so long ago count half.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// Load of the service. Clones share it.
#[derive(Clone, Debug)]
pub struct Pressure(Option<Arc<Mutex<State>>>);

#[derive(Debug)]
struct State {
    /// Hits, decayed.
    level: f64,
    at: Instant,
    stage: Stage,
    /// Since when the stage has not been needed.
    calm_since: Option<Instant>,
}

/// What a filter is asked for with each acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Shortest time between two batches of one producer.
    pub flush_interval: Duration,
    /// How much is kept.
    pub stage: Stage,
}

// === impl Pressure ===

impl Pressure {
    /// Without load.
    pub fn new(now: Instant) -> Pressure {
        Pressure(Some(Arc::new(Mutex::new(State {
            level: 0.0,
            at: now,
            stage: Stage::Full,
            calm_since: None,
        }))))
    }

    /// Load that nothing is done about: `None` stands for a stage that keeps every hit of every type.
    pub fn ignored() -> Pressure {
        Pressure(None)
    }

    /// Notes hits that arrived, and how much of the spool is in use, from 0 to 1.
    pub fn note(&self, n_hits: u64, fill: f64, now: Instant) {
        let Some(state) = &self.0 else { return };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.stage;
        state.note(n_hits, fill, now);
        let after = state.stage;
        drop(state);
        if after != before {
            info!(
                from = before.as_str(),
                to = after.as_str(),
                "Sampling changes with the load."
            );
        }
    }

    /// How much is kept; `None` means everything.
    pub fn stage(&self) -> Option<Stage> {
        let state = self.0.as_ref()?;
        Some(state.lock().unwrap_or_else(PoisonError::into_inner).stage)
    }

    /// What to ask of filters.
    pub fn flow(&self) -> Flow {
        let stage = self.stage().unwrap_or_default();
        let millis = match stage {
            Stage::Full => 500,
            Stage::Regular => 1000,
            Stage::Extreme => 2000,
            Stage::Counts => 5000,
        };
        Flow {
            flush_interval: Duration::from_millis(millis),
            stage,
        }
    }
}

// === impl State ===

impl State {
    fn note(&mut self, n_hits: u64, fill: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.level = self.level * (-passed / HALF_LIFE.as_secs_f64()).exp2() + n_hits as f64;
        let rate = self.level * std::f64::consts::LN_2 / HALF_LIFE.as_secs_f64();
        let needed = |part: f64| {
            let reached = |bound: &Bound| rate >= bound.rate * part || fill >= bound.fill * part;
            let found = BOUNDS.iter().find(|(_, bound)| reached(bound));
            found.map_or(Stage::Full, |(stage, _)| *stage)
        };
        let (wanted, held) = (needed(1.0), needed(LEAVE));
        if wanted >= self.stage {
            self.stage = wanted;
        }
        if held >= self.stage {
            self.calm_since = None;
            return;
        }
        let since = *self.calm_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= CALM {
            self.stage = held;
            self.calm_since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of load with a rate and a fill, and the stage after each.
    fn check(steps: &[(u64, u64, f64, Stage)]) {
        let start = Instant::now();
        let pressure = Pressure::new(start);
        let mut second = 0;
        for (number, (seconds, rate, fill, stage)) in steps.iter().enumerate() {
            for _ in 0..*seconds {
                second += 1;
                pressure.note(*rate, *fill, start + Duration::from_secs(second));
            }
            assert_eq!(pressure.stage(), Some(*stage), "step {number}");
        }
    }

    #[test]
    fn stages_follow_the_rate_and_end_after_calm() {
        check(&[
            (60, 50, 0.0, Stage::Full),
            (60, 600, 0.0, Stage::Regular),
            (60, 6000, 0.0, Stage::Extreme),
            // Lower, but not low: stays for as long as it lasts.
            (1000, 3000, 0.0, Stage::Extreme),
            (60, 300, 0.0, Stage::Extreme),
            (300, 300, 0.0, Stage::Regular),
            (400, 10, 0.0, Stage::Full),
        ]);
    }

    #[test]
    fn a_burst_is_no_storm() {
        check(&[(1, 1000, 0.0, Stage::Full), (1, 1000, 0.0, Stage::Full)]);
    }

    #[test]
    fn stages_follow_the_spool() {
        check(&[
            (1, 0, 0.5, Stage::Regular),
            (1, 0, 0.76, Stage::Extreme),
            (1, 0, 0.95, Stage::Counts),
            (299, 0, 0.0, Stage::Counts),
            (2, 0, 0.0, Stage::Full),
        ]);
    }

    #[test]
    fn calm_that_is_broken_does_not_count() {
        check(&[
            (60, 600, 0.0, Stage::Regular),
            (299, 0, 0.0, Stage::Regular),
            (60, 600, 0.0, Stage::Regular),
            (299, 0, 0.0, Stage::Regular),
        ]);
    }

    #[test]
    fn filters_are_asked_for_less_before_anything_is_left_out() {
        let now = Instant::now();
        let pressure = Pressure::new(now);
        let calm = pressure.flow();
        pressure.note(0, 0.6, now);
        assert!(pressure.flow().flush_interval > calm.flush_interval);
        assert_eq!(Pressure::ignored().stage(), None);
        assert_eq!(Pressure::ignored().flow(), calm);
    }
}
