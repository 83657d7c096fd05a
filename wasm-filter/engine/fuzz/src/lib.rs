//! What the fuzz targets share: how bytes become values and requests, and what must hold for all of them.
//!
//! Inputs are as readable as what they stand for, so that a crash can be read, shortened and kept as a named case.

use waf_engine::detect::{Detector, Fuel, Place, Scratch as DetectorScratch, Signs, THRESHOLD, Value};
use waf_engine::point::PointStack;
use waf_engine::prefilter::Classes;
use waf_engine::{Body, Engine, Finding, Inspection, Request, Scratch, Settings, Verdict};
use waf_policy::{AttackType, Limits};

const PLACES: [Place; 12] = [
    Place::Uri,
    Place::Path,
    Place::Name,
    Place::Query,
    Place::Body,
    Place::RawBody,
    Place::FileName,
    Place::File,
    Place::UserAgent,
    Place::Referer,
    Place::Header,
    Place::Cookie,
];

/// Names of parameters that detectors may treat in their own ways.
const PARAMETERS: [&[u8]; 4] = [b"q", b"next", b"url", b""];

/// Most work that a byte of a request may cause, in the units of [`Limits::max_fuel`].
pub const MAX_UNITS_PER_BYTE: u64 = 256;

/// A value behind one byte that selects its place and its parameter.
pub fn value(data: &[u8]) -> Option<(Value<'_>, &'static [u8])> {
    let (selector, bytes) = data.split_first()?;
    let place = PLACES[*selector as usize % PLACES.len()];
    let parameter = PARAMETERS[*selector as usize / PLACES.len() % PARAMETERS.len()];
    Some((Value { bytes, place }, parameter))
}

/// A request as text: method and target, headers, an empty line, the body.
pub struct Message<'a> {
    method: &'a [u8],
    target: &'a [u8],
    headers: Vec<(&'a [u8], &'a [u8])>,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads any bytes; what is missing is empty.
    pub fn read(data: &'a [u8]) -> Message<'a> {
        let (first, mut rest) = split(data, b'\n');
        let (method, target) = split(first, b' ');
        let mut headers = Vec::new();
        while !rest.is_empty() {
            let (line, after) = split(rest, b'\n');
            rest = after;
            if line.is_empty() {
                break;
            }
            let (name, value) = split(line, b':');
            headers.push((name, value.strip_prefix(b" ").unwrap_or(value)));
        }
        Message {
            method,
            target,
            headers,
            body: rest,
        }
    }

    /// Bytes that are inspected.
    pub fn n_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.method.len() + self.target.len() + headers + self.body.len()
    }

    /// Inspects head and body.
    pub fn inspect(&self, engine: &Engine, scratch: &mut Scratch) -> Inspection {
        let mut inspection = Inspection::default();
        engine.inspect_head(&self.request(), scratch, &mut inspection);
        engine.inspect_body(self.body(), scratch, &mut inspection);
        inspection
    }

    /// The same, and calls `see` with every point.
    pub fn trace(
        &self,
        engine: &Engine,
        scratch: &mut Scratch,
        see: &mut dyn FnMut(&PointStack, &Value<'_>),
    ) -> Inspection {
        let mut inspection = Inspection::default();
        engine.trace_head(&self.request(), scratch, &mut inspection, Some(see));
        engine.trace_body(self.body(), scratch, &mut inspection, Some(see));
        inspection
    }

    fn request(&self) -> Request<'_> {
        Request {
            method: self.method,
            scheme: b"https",
            authority: b"example.com",
            target: self.target,
            headers: &self.headers,
        }
    }

    fn body(&self) -> Body<'_> {
        Body {
            bytes: self.body,
            is_complete: true,
        }
    }
}

fn split(data: &[u8], at: u8) -> (&[u8], &[u8]) {
    match data.iter().position(|b| *b == at) {
        Some(position) => (&data[..position], &data[position + 1..]),
        None => (data, b""),
    }
}

/// Limits that short inputs reach.
pub fn small_limits() -> Limits {
    Limits {
        max_body_bytes: 512,
        max_points: 24,
        max_depth: 3,
        max_decoded_bytes: 256,
        max_fuel: 4096,
    }
}

/// Inspects a request with every point watched, and checks what holds for all verdicts under these limits.
pub fn check_inspection(message: &Message<'_>, limits: Limits, scratch: &mut Scratch) -> Verdict {
    let engine = Engine::new(Settings {
        limits,
        ..Settings::default()
    });
    let mut n_points = 0;
    let inspection = message.trace(&engine, scratch, &mut |_, _| n_points += 1);
    let verdict = inspection.verdict();
    assert!(n_points <= limits.max_points, "{n_points} points");
    assert!(inspection.n_fuel() <= limits.max_fuel);
    assert!(verdict.findings.len() <= Verdict::MAX_FINDINGS);
    for finding in &verdict.findings {
        assert!(finding.payload.len() <= Finding::MAX_PAYLOAD_BYTES);
        assert!(finding.decoders.len() <= limits.max_depth, "{finding:?}");
        assert!(finding.weight >= THRESHOLD);
        assert!(!finding.stamps.is_empty());
    }
    assert_eq!(verdict.hits().is_empty(), verdict.is_clean());
    let untraced = message.inspect(&engine, scratch);
    assert_eq!(verdict, untraced.verdict(), "watching changes the verdict");
    assert_eq!(inspection.n_fuel(), untraced.n_fuel(), "watching changes the work");
    verdict.clone()
}

/// Runs a detector over a value and checks what holds for all signs.
pub fn check_detector(detector: &Detector, value: &Value<'_>, parameter: &[u8], scratch: &mut DetectorScratch) {
    let scan = |scratch: &mut DetectorScratch, allowance: u64| {
        let (mut fuel, mut signs) = (Fuel::new(allowance), Signs::default());
        (detector.scan)(value, parameter, scratch, &mut fuel, &mut signs);
        (signs, allowance - fuel.left())
    };
    let (signs, n_fuel) = scan(scratch, u64::MAX);
    let mut weights = AttackType::ALL.iter().map(|attack_type| signs.weight(*attack_type));
    assert!(
        weights.all(|weight| weight < THRESHOLD) || (detector.may_match)(&Classes::of(value.bytes)),
        "the prefilter hides {signs:?}"
    );
    for sign in signs.iter() {
        assert!(sign.span.start <= sign.span.end, "{sign:?}");
        assert!(
            sign.span.end <= value.bytes.len(),
            "{sign:?} of {} bytes",
            value.bytes.len()
        );
        assert!(detector.stamps.contains(sign.stamp), "{sign:?} is not listed");
    }
    let (again, n_fuel_again) = scan(scratch, u64::MAX);
    assert!(signs.iter().eq(again.iter()), "{signs:?}, then {again:?}");
    assert_eq!(n_fuel, n_fuel_again, "work depends on what was read before");
    // An allowance that ends half-way ends the work, and adds nothing.
    let (_, n_fuel_half) = scan(scratch, n_fuel / 2);
    assert!(n_fuel_half <= n_fuel / 2);
}
