//! One detector on one value. The binary's name says which: `detect_xss` runs `xss`.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use waf_engine::detect::{DETECTORS, Detector, Scratch};

fn detector() -> &'static Detector {
    let name = env!("CARGO_BIN_NAME").trim_start_matches("detect_");
    let found = DETECTORS.iter().find(|detector| detector.name == name);
    found.unwrap_or_else(|| panic!("no detector {name}"))
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fuzz_target!(|data: &[u8]| {
    if let Some((value, parameter)) = waf_engine_fuzz::value(data) {
        SCRATCH.with_borrow_mut(|scratch| {
            waf_engine_fuzz::check_detector(detector(), &value, parameter, scratch);
        });
    }
});
