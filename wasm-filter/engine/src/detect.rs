//! Detectors: one value in, signs of attack out.
//!
//! A detector reads one decoded value and reports *signs*, each with a weight. Signs of one attack type found in one
//! value add up (each stamp once); at [`THRESHOLD`] they are a finding. A sign that is proof by itself weighs
//! [`THRESHOLD`]; a sign that honest values carry too weighs little and needs company.
//!
//! Large steps of a detector are `#[inline(never)]`: they run once per value, and Envoy's compiler takes memory for the
//! largest functions of the module that the process hardly gives back.

use std::ops::Range;

use waf_policy::AttackType;

use crate::prefilter::{Classes, byte};

/// Declares the stamps of a detector by attack type: constant, number, name, weight, reason.
macro_rules! stamps {
    ($($attack_type:ident {
        $($constant:ident $id:literal $name:literal $weight:literal $reason:literal;)+
    })+) => {
        $($(pub(crate) const $constant: $crate::detect::Stamp = $crate::detect::Stamp {
            id: $id,
            attack_type: waf_policy::AttackType::$attack_type,
            name: $name,
            reason: $reason,
            weight: $weight,
        };)+)+

        /// Every stamp of this detector, by number.
        pub static STAMPS: &[$crate::detect::Stamp] = &[$($($constant),+),+];
    };
}

mod catalogue;
pub mod crlf;
pub mod data_bomb;
pub mod invalid_xml;
pub mod ldapi;
mod lines;
pub mod mail_injection;
pub mod mass_assignment;
pub mod nosqli;
pub mod ptrav;
pub mod rce;
pub mod redir;
pub mod scanner;
pub mod sqli;
pub mod ssi;
pub mod ssrf;
pub mod ssti;
pub mod xss;
pub mod xxe;

pub use catalogue::{DETECTORS, Detector, Scan, Scratch};

/// Sum of weights at which signs of one type in one value become a finding.
pub const THRESHOLD: u32 = 100;

/// A kind of sign, with a stable number and a documented meaning.
///
/// Numbers are the attack type's number times 1000 plus a running number; they are never reused.
#[derive(Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Stable number, shown in hits and accepted by rules.
    pub id: u32,
    /// The attack type it speaks for.
    pub attack_type: AttackType,
    /// Short name in kebab case.
    pub name: &'static str,
    /// One sentence for people: what was seen and why it is a sign.
    pub reason: &'static str,
    /// How much it says by itself, of [`THRESHOLD`].
    pub weight: u32,
}

/// Where in the request a value stands, as far as it changes what the value may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The whole request target, undivided.
    Uri,
    /// A path segment.
    Path,
    /// Name of a parameter, header, cookie or member.
    Name,
    /// Value of a query parameter.
    Query,
    /// Value of a form field, JSON member or other body field.
    Body,
    /// A body that no parser recognised.
    RawBody,
    /// Name of an uploaded file.
    FileName,
    /// Content of an uploaded file.
    File,
    /// Value of `User-Agent`.
    UserAgent,
    /// Value of `Referer` or `Origin`: a URL, often with a query of its own.
    Referer,
    /// Value of a header without a place of its own.
    Header,
    /// Value of a cookie.
    Cookie,
}

/// One value, ready to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    /// The value after all decoders of its chain.
    pub bytes: &'a [u8],
    /// Where it stands.
    pub place: Place,
}

/// One sign in one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// What was seen.
    pub stamp: &'static Stamp,
    /// Where in the value, in bytes.
    pub span: Range<usize>,
}

/// Collects signs; kept and reused between values.
#[derive(Debug, Default)]
pub struct Signs(pub(crate) Vec<Sign>);

impl Signs {
    /// Adds a sign. Later signs of a stamp that is already there are dropped: repetition is not evidence.
    pub fn push(&mut self, stamp: &'static Stamp, span: Range<usize>) {
        if !self.0.iter().any(|sign| sign.stamp.id == stamp.id) {
            self.0.push(Sign { stamp, span });
        }
    }

    /// Sum of weights of all signs of one type.
    pub fn weight(&self, attack_type: AttackType) -> u32 {
        self.0
            .iter()
            .filter(|sign| sign.stamp.attack_type == attack_type)
            .map(|sign| sign.stamp.weight)
            .sum()
    }

    /// Every sign so far, in order of discovery.
    pub fn iter(&self) -> impl Iterator<Item = &Sign> {
        self.0.iter()
    }

