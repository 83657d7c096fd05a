//! What all contexts of one VM share.
//!
//! Envoy runs one VM per worker thread; a configuration update keeps the VM and adds a root context beside the old one.
//! So metrics, the reporter and reused memory belong to the VM, while configuration belongs to a root context.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use waf_engine::{Engine, Scratch};
use waf_policy::FilterConfig;

use crate::{host::Host, metrics::Metrics, report::Reporter};

/// Most bytes that all requests of a VM together may hold between callbacks: a quarter of the VM's memory.
///
/// Without a common limit, clients with many slow uploads would fill the VM and trap it.
pub const MAX_HELD_BYTES: usize = 16 * 1024 * 1024;

/// The shared parts of a VM.
#[derive(Debug)]
pub struct Vm<H> {
    /// The host.
    pub host: H,
    /// The metrics.
    pub metrics: Metrics,
    /// The reporter.
    pub reporter: RefCell<Reporter>,
    scratch: RefCell<Scratch>,
    held_bytes: Cell<usize>,
}

impl<H: Host> Vm<H> {
    /// Sets a VM up on this host.
    pub fn new(host: H) -> Rc<Vm<H>> {
        let metrics = Metrics::define(&host);
        let reporter = RefCell::new(Reporter::new(host.random()));
        Rc::new(Vm {
            host,
            metrics,
            reporter,
            scratch: RefCell::default(),
            held_bytes: Cell::new(0),
        })
    }

    /// Lends the engine's reused memory. Nested use gets fresh memory instead of a panic.
    pub fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        match self.scratch.try_borrow_mut() {
            Ok(mut scratch) => work(&mut scratch),
            Err(_) => work(&mut Scratch::default()),
        }
    }

    /// Runs something on the reporter. Hostcalls never call back into the module for reporting, so it is always free;
    /// were it not, the work is skipped rather than the VM trapped.
    pub fn with_reporter(&self, work: impl FnOnce(&mut Reporter, &H, &Metrics)) {
        if let Ok(mut reporter) = self.reporter.try_borrow_mut() {
            work(&mut reporter, &self.host, &self.metrics);
        }
    }

    /// Bytes held by all requests of this VM.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes.get()
    }
}

/// Bytes that one request holds of the VM's common allowance; given back when dropped.
#[derive(Debug)]
pub struct Held<H: Host> {
    vm: Rc<Vm<H>>,
    n_bytes: usize,
}

impl<H: Host> Held<H> {
    /// Nothing held yet.
    pub fn new(vm: Rc<Vm<H>>) -> Held<H> {
        Held { vm, n_bytes: 0 }
    }

    /// Takes up to `n_bytes` more; returns how many there were left to take.
    pub fn take(&mut self, n_bytes: usize) -> usize {
        let granted = n_bytes.min(MAX_HELD_BYTES.saturating_sub(self.vm.held_bytes.get()));
        self.vm.held_bytes.set(self.vm.held_bytes.get() + granted);
        self.n_bytes += granted;
        granted
    }
}

impl<H: Host> Drop for Held<H> {
    fn drop(&mut self) {
        let held = self.vm.held_bytes.get().saturating_sub(self.n_bytes);
        self.vm.held_bytes.set(held);
    }
}

/// A configuration in force.
#[derive(Debug)]
pub struct Plugin {
    /// As written.
    pub config: FilterConfig,
    /// Compiled for it.
    pub engine: Engine,
}
