//! Which batches of a producer were taken.

/// The greatest sequence number taken and which of the [`Window::SIZE`] up to it were.
///
/// Numbers may arrive out of order within the window. Older ones count as taken: a producer must not have more batches
/// under way than the window holds. Source for the idea: RFC 4303, "Sequence Number Verification".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The greatest number taken.
    pub(super) last: u64,
    /// Bit i tells whether `last - i` was taken.
    pub(super) taken: u64,
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is new; `skipped` numbers before it were left out.
    New { skipped: u64 },
    /// It was taken before.
    Known,
}

// === impl Window ===

impl Window {
    /// Numbers told apart.
    const SIZE: u64 = 64;

    /// The window of a producer's first batch. Any number may be the first: the journal may be younger than the producer.
    pub(super) fn first(sequence: u64) -> Window {
        Window {
            last: sequence,
            taken: 1,
        }
    }

    /// Takes a number, unless it was taken.
    pub(super) fn admit(&mut self, sequence: u64) -> Admission {
        if let Some(ahead) = sequence.checked_sub(self.last).filter(|ahead| *ahead > 0) {
            self.taken = if ahead < Window::SIZE { self.taken << ahead } else { 0 };
            self.taken |= 1;
            self.last = sequence;
            return Admission::New { skipped: ahead - 1 };
        }
        let behind = self.last - sequence;
        if behind >= Window::SIZE || self.taken & (1 << behind) != 0 {
            return Admission::Known;
        }
        self.taken |= 1 << behind;
        Admission::New { skipped: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every number is admitted once, whatever the order, as long as it is not late by more than the window.
        #[test]
        fn admits_each_number_once(mut numbers in prop::collection::vec(1u64..150, 1..200)) {
            let first = numbers.remove(0);
            let mut window = Window::first(first);
            let mut taken = BTreeSet::from([first]);
            for number in numbers {
                let greatest = *taken.last().unwrap();
                let fresh = number + 64 > greatest && !taken.contains(&number);
                prop_assert_eq!(window.admit(number) != Admission::Known, fresh, "{} after {:?}", number, taken);
                if fresh {
                    taken.insert(number);
                }
            }
        }
    }

    #[test]
    fn tells_how_many_were_skipped() {
        let mut window = Window::first(5);
        assert_eq!(window.admit(6), Admission::New { skipped: 0 });
        assert_eq!(window.admit(9), Admission::New { skipped: 2 });
        assert_eq!(window.admit(8), Admission::New { skipped: 0 });
        assert_eq!(window.admit(u64::MAX), Admission::New { skipped: u64::MAX - 10 });
        assert_eq!(window.admit(9), Admission::Known);
    }
}
