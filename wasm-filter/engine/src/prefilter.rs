//! What a value is made of, found in one pass, so that most detectors need not look at most values.
//!
//! [`Classes`] records which kinds of bytes, which pairs of neighbours and which keywords occur. Each detector states
//! in its `may_match` what a value must have before it can produce a sign. The promise is one-sided: `may_match` may
//! say yes in vain, but it never says no to a value that the detector's `scan` would report on. A property test
//! compares verdicts with the prefilter on and off.
//!
//! Keywords are maximal runs of ASCII letters, compared without case: `1e0UNION/**/select_1` has the words `e`,
//! `union` and `select`. Digits, underscores and everything else end a word.

mod table;
mod words;

/// Kinds of bytes, for [`Classes::any_byte`] and [`Classes::all_bytes`].
pub mod byte {
    pub use super::table::byte::*;
}

/// Pairs of neighbouring bytes, for [`Classes::any_pair`].
pub mod pair {
    pub use super::table::pair::*;
}

/// Groups of keywords, for [`Classes::any_word`].
pub mod word {
    pub use super::words::group::*;
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    bytes: u64,
    pairs: u64,
    words: u64,
}

impl Classes {
    /// Classifies a value in one pass, in linear time and without allocation.
    pub fn of(value: &[u8]) -> Classes {
        let mut bytes = 0;
        let mut pairs = 0;
        let mut words = 0;
        let mut previous = 0;
        // The last eight letters of the current word, lower case.
        let mut letters = 0u64;
        for &b in value {
            let entry = table::lookup(b);
            bytes |= entry.class;
            pairs |= previous & entry.second;
            previous = entry.first;
            if entry.class & (byte::LOWER | byte::UPPER) != 0 {
                letters = letters << 8 | u64::from(b | 0x20);
            } else if letters != 0 {
                words |= words::lookup(letters);
                letters = 0;
            }
        }
        if letters != 0 {
            words |= words::lookup(letters);
        }
        Classes { bytes, pairs, words }
    }

    /// A value that has everything: wakes every detector. Used to switch the prefilter off.
    pub const ALL: Classes = Classes {
        bytes: u64::MAX,
        pairs: u64::MAX,
        words: u64::MAX,
    };

    /// Whether a byte of at least one of these kinds occurs. Kinds are constants of [`byte`], joined with `|`.
    #[inline]
    pub fn any_byte(&self, kinds: u64) -> bool {
        self.bytes & kinds != 0
    }

    /// Whether each of these kinds occurs at least once.
    #[inline]
    pub fn all_bytes(&self, kinds: u64) -> bool {
        self.bytes & kinds == kinds
    }

    /// Whether at least one of these pairs of neighbours occurs. Pairs are constants of [`pair`], joined with `|`.
    #[inline]
    pub fn any_pair(&self, kinds: u64) -> bool {
        self.pairs & kinds != 0
    }

    /// Whether a keyword of at least one of these groups occurs. Groups are constants of [`word`], joined with `|`.
    #[inline]
    pub fn any_word(&self, groups: u64) -> bool {
        self.words & groups != 0
    }
}

/// Longest value that can be plain, in bytes. Every payload made of letters and digits alone is an encoded object,
/// and those are longer.
const MAX_PLAIN_BYTES: usize = 64;

impl Classes {
    /// Whether a value of so many bytes is a word, a number, an identifier, a date or a phrase without a keyword or a
    /// telling pair. No detector reports on one.
    pub(crate) fn is_plain(&self, n_bytes: usize) -> bool {
        const PLAIN: u64 = byte::LOWER
            | byte::UPPER
            | byte::DIGIT
            | byte::SPACE
            | byte::UNDERSCORE
            | byte::MINUS
            | byte::PLUS
            | byte::DOT
            | byte::COMMA
            | byte::COLON
            | byte::AT
            | byte::QUESTION;
        n_bytes <= MAX_PLAIN_BYTES && self.bytes & !PLAIN == 0 && self.pairs == 0 && self.words == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pairs_and_words_are_seen_anywhere() {
        let classes = Classes::of(b"1' UNION/**/SELECT a--");
        assert!(classes.all_bytes(byte::SINGLE_QUOTE | byte::SLASH | byte::STAR | byte::UPPER | byte::DIGIT));
        assert!(!classes.any_byte(byte::LESS | byte::PAREN_OPEN));
        assert!(classes.any_pair(pair::COMMENT_OPEN));
        assert!(classes.any_pair(pair::DASH_DASH));
        assert!(!classes.any_pair(pair::DOT_DOT));
        assert!(classes.any_word(word::SQL_QUERY));
        assert!(!classes.any_word(word::SHELL));
    }

    #[test]
    fn words_end_at_anything_but_letters() {
        for value in ["1e0union", "union", "0Union_all", "a.UNION(", "select"] {
            assert!(Classes::of(value.as_bytes()).any_word(word::SQL_QUERY), "{value}");
        }
        for value in ["reunion", "unions", "uni on", ""] {
            assert!(!Classes::of(value.as_bytes()).any_word(word::SQL_QUERY), "{value}");
        }
    }

    #[test]
    fn plain_values_wake_little() {
        for value in [
            "hello",
            "42",
            "550e8400-e29b-41d4-a716-446655440000",
            "A plain sentence, nothing else.",
        ] {
            let classes = Classes::of(value.as_bytes());
            assert_eq!(classes.pairs, 0, "{value}");
            assert_eq!(classes.words, 0, "{value}");
        }
    }

    #[test]
    fn phrases_are_plain_and_payloads_of_letters_are_not() {
        let is_plain = |value: &str| Classes::of(value.as_bytes()).is_plain(value.len());
        for value in [
            "",
            "blue",
            "Walking shoe, size 36",
            "ada@example.com",
            "2024-01-01 12:30:00",
            "-7.5",
            "+49 30 1",
        ] {
            assert!(is_plain(value), "{value}");
        }
        for value in [
            "rO0ABXNyABdqYXZh",
            "aced0005770400",
            "1 or 2",
            "whoami",
            "a..b",
            "a--b",
            "x'y",
            "a/b",
            "0x41",
        ] {
            assert!(!is_plain(value), "{value}");
        }
    }
}
