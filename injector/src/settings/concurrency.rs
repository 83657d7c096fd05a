//! How many worker threads Envoy has.

use std::{num::NonZeroU8, str::FromStr};

use serde::Deserialize;

use super::Quantity;

/// Most threads; more only cost memory in front of a single pod.
const MAX_THREADS: u8 = 128;

/// Threads without a CPU limit.
const DEFAULT_THREADS: u32 = 2;

/// How many worker threads Envoy has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Concurrency {
    /// `auto`: the CPU limit rounded up, 2 without a limit.
    #[default]
    Auto,
    /// This many, at most 128.
    Threads(NonZeroU8),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Word(String),
}

impl Concurrency {
    /// Threads of a container with this CPU limit.
    pub fn threads(self, cpu_limit: Option<&Quantity>) -> u32 {
        match self {
            Concurrency::Threads(threads) => threads.get().into(),
            Concurrency::Auto => cpu_limit
                .and_then(whole_cpus)
                .map_or(DEFAULT_THREADS, |cpus| cpus.clamp(1, MAX_THREADS.into())),
        }
    }
}

/// `1500m` is 2.
fn whole_cpus(quantity: &Quantity) -> Option<u32> {
    let (number, unit) = match quantity.0.strip_suffix('m') {
        Some(milli) => (milli, 0.001),
        None => (quantity.0.as_str(), 1.0),
    };
    // Casts saturate.
    Some((number.parse::<f64>().ok()? * unit).ceil() as u32)
}

impl FromStr for Concurrency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<NonZeroU8>() {
            Ok(threads) if threads.get() <= MAX_THREADS => Ok(Concurrency::Threads(threads)),
            _ if text == "auto" => Ok(Concurrency::Auto),
            _ => Err(format!("{text:?} is not auto or a number from 1 to {MAX_THREADS}")),
        }
    }
}

impl TryFrom<Written> for Concurrency {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(number) => number.to_string().parse(),
            Written::Word(word) => word.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_follows_the_limit() {
        for (limit, threads) in [
            ("100m", 1),
            ("1", 1),
            ("1500m", 2),
            ("2.5", 3),
            ("1k", 2),
            ("1000", 128),
        ] {
            let quantity = Quantity(limit.to_owned());
            assert_eq!(Concurrency::Auto.threads(Some(&quantity)), threads, "{limit}");
        }
        assert_eq!(Concurrency::Auto.threads(None), 2);
        assert_eq!("3".parse::<Concurrency>().unwrap().threads(None), 3);
        for text in ["0", "129", "many", "-1", ""] {
            assert!(text.parse::<Concurrency>().is_err(), "{text}");
        }
    }
}
