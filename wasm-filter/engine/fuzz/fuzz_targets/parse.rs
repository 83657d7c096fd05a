//! Every parser, each on all of the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use waf_engine::Scratch;
use waf_engine_fuzz::{Message, check_inspection};
use waf_policy::Limits;

/// Heads that lead to a parser: of the body that follows, or of their last line.
const HEADS: &[&str] = &[
    "GET /?",
    "GET /",
    "GET /a\nCookie: ",
    "GET /a\nReferer: https://example.com/",
    "GET /a\nAuthorization: ",
    "GET /a\nX-Custom: ",
    "POST /a\n\n",
    "POST /a\nContent-Type: application/json\n\n",
    "POST /a\nContent-Type: application/x-www-form-urlencoded\n\n",
    "POST /a\nContent-Type: multipart/form-data; boundary=b\n\n",
    "POST /a\nContent-Type: application/xml\n\n",
    "POST /a\nContent-Type: text/plain\n\n",
    "POST /a\nContent-Type: text/plain; charset=utf-16\n\n",
    "POST /a\nContent-Type: application/graphql\n\n",
    "POST /a\nContent-Type: application/grpc\n\n",
    "POST /a\nContent-Type: application/octet-stream\n\n",
    "POST /a\nContent-Type: application/json\nContent-Encoding: gzip\n\n",
    "POST /a\nContent-Type: application/json\nContent-Encoding: br\n\n",
    "POST /a\nContent-Type: application/json\nContent-Encoding: deflate\n\n",
];

fuzz_target!(|data: &[u8]| {
    let Some((selector, rest)) = data.split_first() else {
        return;
    };
    let head = HEADS[*selector as usize % HEADS.len()];
    let data = [head.as_bytes(), rest].concat();
    check_inspection(&Message::read(&data), Limits::default(), &mut Scratch::default());
});
