//! Memory reused between requests.

use crate::{
    decode::unpack,
    detect::{self, Signs},
    memo::Memo,
    parse::{json, pairs::Pairs, xml},
    point::PointStack,
};

/// Memory reused between requests. One per VM; after the first requests nothing is allocated for clean ones.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) point: PointStack,
    pub(super) signs: Signs,
    pub(super) detectors: detect::Scratch,
    pub(crate) buffers: Buffers,
    pub(super) json: Pool<json::Scratch>,
    pub(super) xml: Pool<xml::Scratch>,
    pub(super) unpack: unpack::Scratch,
    pub(super) pairs: Pool<Pairs>,
    pub(super) memo: Memo,
}

/// Parts of scratch memory that nested parsers take in turn.
#[derive(Debug, Default)]
pub(super) struct Pool<T>(Vec<T>);

impl<T: Default> Pool<T> {
    pub(super) fn take(&mut self) -> T {
        self.0.pop().unwrap_or_default()
    }

    pub(super) fn give(&mut self, part: T) {
        self.0.push(part);
    }
}

/// Largest buffer kept between uses, in bytes. A single huge value does not hold memory for ever.
const MAX_KEPT_BYTES: usize = 64 * 1024;

/// Buffers for what decoders yield.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Pool<Vec<u8>>);

impl Buffers {
    /// An empty buffer.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0.take()
    }

    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        buffer.shrink_to(MAX_KEPT_BYTES);
        self.0.give(buffer);
    }
}
