//! The engine in a web page: a pasted HTTP request in, points, findings and the action out.
//!
//! No logic of detection lives here. The page runs the same engine as Envoy does, in the browser; nothing is sent
//! anywhere.

mod paste;
mod report;

use wasm_bindgen::prelude::wasm_bindgen;

/// Inspects a pasted HTTP request in a filtration mode (`off`, `monitoring`, `safe_blocking` or `block`).
///
/// Returns a report as JSON; for text that is no request, an object with the single key `error`.
#[wasm_bindgen]
pub fn inspect(request_text: &str, mode: &str) -> String {
    report::inspect(request_text, mode)
}
