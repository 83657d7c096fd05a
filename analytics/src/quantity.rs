//! Sizes and durations as people write them.

use std::time::Duration;

/// A duration: a whole number and one of `s`, `m`, `h`, `d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 24 * 3600)];
    quantity(text, &units)
        .map(Duration::from_secs)
        .ok_or_else(|| "use a whole number and a unit: 30s, 15m, 1h or 7d".to_owned())
}

/// A size in bytes: a whole number and one of `KiB`, `MiB`, `GiB`, `TiB`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
    quantity(text, &units).ok_or_else(|| "use a whole number and a unit: 512MiB or 10GiB".to_owned())
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    // More than a hundred years or what a file system holds is a mistake, and would overflow times.
    let value = number.parse::<u64>().ok()?.checked_mul(*factor)?;
    (value <= 1 << 50).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(bytes("10GiB"), Ok(10 << 30));
        for text in ["", "1", "h", "-1h", "1.5h", "1 h", "99999999999999999d", "1w"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["1G", "GiB", "99999999999TiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
