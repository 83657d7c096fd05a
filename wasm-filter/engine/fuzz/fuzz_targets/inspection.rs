//! Whole requests, under the default limits and under ones that short inputs reach.

#![no_main]

use libfuzzer_sys::fuzz_target;
use waf_engine::Scratch;
use waf_engine_fuzz::{Message, check_inspection, small_limits};
use waf_policy::Limits;

fuzz_target!(|data: &[u8]| {
    let message = Message::read(data);
    let mut scratch = Scratch::default();
    let verdict = check_inspection(&message, Limits::default(), &mut scratch);
    check_inspection(&message, small_limits(), &mut scratch);
    let again = check_inspection(&message, Limits::default(), &mut scratch);
    assert_eq!(verdict, again, "the verdict depends on what was inspected before");
});
