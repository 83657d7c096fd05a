//! Header values that were judged clean before.
//!
//! Clients send the same `User-Agent`, `Accept` and `Sec-*` values with every request. A value whose bytes are equal
//! to one that was clean is clean: detectors are functions of value and place. Values are compared whole, so nobody
//! can pass off an attack as known; whoever sends ever new values only loses the benefit.

use crate::{Settings, detect::Place, walk::Usage};

/// Entries kept.
const SLOTS: usize = 256;

/// Entries among which the bytes of a value do not choose; the oldest of them gives way.
const WAYS: usize = 4;

/// Values judged clean, each in one of the few slots that its bytes select.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    slots: Vec<Slot>,
    /// What the values were clean under.
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Slot {
    place: Place,
    bytes: Vec<u8>,
    /// What judging it used up; charged again whenever it is recalled, so that limits do not depend on the past.
    cost: Usage,
}

impl Memo {
    /// Longest value kept, in bytes; with [`SLOTS`] this bounds the memory to 64 KiB.
    pub(crate) const MAX_BYTES: usize = 256;

    /// Forgets everything when settings have changed: clean is what they say.
    pub(crate) fn begin(&mut self, settings: &Settings) {
        if self.settings != *settings {
            self.settings = settings.clone();
            self.slots.clear();
        }
    }

    /// What judging this value cost when it was found clean.
    pub(crate) fn recall(&self, bytes: &[u8], place: Place) -> Option<Usage> {
        let from = index(bytes);
        let ways = self.slots.get(from..from + WAYS)?;
        let slot = ways.iter().find(|slot| slot.place == place && slot.bytes == bytes)?;
        Some(slot.cost)
    }

    /// Remembers a clean value in place of another.
    pub(crate) fn remember(&mut self, bytes: &[u8], place: Place, cost: Usage) {
        if bytes.len() > Self::MAX_BYTES {
            return;
        }
        if self.slots.is_empty() {
            let empty = Slot {
                place: Place::Header,
                bytes: Vec::new(),
                cost: Usage::default(),
            };
            self.slots.resize(SLOTS, empty);
        }
        let from = index(bytes);
        let Some(ways) = self.slots.get_mut(from..from + WAYS) else {
            return;
        };
        // The oldest moves to the front and is overwritten.
        ways.rotate_right(1);
        if let Some(slot) = ways.first_mut() {
            slot.place = place;
            slot.bytes.clear();
            slot.bytes.extend_from_slice(bytes);
            slot.cost = cost;
        }
    }
}

/// Selects the first of [`WAYS`] slots by the length and the first, middle and last bytes. Whole values are compared afterwards, so this
/// need not be strong.
fn index(bytes: &[u8]) -> usize {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let word = |from: usize| {
        let part = bytes.get(from..).unwrap_or_default();
        part.iter().take(8).fold(0u64, |word, b| word << 8 | u64::from(*b))
    };
    let parts = [
        word(0),
        word(bytes.len() / 2),
        word(bytes.len().saturating_sub(8)),
        bytes.len() as u64,
    ];
    let mixed = parts
        .iter()
        .fold(0u64, |hash, part| (hash.rotate_left(23) ^ part).wrapping_mul(SPREAD));
    (mixed >> 32) as usize % (SLOTS / WAYS) * WAYS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_values_at_equal_places_are_recalled() {
        let cost = Usage {
            n_points: 1,
            n_decoded_bytes: 0,
            n_fuel: 7,
        };
        let mut memo = Memo::default();
        assert_eq!(memo.recall(b"curl/8.7.1", Place::UserAgent), None);
        memo.remember(b"curl/8.7.1", Place::UserAgent, cost);
        assert_eq!(memo.recall(b"curl/8.7.1", Place::UserAgent), Some(cost));
        assert_eq!(memo.recall(b"curl/8.7.1", Place::Header), None);
        assert_eq!(memo.recall(b"curl/8.7.2", Place::UserAgent), None);
        // Differs only where the slot is not chosen by.
        let long = [b'a'; 64];
        let mut other = long;
        other[20] = b'b';
        assert_eq!(index(&long), index(&other));
        memo.remember(&long, Place::Header, cost);
        assert_eq!(memo.recall(&other, Place::Header), None);
    }

    #[test]
    fn other_settings_know_nothing() {
        let mut memo = Memo::default();
        memo.begin(&Settings::default());
        memo.remember(b"curl/8.7.1", Place::UserAgent, Usage::default());
        memo.begin(&Settings::default());
        assert!(memo.recall(b"curl/8.7.1", Place::UserAgent).is_some());
        let disabled_parsers = [waf_policy::Parser::Base64].into_iter().collect();
        memo.begin(&Settings {
            disabled_parsers,
            ..Settings::default()
        });
        assert_eq!(memo.recall(b"curl/8.7.1", Place::UserAgent), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut memo = Memo::default();
        for n in 0..10_000u32 {
            let value = vec![b'x'; n as usize % 400];
            memo.remember(
                &[&value[..], &n.to_be_bytes()].concat(),
                Place::Header,
                Usage::default(),
            );
        }
        let kept: usize = memo.slots.iter().map(|slot| slot.bytes.capacity()).sum();
        assert!(kept <= 2 * SLOTS * Memo::MAX_BYTES, "{kept} bytes");
    }
}
