//! The filtration mode.

use std::{fmt, str::FromStr};

/// How requests are filtered.
///
/// The order is the order of severity, which the override rule `strict` compares.
/// Source: Wallarm documentation, "Filtration Mode".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Nothing is inspected or reported.
    Off,
    /// Attacks are recorded and passed on.
    #[default]
    Monitoring,
    /// Attacks from gray-listed sources are blocked, all others recorded.
    SafeBlocking,
    /// Attacks are blocked and recorded.
    Block,
}

impl Mode {
    /// Every mode, by severity.
    pub const ALL: [Mode; 4] = [Mode::Off, Mode::Monitoring, Mode::SafeBlocking, Mode::Block];

    /// The name used in annotations, configuration, metrics and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::Monitoring => "monitoring",
            Mode::SafeBlocking => "safe_blocking",
            Mode::Block => "block",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        Mode::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| UnknownMode(text.to_owned()))
    }
}

/// A mode that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mode {0:?} is not one of off, monitoring, safe_blocking, block")]
pub struct UnknownMode(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for mode in Mode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
    }

    #[test]
    fn unknown_name_says_what_is_allowed() {
        assert_eq!(
            "blocking".parse::<Mode>().unwrap_err().to_string(),
            r#"mode "blocking" is not one of off, monitoring, safe_blocking, block"#
        );
    }

    #[test]
    fn severity_orders_modes() {
        assert!(Mode::ALL.is_sorted());
    }
}
