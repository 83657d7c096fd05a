//! Work grows with the input and no faster: any part of a request repeated twice as often costs about twice as much, and
//! never more than so much per byte.
//!
//! The input is a request as text; the first two bytes select the part that is repeated.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use waf_engine::{Engine, Scratch, Settings};
use waf_engine_fuzz::Message;
use waf_policy::Limits;

/// Length of the shorter request, in bytes.
const SHORT_BYTES: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fn grown(short: u64) -> u64 {
    short * 22 / 10 + 4096
}

fuzz_target!(|data: &[u8]| {
    let [from, length, text @ ..] = data else { return };
    let from = usize::from(*from).min(text.len());
    let to = (from + usize::from(*length)).min(text.len());
    let (before, part, after) = (&text[..from], &text[from..to], &text[to..]);
    if part.is_empty() {
        return;
    }
    let engine = Engine::new(Settings {
        limits: Limits {
            max_body_bytes: usize::MAX,
            max_points: usize::MAX,
            max_decoded_bytes: usize::MAX,
            max_fuel: u64::MAX,
            ..Limits::default()
        },
        ..Settings::default()
    });
    let work = |n_times: usize| {
        let text = [before, &part.repeat(n_times), after].concat();
        let message = Message::read(&text);
        let inspection = SCRATCH.with_borrow_mut(|scratch| message.inspect(&engine, scratch));
        (inspection.n_fuel(), message.n_bytes() as u64)
    };
    let n_times = SHORT_BYTES.div_ceil(part.len());
    let (short, _) = work(n_times);
    let (long, n_bytes) = work(2 * n_times);
    let per_byte = waf_engine_fuzz::MAX_UNITS_PER_BYTE;
    assert!(long <= per_byte * (n_bytes + 64), "{long} units for {n_bytes} bytes");
    // A limit inside a detector makes one step, once; what grows too fast does so at every length.
    if long > grown(short) {
        let (longer, _) = work(4 * n_times);
        assert!(
            longer <= grown(long),
            "{short} units, twice as much: {long}, twice that: {longer}"
        );
    }
});
