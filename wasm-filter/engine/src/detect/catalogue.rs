//! Every detector by name, each by itself. Inspection calls them directly, in an order of its own; this list is for
//! tests, fuzzing, benches and documentation.

use super::{
    Fuel, Signs, Stamp, Value, crlf, ldapi, mail_injection, mass_assignment, nosqli, ptrav, rce, redir, scanner, sqli,
    ssi, ssrf, ssti, xss, xxe,
};
use crate::prefilter::Classes;

/// Memory of all detectors, reused between values.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) ptrav: ptrav::Scratch,
    pub(super) rce: rce::Scratch,
    pub(super) sqli: sqli::Scratch,
    pub(super) xss: xss::Scratch,
    pub(super) xxe: xxe::Scratch,
}

/// One detector.
#[derive(Debug)]
pub struct Detector {
    /// Name of its module.
    pub name: &'static str,
    /// Every stamp it gives.
    pub stamps: &'static [Stamp],
    /// Whether a value of these classes can carry one of its signs at all.
    pub may_match: fn(&Classes) -> bool,
    /// Reads a value and reports signs. The second argument is the name of the value's parameter.
    pub scan: Scan,
}

/// Reads a value, of the parameter of that name, and reports signs.
pub type Scan = fn(&Value<'_>, &[u8], &mut Scratch, &mut Fuel, &mut Signs);

macro_rules! detectors {
    ($($module:ident $scan:expr;)+) => {
        /// Every detector, by name.
        pub static DETECTORS: &[Detector] = &[$(Detector {
            name: stringify!($module),
            stamps: $module::STAMPS,
            may_match: $module::may_match,
            scan: $scan,
        }),+];
    };
}

detectors! {
    crlf |value, _, _, fuel, signs| crlf::scan(value, fuel, signs);
    ldapi |value, _, _, fuel, signs| ldapi::scan(value, fuel, signs);
    mail_injection |value, _, _, fuel, signs| mail_injection::scan(value, fuel, signs);
    mass_assignment |value, _, _, fuel, signs| mass_assignment::scan(value, fuel, signs);
    nosqli |value, _, _, fuel, signs| nosqli::scan(value, fuel, signs);
    ptrav |value, _, scratch, fuel, signs| ptrav::scan(value, &mut scratch.ptrav, fuel, signs);
    rce |value, _, scratch, fuel, signs| rce::scan(value, &mut scratch.rce, fuel, signs);
    redir |value, parameter, _, fuel, signs| redir::scan(value, parameter, fuel, signs);
    scanner |value, _, _, fuel, signs| scanner::scan(value, fuel, signs);
    sqli |value, _, scratch, fuel, signs| sqli::scan(value, &mut scratch.sqli, fuel, signs);
    ssi |value, _, _, fuel, signs| ssi::scan(value, fuel, signs);
    ssrf |value, _, _, fuel, signs| ssrf::scan(value, fuel, signs);
    ssti |value, _, _, fuel, signs| ssti::scan(value, fuel, signs);
    xss |value, _, scratch, fuel, signs| xss::scan(value, &mut scratch.xss, fuel, signs);
    xxe |value, _, scratch, fuel, signs| xxe::scan(value, &mut scratch.xxe, fuel, signs);
}