    /// Forgets all signs and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Runs every detector over a value whose classes allow it to find something. `parameter` is the name of the parameter,
/// field or member whose value it is, empty when it has none.
pub(crate) fn scan(
    value: &Value<'_>,
    parameter: &[u8],
    classes: &Classes,
    scratch: &mut Scratch,
    fuel: &mut Fuel,
    signs: &mut Signs,
) {
    // Its names are plain.
    mass_assignment::scan(value, fuel, signs);
    if classes.is_plain(value.bytes.len()) {
        return;
    }
    if sqli::may_match(classes) {
        sqli::scan(value, &mut scratch.sqli, fuel, signs);
    }
    // PERF: every query has `=`, which alone would wake the detector for each target: 1.4 µs of a browser's GET.
    const NOT_IN_ORDINARY_TARGETS: u64 = byte::LESS
        | byte::GREATER
        | byte::SINGLE_QUOTE
        | byte::DOUBLE_QUOTE
        | byte::BACKTICK
        | byte::PAREN_OPEN
        | byte::BRACE_OPEN
        | byte::SEMICOLON
        | byte::COLON
        | byte::BACKSLASH
        | byte::DOLLAR
        | byte::HIGH
        | byte::NUL
        | byte::CONTROL
        | byte::SPACE
        | byte::TAB
        | byte::NEWLINE;
    // In UTF-7 `<` reads `+ADw-`.
    let may_be_utf7 = classes.all_bytes(byte::MINUS | byte::UPPER);
    let may_be_script = value.place != Place::Uri || classes.any_byte(NOT_IN_ORDINARY_TARGETS) || may_be_utf7;
    if may_be_script && xss::may_match(classes) {
        xss::scan(value, &mut scratch.xss, fuel, signs);
    }
    if scanner::may_match(classes) {
        scanner::scan(value, fuel, signs);
    }
    if ldapi::may_match(classes) {
        ldapi::scan(value, fuel, signs);
    }
    if nosqli::may_match(classes) {
        nosqli::scan(value, fuel, signs);
    }
    if ssrf::may_match(classes) {
        ssrf::scan(value, fuel, signs);
    }
    if rce::may_match(classes) {
        rce::scan(value, &mut scratch.rce, fuel, signs);
    }
    if ptrav::may_match(classes) {
        ptrav::scan(value, &mut scratch.ptrav, fuel, signs);
    }
    if redir::may_match(classes) {
        redir::scan(value, parameter, fuel, signs);
    }
    if mail_injection::may_match(classes) {
        mail_injection::scan(value, fuel, signs);
    }
    if crlf::may_match(classes) {
        crlf::scan(value, fuel, signs);
    }
    if ssi::may_match(classes) {
        ssi::scan(value, fuel, signs);
    }
    if ssti::may_match(classes) {
        ssti::scan(value, fuel, signs);
    }
    if xxe::may_match(classes) {
        xxe::scan(value, &mut scratch.xxe, fuel, signs);
    }
}

/// Work left for this request, in units of about one byte looked at.
#[derive(Clone, Copy, Debug)]
pub struct Fuel(pub(crate) u64);

impl Fuel {
    /// A fresh allowance.
    pub fn new(units: u64) -> Fuel {
        Fuel(units)
    }

    /// Units that are left.
    pub fn left(&self) -> u64 {
        self.0
    }

    /// Spends units. False when they are used up: stop and let the caller flag it.
    #[must_use]
    pub fn spend(&mut self, units: u64) -> bool {
        match self.0.checked_sub(units) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => {
                self.0 = 0;
                false
            }
        }
    }
}

/// What a detector says of a value, for its tests. Signs must stand in the value, and the prefilter must have let the
/// detector see it.
#[cfg(test)]
fn checked_weight(
    attack_type: AttackType,
    value: &Value<'_>,
    may_match: fn(&Classes) -> bool,
    scan: fn(&Value<'_>, &mut Fuel, &mut Signs),
) -> u32 {
    let (mut fuel, mut signs) = (Fuel::new(1 << 22), Signs::default());
    scan(value, &mut fuel, &mut signs);
    if signs.iter().next().is_some() {
        assert!(may_match(&Classes::of(value.bytes)));
    }
    for sign in signs.iter() {
        assert!(sign.span.start <= sign.span.end && sign.span.end <= value.bytes.len());
    }
    signs.weight(attack_type)
}
