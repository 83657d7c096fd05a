//! A proxy-wasm module that does nothing.
//!
//! Envoy pays for entering and leaving a VM in every phase, whatever the module does there. This is that floor: the
//! same SDK, the same contexts, no work.

#[cfg(target_arch = "wasm32")]
mod context {
    use proxy_wasm::{
        traits::{Context, HttpContext, RootContext},
        types::ContextType,
    };

    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| Box::new(EmptyRoot));
    }}

    struct EmptyRoot;

    impl Context for EmptyRoot {}

    impl RootContext for EmptyRoot {
        fn get_type(&self) -> Option<ContextType> {
            Some(ContextType::HttpContext)
        }

        fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
            Some(Box::new(EmptyStream))
        }
    }

    struct EmptyStream;

    impl Context for EmptyStream {}

    impl HttpContext for EmptyStream {}
}
