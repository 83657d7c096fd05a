//! Verdicts with and without the prefilter are the same.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use waf_engine::{Engine, Scratch, Settings};
use waf_engine_fuzz::Message;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fuzz_target!(|data: &[u8]| {
    let message = Message::read(data);
    let with = Engine::new(Settings::default());
    let without = Engine::new(Settings::default()).without_prefilter();
    SCRATCH.with_borrow_mut(|scratch| {
        let (with, without) = (message.inspect(&with, scratch), message.inspect(&without, scratch));
        // Without the prefilter more fuel is spent, so a verdict that ran out of it may differ.
        if !without.verdict().limits.fuel {
            assert_eq!(with.verdict(), without.verdict());
        }
    });
});
