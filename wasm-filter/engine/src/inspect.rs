//! The pipeline's two entries: head and body of a request.

use waf_policy::{Limits, ParserSet};

use crate::{
    Body, Request, Scratch, Settings, Trace, Verdict,
    parse::{body, declared::Declared, head},
    walk::{Usage, Walk},
};

/// The compiled engine: immutable, shared by all requests of a VM.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    has_prefilter: bool,
}

/// The state of one request between its head and its body.
///
/// Owns what the body phase needs of the head, so the host may free the head in between.
#[derive(Debug, Default)]
pub struct Inspection {
    verdict: Verdict,
    usage: Usage,
    declared: Declared,
    parsers: Option<ParserSet>,
}

impl Engine {
    /// Compiles the engine.
    pub fn new(settings: Settings) -> Engine {
        Engine {
            settings,
            has_prefilter: true,
        }
    }

    /// The same engine with every detector run on every value. Slower, with the same verdicts: for tests of the
    /// prefilter.
    pub fn without_prefilter(self) -> Engine {
        Engine {
            has_prefilter: false,
            ..self
        }
    }

    /// The limits it was compiled with.
    pub fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// Inspects target, query, headers and cookies. Call once, first.
    pub fn inspect_head(&self, request: &Request<'_>, scratch: &mut Scratch, inspection: &mut Inspection) {
        self.trace_head(request, scratch, inspection, None);
    }

    /// Inspects the body, with the content type and encoding that the head declared. Call at most once, after
    /// [`Engine::inspect_head`], with everything that will be inspected.
    pub fn inspect_body(&self, body: Body<'_>, scratch: &mut Scratch, inspection: &mut Inspection) {
        self.trace_body(body, scratch, inspection, None);
    }

    /// As [`Engine::inspect_head`], and shows every point to `trace`.
    pub fn trace_head<'t>(
        &'t self,
        request: &Request<'_>,
        scratch: &'t mut Scratch,
        inspection: &'t mut Inspection,
        trace: Option<Trace<'t>>,
    ) {
        inspection.declared = Declared::of(request);
        let mut walk = self.walk(scratch, inspection, trace);
        head::inspect(request, &mut walk);
        walk.finish();
    }

    /// As [`Engine::inspect_body`], and shows every point to `trace`.
    pub fn trace_body<'t>(
        &'t self,
        body: Body<'_>,
        scratch: &'t mut Scratch,
        inspection: &'t mut Inspection,
        trace: Option<Trace<'t>>,
    ) {
        let bytes = body
            .bytes
            .get(..self.settings.limits.max_body_bytes)
            .unwrap_or(body.bytes);
        inspection.verdict.limits.body |= !body.is_complete || bytes.len() < body.bytes.len();
        let declared = inspection.declared;
        let mut walk = self.walk(scratch, inspection, trace);
        body::inspect(bytes, &declared, &mut walk);
        walk.finish();
    }

    fn walk<'t>(
        &'t self,
        scratch: &'t mut Scratch,
        inspection: &'t mut Inspection,
        trace: Option<Trace<'t>>,
    ) -> Walk<'t> {
        let Inspection {
            verdict,
            usage,
            parsers,
            ..
        } = inspection;
        Walk::new(
            &self.settings,
            *parsers,
            self.has_prefilter,
            scratch,
            verdict,
            usage,
            trace,
        )
    }
}

impl Inspection {
    /// An inspection with parsers of its own in place of the engine's: those in the set read, all others do not.
    pub fn with_parsers(parsers: ParserSet) -> Inspection {
        Inspection {
            parsers: Some(parsers),
            ..Inspection::default()
        }
    }

    /// What was found so far.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Work done so far, in the units of [`Limits::max_fuel`].
    pub fn n_fuel(&self) -> u64 {
        self.usage.n_fuel
    }
}
