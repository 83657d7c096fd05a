//! The real host: proxy-wasm ABI 0.2.1 as Envoy implements it.
//!
//! Raw imports instead of the SDK's calls where the SDK panics on a status it does not know, where it insists on UTF-8,
//! or where it cannot express the call (details of a local reply). The only module with `unsafe`.

#![allow(
    unsafe_code,
    reason = "hostcalls are foreign functions; every block states why it is sound"
)]

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    ptr::null_mut,
    time::Duration,
};

use super::{CallToken, GrpcTarget, HeaderMap, Host, LocalReply, LogLevel, MetricId, Status};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, message_len: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period_ms: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max_bytes: usize,
        data: *mut *mut u8,
        data_len: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, data_len: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        data: *mut *mut u8,
        data_len: *mut usize,
    ) -> u32;
    fn proxy_get_property(path: *const u8, path_len: usize, data: *mut *mut u8, data_len: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_len: usize, value: *const u8, value_len: usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_len: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
}

const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const REQUEST_BODY: u32 = 0;
const PLUGIN_CONFIGURATION: u32 = 7;
const COUNTER: u32 = 0;
/// Let Envoy derive the gRPC status from the HTTP status.
const GRPC_STATUS_UNSET: i32 = -1;

/// Envoy.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnvoyHost;

fn check(status: u32) -> Result<(), Status> {
    match status {
        0 => Ok(()),
        status => Err(Status(status)),
    }
}

/// Runs a call that returns memory.
fn fetch(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let mut data: *mut u8 = null_mut();
    let mut len = 0;
    check(call(&mut data, &mut len))?;
    if data.is_null() || len == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host obtained `data` by calling `proxy_on_memory_allocate(len)`, which the SDK serves with a boxed
    // slice of exactly `len` bytes from the global allocator, filled it, and gave up ownership.
    Ok(unsafe { Vec::from_raw_parts(data, len, len) })
}

/// An absent buffer or map is an empty one.
fn or_empty(result: Result<Vec<u8>, Status>) -> Result<Vec<u8>, Status> {
    match result {
        Err(Status::NOT_FOUND) => Ok(Vec::new()),
        result => result,
    }
}

impl Host for EnvoyHost {
    fn log(&self, level: LogLevel, message: &str) {
        let level = match level {
            LogLevel::Info => 2,
            LogLevel::Warn => 3,
            LogLevel::Error => 4,
        };
        // SAFETY: the host only reads the message during the call.
        let _ = unsafe { proxy_log(level, message.as_ptr(), message.len()) };
    }

    fn now(&self) -> Result<Duration, Status> {
        let mut nanoseconds = 0;
        // SAFETY: the pointer is valid for one u64.
        check(unsafe { proxy_get_current_time_nanoseconds(&mut nanoseconds) })?;
        Ok(Duration::from_nanos(nanoseconds))
    }

    fn random(&self) -> u64 {
        // The standard library seeds each thread's first hasher from WASI `random_get`.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(self.now().unwrap_or_default().as_nanos() as u64);
        hasher.finish()
    }

    fn plugin_configuration(&self) -> Result<Vec<u8>, Status> {
        // SAFETY: `fetch` passes valid out-pointers.
        or_empty(fetch(|data, len| unsafe {
            proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, usize::MAX, data, len)
        }))
    }

    fn set_tick_period(&self, period: Duration) -> Result<(), Status> {
        let period_ms = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        // SAFETY: no pointers.
        check(unsafe { proxy_set_tick_period_milliseconds(period_ms) })
    }

    fn request_headers(&self) -> Result<HeaderMap, Status> {
        // SAFETY: `fetch` passes valid out-pointers.
        fetch(|data, len| unsafe { proxy_get_header_map_pairs(REQUEST_HEADERS, data, len) }).map(HeaderMap)
    }

    fn request_body(&self, max_bytes: usize) -> Result<Vec<u8>, Status> {
        // SAFETY: `fetch` passes valid out-pointers.
        or_empty(fetch(|data, len| unsafe {
            proxy_get_buffer_bytes(REQUEST_BODY, 0, max_bytes, data, len)
        }))
    }

    fn response_status(&self) -> Result<u32, Status> {
        let name = ":status";
        // SAFETY: `fetch` passes valid out-pointers; the name is only read during the call.
        let value = fetch(|data, len| unsafe {
            proxy_get_header_map_value(RESPONSE_HEADERS, name.as_ptr(), name.len(), data, len)
        })?;
        std::str::from_utf8(&value)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(Status::PARSE_FAILURE)
    }

    fn send_local_reply(&self, reply: &LocalReply) -> Result<(), Status> {
        let LocalReply {
            status,
            details,
            content_type,
            body,
        } = reply;
        let headers = HeaderMap::from_pairs(&[
            (b"content-type", content_type.as_bytes()),
            (b"cache-control", b"no-store"),
        ]);
        // SAFETY: the host copies everything during the call.
        check(unsafe {
            proxy_send_local_response(
                *status,
                details.as_ptr(),
                details.len(),
                body.as_ptr(),
                body.len(),
                headers.0.as_ptr(),
                headers.0.len(),
                GRPC_STATUS_UNSET,
            )
        })
    }

    fn property(&self, path: &[&str]) -> Result<Vec<u8>, Status> {
        let path = path.join("\0");
        // SAFETY: `fetch` passes valid out-pointers; the path is only read during the call.
        fetch(|data, len| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, len) })
    }

    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), Status> {
        // SAFETY: the host copies name and value during the call.
        check(unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
    }

    fn define_counter(&self, name: &str) -> Result<MetricId, Status> {
        let mut id = 0;
        // SAFETY: the pointer is valid for one u32; the name is only read during the call.
        check(unsafe { proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &mut id) })?;
        Ok(MetricId(id))
    }

    fn increment(&self, metric: MetricId, by: u64) -> Result<(), Status> {
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        // SAFETY: no pointers.
        check(unsafe { proxy_increment_metric(metric.0, by) })
    }

    fn grpc_call(
        &self,
        target: &GrpcTarget,
        service: &str,
        method: &str,
        message: &[u8],
        timeout: Duration,
    ) -> Result<CallToken, Status> {
        // The SDK's own call, because only it can register the token that routes the answer. It panics on a status
        // other than Ok, ParseFailure and InternalFailure; Envoy returns those three for a well-formed `GrpcService`.
        proxy_wasm::hostcalls::dispatch_grpc_call(target.as_str(), service, method, Vec::new(), Some(message), timeout)
            .map(CallToken)
            .map_err(|status| Status(status as u32))
    }
}
