//! How much work one request may cause.

/// Limits on the work that one request may cause.
///
/// Every byte and every value taken from a client is counted against one of these. Reaching a limit never stops
/// inspection silently: the verdict carries a flag for it and a metric counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Limits {
    /// Body bytes inspected per request. Later bytes pass uninspected and the verdict is marked `body`.
    ///
    /// Must stay below half of Envoy's per-connection buffer limit (1 MiB in our bootstrap).
    pub max_body_bytes: usize,
    /// Points inspected per request, counting every decoded form of a value.
    pub max_points: usize,
    /// Parsers and decoders applied on top of one another to one value.
    pub max_depth: usize,
    /// Bytes that decoders may produce per request, over all values.
    pub max_decoded_bytes: usize,
    /// Units of work per request: at least one per byte looked at by a decoder, parser or detector.
    ///
    /// A unit stands for at most 128 instructions, natively; `cargo xtask bench work` shows it. The default is more than any
    /// body of [`Limits::max_body_bytes`] was found to need.
    pub max_fuel: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_body_bytes: 256 * 1024,
            max_points: 4096,
            max_depth: 8,
            max_decoded_bytes: 2 * 1024 * 1024,
            max_fuel: 64 * 1024 * 1024,
        }
    }
}
