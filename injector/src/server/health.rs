//! Whether the server wants new work.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::ServingKey;

/// What `/readyz` answers. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Health {
    serving: ServingKey,
    is_draining: Arc<AtomicBool>,
}

impl Health {
    pub(super) fn new(serving: ServingKey) -> Self {
        Health {
            serving,
            is_draining: Arc::default(),
        }
    }

    /// From now on no new work is wanted. Work that comes is done all the same.
    pub(super) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// Why the server is not ready; none when it is.
    pub(super) fn unready(&self) -> Option<&'static str> {
        if self.is_draining() {
            Some("draining")
        } else if !self.serving.is_set() {
            Some("no certificate yet")
        } else {
            None
        }
    }
}
