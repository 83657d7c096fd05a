//! What a request may cost, and what it has cost so far.

use waf_policy::Limits;

use crate::{detect::Fuel, memo::Memo, verdict::LimitFlags};

/// What one request has used up so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) n_points: usize,
    pub(crate) n_decoded_bytes: usize,
    pub(crate) n_fuel: u64,
}

/// The limits of a request, and a flag for each that was reached.
#[derive(Debug)]
pub(crate) struct Budget<'w> {
    pub(super) limits: &'w Limits,
    pub(super) flags: &'w mut LimitFlags,
    pub(super) fuel: Fuel,
    usage: &'w mut Usage,
}

impl<'w> Budget<'w> {
    pub(super) fn new(limits: &'w Limits, flags: &'w mut LimitFlags, usage: &'w mut Usage) -> Budget<'w> {
        Budget {
            limits,
            flags,
            fuel: Fuel::new(limits.max_fuel.saturating_sub(usage.n_fuel)),
            usage,
        }
    }

    /// Records the fuel that was used. Call last.
    pub(super) fn finish(self) {
        *self.usage = self.used();
    }

    /// What was used so far.
    pub(super) fn used(&self) -> Usage {
        Usage {
            n_fuel: self.limits.max_fuel - self.fuel.0.min(self.limits.max_fuel),
            ..*self.usage
        }
    }

    /// Whether points and fuel are left.
    pub(crate) fn has_left(&self) -> bool {
        !self.flags.points && !self.flags.fuel
    }

    /// Counts a value. False when there may not be another.
    pub(super) fn count_point(&mut self, n_bytes: usize) -> bool {
        if self.usage.n_points >= self.limits.max_points {
            self.flags.points = true;
            return false;
        }
        self.usage.n_points += 1;
        self.spend(n_bytes as u64 + 1)
    }

    /// Spends fuel. False when it is used up.
    pub(crate) fn spend(&mut self, units: u64) -> bool {
        let has_left = self.fuel.spend(units);
        self.flags.fuel |= !has_left;
        has_left
    }

    /// Whether a decoder may run over so many bytes; its output is never longer.
    pub(crate) fn may_decode(&mut self, n_bytes: usize) -> bool {
        if self.usage.n_decoded_bytes + n_bytes > self.limits.max_decoded_bytes {
            self.flags.decoded_bytes = true;
            return false;
        }
        self.spend(n_bytes as u64)
    }

    /// Bytes that decoders may still produce.
    pub(crate) fn decoded_left(&self) -> usize {
        self.limits.max_decoded_bytes.saturating_sub(self.usage.n_decoded_bytes)
    }

    /// Counts what a decoder produced.
    pub(crate) fn count_decoded(&mut self, n_bytes: usize) {
        self.usage.n_decoded_bytes += n_bytes;
    }

    /// Whether a value at this depth may be read once more.
    pub(crate) fn may_descend(&mut self, depth: usize) -> bool {
        let may = depth < self.limits.max_depth;
        self.flags.depth |= !may;
        may
    }

    /// Charges at once what something cost before. False, and nothing is charged, when that would reach a limit.
    pub(super) fn charge(&mut self, cost: &Usage) -> bool {
        // A decoder that yields nothing is stopped by the limit all the same: what it may not even try was never longer
        // than the value or than what had been decoded of it.
        let tried = cost.n_decoded_bytes.max(Memo::MAX_BYTES);
        let fits = self.usage.n_points + cost.n_points <= self.limits.max_points
            && self.usage.n_decoded_bytes + cost.n_decoded_bytes + tried <= self.limits.max_decoded_bytes
            && cost.n_fuel < self.fuel.0;
        if fits {
            self.usage.n_points += cost.n_points;
            self.usage.n_decoded_bytes += cost.n_decoded_bytes;
            self.fuel.0 -= cost.n_fuel;
        }
        fits
    }
}

impl Usage {
    /// What was used since an earlier state.
    pub(super) fn since(&self, earlier: &Usage) -> Usage {
        Usage {
            n_points: self.n_points - earlier.n_points,
            n_decoded_bytes: self.n_decoded_bytes - earlier.n_decoded_bytes,
            n_fuel: self.n_fuel - earlier.n_fuel,
        }
    }
}
