//! Work is counted, grows no faster than the input, and stays below a bound per byte.
//!
//! The counter is fuel. That fuel stands for instructions is shown by `cargo bench --bench work`, which counts those.

#![allow(clippy::unwrap_used)]

#[path = "work/shapes.rs"]
mod shapes;

use shapes::{FRONTS, PARTS, repeated};
use waf_engine::{
    Body, Engine, Inspection, Request, Scratch, Settings,
    detect::{self, DETECTORS, Fuel, Place, Signs, Value},
};
use waf_policy::Limits;

const SHORT_BYTES: usize = 1024;

/// Most that twice the bytes may cost, in tenths.
const MAX_GROWTH: u64 = 22;

/// Work that is done once per request or value, whatever its length, in units.
const ONCE: u64 = 1024;

fn assert_linear(name: &str, short: u64, long: u64) {
    assert!(
        long <= short * MAX_GROWTH / 10 + ONCE,
        "{name}: {short} units, twice as long {long}"
    );
}

fn shapes() -> impl Iterator<Item = (&'static str, &'static str)> {
    FRONTS.iter().flat_map(|front| PARTS.iter().map(|part| (*front, *part)))
}

#[test]
fn work_of_detectors_grows_no_faster_than_their_values() {
    let places = [Place::Query, Place::Name, Place::RawBody, Place::UserAgent];
    for (detector, place) in DETECTORS
        .iter()
        .flat_map(|detector| places.map(|place| (detector, place)))
    {
        let mut scratch = detect::Scratch::default();
        for (front, part) in shapes() {
            let mut scan = |n_bytes: usize| {
                let text = repeated(front, part, n_bytes);
                let value = Value {
                    bytes: text.as_bytes(),
                    place,
                };
                let (mut fuel, mut signs) = (Fuel::new(u64::MAX), Signs::default());
                (detector.scan)(&value, b"next", &mut scratch, &mut fuel, &mut signs);
                u64::MAX - fuel.left()
            };
            let name = format!("{} on {front:?} {part:?} at {place:?}", detector.name);
            assert_linear(&name, scan(SHORT_BYTES), scan(2 * SHORT_BYTES));
        }
    }
}

#[test]
fn work_of_requests_grows_no_faster_than_they_do_and_never_reaches_the_limit() {
    let engine = Engine::new(Settings {
        limits: Limits {
            max_points: usize::MAX,
            max_decoded_bytes: usize::MAX,
            max_fuel: u64::MAX,
            ..Limits::default()
        },
        ..Settings::default()
    });
    let defaults = Limits::default();
    let allowed = defaults.max_fuel / defaults.max_body_bytes as u64;
    let mut scratch = Scratch::default();
    for place in waf_cases::PLACES {
        for (front, part) in shapes() {
            let mut work = |n_bytes: usize| {
                let request = waf_cases::place(&repeated(front, part, n_bytes), place).unwrap();
                inspect(&engine, &mut scratch, &request)
            };
            let name = format!("{front:?} {part:?} at {place}");
            let (short, long) = (work(SHORT_BYTES), work(2 * SHORT_BYTES));
            assert_linear(&name, short, long);
            let per_byte = long / (2 * SHORT_BYTES as u64);
            assert!(
                per_byte < allowed,
                "{name}: {per_byte} units per byte, allowed are {allowed}"
            );
        }
    }
}

fn inspect(engine: &Engine, scratch: &mut Scratch, request: &waf_cases::Request) -> u64 {
    let headers: Vec<(&[u8], &[u8])> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let head = Request {
        method: request.method.as_bytes(),
        target: request.target.as_bytes(),
        headers: &headers,
        ..Default::default()
    };
    let body = Body {
        bytes: &request.body,
        is_complete: true,
    };
    let mut inspection = Inspection::default();
    engine.inspect_head(&head, scratch, &mut inspection);
    engine.inspect_body(body, scratch, &mut inspection);
    inspection.n_fuel()
}
