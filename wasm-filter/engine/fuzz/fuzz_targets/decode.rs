//! Every decoder: a value that reaches the engine undamaged whatever its bytes are, and all that is decoded from it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use waf_engine::{Engine, Scratch, Settings};
use waf_engine_fuzz::Message;
use waf_policy::Limits;

fuzz_target!(|data: &[u8]| {
    let encoded: String = data.iter().map(|b| format!("%{b:02X}")).collect();
    let message = format!("GET /?q={encoded}");
    let limits = Limits::default();
    let mut has_seen_value = false;
    let mut deepest = 0;
    let message = Message::read(message.as_bytes());
    let inspection = message.trace(
        &Engine::new(Settings::default()),
        &mut Scratch::default(),
        &mut |point, value| {
            has_seen_value |= value.bytes == data;
            deepest = deepest.max(point.decoders().count());
        },
    );
    // A pair ends nowhere and begins nowhere in percent-encoding; only limits may hide the value.
    assert!(
        has_seen_value || data.is_empty() || inspection.verdict().limits.any(),
        "the value itself was not judged"
    );
    assert!(deepest <= limits.max_depth, "{deepest} decoders");
});
