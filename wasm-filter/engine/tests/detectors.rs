//! What holds for every detector on its own, on every value of the corpus at every place.

#![allow(clippy::unwrap_used)]

use waf_engine::{
    detect::{DETECTORS, Fuel, Place, Scratch, Signs, THRESHOLD, Value},
    prefilter::Classes,
};
use waf_policy::AttackType;

const PLACES: &[Place] = &[
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

#[test]
fn signs_stand_in_the_value_and_are_listed() {
    let mut scratch = Scratch::default();
    for case in waf_cases::load().unwrap() {
        let Some(text) = &case.value else { continue };
        for place in PLACES.iter().copied() {
            let value = Value {
                bytes: text.as_bytes(),
                place,
            };
            let classes = Classes::of(value.bytes);
            for detector in DETECTORS {
                let name = format!("{case}: {} at {place:?}", detector.name);
                let mut signs = Signs::default();
                (detector.scan)(&value, b"next", &mut scratch, &mut Fuel::new(u64::MAX), &mut signs);
                for sign in signs.iter() {
                    assert!(detector.stamps.contains(sign.stamp), "{name}: {sign:?} is not listed");
                    assert!(
                        sign.span.start <= sign.span.end && sign.span.end <= text.len(),
                        "{name}: {sign:?} of {} bytes",
                        text.len()
                    );
                }
                let is_found = AttackType::ALL
                    .iter()
                    .any(|attack_type| signs.weight(*attack_type) >= THRESHOLD);
                assert!(
                    !is_found || (detector.may_match)(&classes),
                    "{name}: the prefilter hides it"
                );
            }
        }
    }
}
