//! The SDK's contexts, forwarded to [`Root`] and [`Stream`]. Exists only in the Wasm module.
//!
//! The SDK keeps its table of contexts borrowed while a callback runs. That is sound here because none of the hostcalls
//! we make calls back at once: Envoy sends a local reply only after the callback has returned, and delivers gRPC
//! failures later as well.

use std::rc::Rc;

use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel},
};

use crate::{
    host::{CallToken, envoy::EnvoyHost},
    http::{Flow, Stream},
    root::Root,
    vm::Vm,
};

thread_local! {
    static VM: Rc<Vm<EnvoyHost>> = Vm::new(EnvoyHost);
}

proxy_wasm::main! {{
    // The SDK's logger also prints panics to Envoy's log, at level critical.
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(WasmRoot(Root::new(VM.with(Rc::clone)))));
}}

struct WasmRoot(Root<EnvoyHost>);

impl Context for WasmRoot {
    fn on_grpc_call_response(&mut self, token_id: u32, status_code: u32, _response_size: usize) {
        self.0.grpc_answer(CallToken(token_id), status_code);
    }
}

impl RootContext for WasmRoot {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        self.0.configure()
    }

    fn on_tick(&mut self) {
        self.0.tick();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(WasmStream(self.0.new_stream())))
    }
}

struct WasmStream(Stream<EnvoyHost>);

impl Context for WasmStream {}

impl HttpContext for WasmStream {
    fn on_http_request_headers(&mut self, _num_headers: usize, end_of_stream: bool) -> Action {
        #[cfg(feature = "trap-for-tests")]
        trap_if_asked();
        to_action(self.0.request_headers(end_of_stream))
    }

    fn on_http_request_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        to_action(self.0.request_body(body_size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _num_trailers: usize) -> Action {
        to_action(self.0.request_trailers())
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.0.response_headers();
        Action::Continue
    }

    fn on_log(&mut self) {
        self.0.log();
    }
}

fn to_action(flow: Flow) -> Action {
    match flow {
        Flow::Continue => Action::Continue,
        Flow::Pause => Action::Pause,
    }
}

/// Panics on a request that carries `x-wallarm-test-trap`, so that a test can see the VM recover.
#[cfg(feature = "trap-for-tests")]
#[expect(clippy::panic, reason = "the purpose of the feature, which no shipped module has")]
fn trap_if_asked() {
    use crate::host::Host;

    let map = EnvoyHost.request_headers().unwrap_or_default();
    if map.pairs().iter().any(|(name, _)| *name == b"x-wallarm-test-trap") {
        panic!("trap asked for by a test");
    }
}
