//! Identifiers of hits, attacks and places in a journal.
//!
//! A hit's id is its time: microseconds in the high bits, a counter in the low ones. The id orders hits, a range of time
//! is a range of ids, and a store needs no second index for either.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use uuid::Uuid;

/// First microsecond that an id can express: 2020-01-01T00:00:00Z.
const EPOCH_MICROS: i64 = 1_577_836_800_000_000;
/// Bits of the counter: hits told apart within one microsecond.
const COUNTER_BITS: u32 = 12;
/// Microseconds that fit above the counter in a positive 64-bit number: 71 years.
const MAX_MICROS: i64 = (1 << (63 - COUNTER_BITS)) - 1;

/// Identifier of a hit: its time in microseconds and a counter within that microsecond.
///
/// Newer hits have greater ids, in numbers and in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HitId(u64);

/// Identifier of an attack: the id of the hit that opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttackId(pub HitId);

/// A time that an id can express, in whole microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u64);

/// Identity of a journal file. Positions of different journals have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalId(pub Uuid);

/// Place of an entry in a journal: from 1, growing, never used twice. 0 stands before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// A text that is not an id: ids have 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of 16 hexadecimal digits")]
pub struct InvalidId;

// === impl Slot ===

impl Slot {
    /// Slots that [`Slot::later`] chooses from: one second.
    const SPREAD: u64 = 1_000_000;

    /// The slot of a time; `None` before 2020 and after 2091.
    pub fn of(time: Timestamp) -> Option<Slot> {
        let micros = time.as_microsecond().checked_sub(EPOCH_MICROS)?;
        (0..=MAX_MICROS).contains(&micros).then_some(Slot(micros as u64))
    }

    /// The slot of a time, or the nearest one there is.
    pub fn nearest(time: Timestamp) -> Slot {
        Slot((time.as_microsecond() - EPOCH_MICROS).clamp(0, MAX_MICROS) as u64)
    }

    /// The first id of the slot.
    pub fn first_id(self) -> HitId {
        HitId(self.0 << COUNTER_BITS)
    }

    /// The last id of the slot.
    pub fn last_id(self) -> HitId {
        HitId(self.first_id().0 | ((1 << COUNTER_BITS) - 1))
    }

    /// A slot within the following second, chosen by `seed`: where a hit goes whose own slot is full.
    pub fn later(self, seed: u64) -> Slot {
        Slot((self.0 + 1 + seed % Slot::SPREAD).min(MAX_MICROS as u64))
    }
}

// === impl HitId ===

impl HitId {
    /// The time of the hit.
    pub fn time(self) -> Timestamp {
        let micros = (self.0 >> COUNTER_BITS) as i64 + EPOCH_MICROS;
        // Within jiff's range: at most 71 years after 2020.
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
    }

    /// The slot the id lies in.
    pub fn slot(self) -> Slot {
        Slot(self.0 >> COUNTER_BITS)
    }

    /// The next id; `None` when it would lie in another slot.
    pub fn next(self) -> Option<HitId> {
        let next = HitId(self.0 + 1);
        (next.slot() == self.slot()).then_some(next)
    }

    /// As a row id. Ids have 63 bits, so this loses nothing.
    pub fn as_row(self) -> i64 {
        self.0 as i64
    }

    /// From a row id; `None` when negative.
    pub fn from_row(row: i64) -> Option<HitId> {
        u64::try_from(row).ok().map(HitId)
    }
}

impl fmt::Display for HitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for HitId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).map_err(|_| InvalidId)?;
        if !digits || number > i64::MAX as u64 {
            return Err(InvalidId);
        }
        Ok(HitId(number))
    }
}

// === impl AttackId ===

impl fmt::Display for AttackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AttackId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.parse().map(AttackId)
    }
}

// === impl Position ===

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_time_and_order() {
        let time: Timestamp = "2026-11-23T22:04:22.123456Z".parse().unwrap();
        let first = Slot::of(time).unwrap().first_id();
        assert_eq!(first.time(), time);
        let next = first.next().unwrap();
        assert!(next > first && next.to_string() > first.to_string());
        assert_eq!(next.time(), time);
        assert_eq!(next.to_string().parse(), Ok(next));
        assert_eq!(HitId::from_row(next.as_row()), Some(next));
        assert_eq!(Slot::of(time).unwrap().last_id().next(), None);
    }

    #[test]
    fn times_without_an_id() {
        for text in [
            "2019-12-31T23:59:59Z",
            "2092-01-01T00:00:00Z",
            "-009999-01-02T01:59:59Z",
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(Slot::of(time), None, "{text}");
            Slot::nearest(time).last_id().time();
        }
    }

    #[test]
    fn texts_that_are_no_id() {
        for text in [
            "",
            "1",
            "+00000000000000f",
            "ffffffffffffffff",
            "00000000000000000",
            "000000000000000g",
            "é0000000000000",
        ] {
            assert_eq!(text.parse::<HitId>(), Err(InvalidId), "{text}");
        }
    }
}
