//! Amounts of a resource.

use serde::{Deserialize, Deserializer};

/// A Kubernetes quantity, for example `100m` or `256Mi`. Plain numbers may be written without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity(pub String);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Whole(u64),
            Fraction(f64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Whole(number) => number.to_string(),
            Written::Fraction(number) => number.to_string(),
            Written::Text(text) => text,
        };
        let digits_end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits_end);
        let is_number = number.parse::<f64>().is_ok();
        let suffixes = [
            "", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
        ];
        if is_number && suffixes.contains(&suffix) {
            Ok(Quantity(text))
        } else {
            let message = format!("{text:?} is not a quantity such as 100m or 256Mi");
            Err(serde::de::Error::custom(message))
        }
    }
}
