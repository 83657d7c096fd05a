//! Detector of mass assignment: names that set what no form and no interface offers.
//!
//! Frameworks bind the members of a request to members of an object. A name that reaches the prototype of objects sets
//! a member of all of them, which nobody does by accident. Names such as `isAdmin` or `role` are no sign: the forms of
//! administrators have them. A binding that walks to a Java class loader ends in code and is remote code execution.
//! Sources: CWE-915, CWE-1321, CVE-2019-10744.

use super::{Fuel, Place, Signs, Value};
use crate::prefilter::{Classes, byte};

stamps! {
    MassAssignment {
        PROTOTYPE 17001 "prototype" 100
            "The name sets a member of the prototype of objects, which every object of the application inherits.";
    }
}

/// Longest name judged, in bytes.
const MAX_BYTES: usize = 1024;

/// Whether a name of letters, digits, `_`, `-`, `[` and `]` can carry a sign, so that it must be judged.
pub(crate) fn may_name(name: &[u8]) -> bool {
    name.starts_with(b"__p") || (name.contains(&b'[') && memchr::memmem::find(name, b"proto").is_some())
}

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    classes.any_byte(byte::UNDERSCORE | byte::BRACKET | byte::DOT)
}

/// Looks for names that reach beyond the object that they are bound to.
pub fn scan(value: &Value<'_>, fuel: &mut Fuel, signs: &mut Signs) {
    let name = value.bytes;
    if value.place != Place::Name || name.len() > MAX_BYTES || !fuel.spend(name.len() as u64) {
        return;
    }
    let mut at = 0;
    let mut before: &[u8] = b"";
    for part in name.split(|b| matches!(b, b'[' | b']' | b'.')) {
        let is_prototype = part == b"__proto__" || (part == b"prototype" && before == b"constructor");
        if is_prototype {
            signs.push(&PROTOTYPE, at..at + part.len());
            return;
        }
        at += part.len() + 1;
        if !part.is_empty() {
            before = part;
        }
    }
}

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::detect::THRESHOLD;
    use proptest::prelude::*;

    fn weight(place: Place, name: &[u8]) -> u32 {
        let (mut fuel, mut signs) = (Fuel::new(1 << 20), Signs::default());
        scan(&Value { bytes: name, place }, &mut fuel, &mut signs);
        for sign in signs.iter() {
            assert!(sign.span.start <= sign.span.end && sign.span.end <= name.len());
        }
        signs.weight(AttackType::MassAssignment)
    }

    #[test]
    fn only_names_that_reach_the_prototype_are_signs() {
        for name in [
            "__proto__",
            "a[__proto__][admin]",
            "__proto__.x",
            "constructor.prototype.x",
            "a[constructor][prototype][b]",
        ] {
            assert!(weight(Place::Name, name.as_bytes()) >= THRESHOLD, "{name}");
            assert_eq!(weight(Place::Body, name.as_bytes()), 0, "{name}");
        }
        for name in [
            "prototype",
            "constructor",
            "prototype[constructor]",
            "isAdmin",
            "user[role]",
            "__typename",
            "my__proto__x",
        ] {
            assert_eq!(weight(Place::Name, name.as_bytes()), 0, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            weight(Place::Name, &bytes);
        }
    }
}
