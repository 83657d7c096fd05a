//! The pipeline: head and body of a request through parsers, decoders and detectors.

use waf_policy::Limits;

use crate::{Body, Request, Verdict};

/// The compiled engine: immutable, shared by all requests of a VM.
#[derive(Debug)]
pub struct Engine {
    limits: Limits,
}

/// Memory reused between requests. One per VM; after the first requests nothing is allocated for clean ones.
#[derive(Debug, Default)]
pub struct Scratch {}

/// The state of one request between its head and its body.
///
/// Owns what the body phase needs of the head, so the host may free the head in between.
#[derive(Debug, Default)]
pub struct Inspection {
    verdict: Verdict,
}

impl Engine {
    /// Compiles the engine.
    pub fn new(limits: Limits) -> Engine {
        Engine { limits }
    }

    /// The limits it was compiled with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Inspects target, query, headers and cookies. Call once, first.
    pub fn inspect_head(&self, _request: &Request<'_>, _scratch: &mut Scratch, _inspection: &mut Inspection) {}

    /// Inspects the body, with the content type and encoding that the head declared. Call at most once, after
    /// [`Engine::inspect_head`], with everything that will be inspected.
    pub fn inspect_body(&self, _body: Body<'_>, _scratch: &mut Scratch, _inspection: &mut Inspection) {}
}

impl Inspection {
    /// What was found so far.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }
}
