//! Pages of bounded length and size.

use super::{PAGE_BYTES, Paged};
use crate::{
    attack::{Attack, AttackKey},
    hit::limits,
};

/// A page while it is filled.
pub(super) struct Page<T> {
    entries: Vec<T>,
    limit: usize,
    bytes: usize,
    more: bool,
}

impl<T> Page<T> {
    pub(super) fn new(limit: usize) -> Self {
        Page {
            entries: Vec::new(),
            limit,
            bytes: 0,
            more: false,
        }
    }

    /// Whether the entry at hand belongs to the next page.
    pub(super) fn is_full(&mut self) -> bool {
        self.more = self.entries.len() >= self.limit || self.bytes > PAGE_BYTES;
        self.more
    }

    pub(super) fn push(&mut self, entry: T, bytes: usize) {
        self.entries.push(entry);
        self.bytes += bytes;
    }

    pub(super) fn end<C>(self, cursor: impl Fn(&T) -> C) -> Paged<T, C> {
        let next = self.entries.last().filter(|_| self.more).map(cursor);
        Paged {
            entries: self.entries,
            next,
        }
    }
}

/// About how many bytes an attack takes.
pub(super) fn attack_bytes(attack: &Attack) -> usize {
    let AttackKey { host, path, point, .. } = &attack.key;
    // Elements of points are short; what a name adds is counted with the element.
    host.len() + path.len() + attack.payload.len() + point.0.len() * limits::POINT_KEY
}
