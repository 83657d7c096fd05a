//! Detector of tools that look for weaknesses.
//!
//! Tools name themselves in `User-Agent`, in header fields of their own and in paths that they probe to learn how a
//! server answers what does not exist. Their names anywhere else are only spoken of. Crawlers, monitors and libraries
//! are no such tools. Sources: the tools' documentation and source of their defaults.

use super::{Fuel, Place, Signs, Value};
use crate::prefilter::{Classes, word};

stamps! {
    Scanner {
        TOOL_AGENT 14001 "tool-agent" 100
            "The client names itself as a tool that looks for weaknesses.";
        TOOL_HEADER 14002 "tool-header" 100
            "The request has a header field that only a tool that looks for weaknesses sends.";
        TOOL_PROBE 14003 "tool-probe" 100
            "The path is one that a tool invents to learn how the server answers.";
    }
}

/// Names of tools as they stand in `User-Agent`, lower case. Names that are also ordinary words or products are absent.
const TOOLS: &[&[u8]] = &[
    b"sqlmap",
    b"nikto",
    b"nuclei",
    b"projectdiscovery",
    b"acunetix",
    b"nessus",
    b"openvas",
    b"dirbuster",
    b"gobuster",
    b"dirsearch",
    b"feroxbuster",
    b"wpscan",
    b"joomscan",
    b"droopescan",
    b"masscan",
    b"zgrab",
    b"nmap",
    b"w3af",
    b"arachni",
    b"skipfish",
    b"wfuzz",
    b"ffuf",
    b"whatweb",
    b"havij",
    b"netsparker",
    b"invicti",
    b"appscan",
    b"webinspect",
    b"zaproxy",
    b"commix",
    b"xsser",
    b"xsstrike",
    b"dalfox",
    b"nosqlmap",
    b"tplmap",
    b"sqlninja",
    b"bsqlbf",
    b"fimap",
    b"dotdotpwn",
    b"golismero",
    b"uniscan",
    b"webshag",
    b"jaeles",
    b"zmeu",
    b"morfeus",
    b"muieblackcat",
    b"jorgee",
    b"l9explore",
    b"l9tcpid",
    b"sslyze",
    b"cmsmap",
    b"vbscan",
    b"rustbuster",
    b"kiterunner",
    b"xattacker",
    b"nettacker",
    b"dirb",
    b"burpcollaborator",
    b"whatwaf",
    b"wafw00f",
];

/// Phrases by which tools name themselves that are not told by a single word, lower case.
const PHRASES: &[&[u8]] = &[b"fuzz faster u fool", b"owasp zap", b"grendel-scan"];

/// Beginnings of paths that tools probe, lower case.
const PROBES: &[&[u8]] = &[
    b"acunetix-wvs-test-",
    b"acunetix_wvs_",
    b"nikto-test-",
    b"nmaplowercheck",
    b"nmapuppercheck",
    b"w00tw00t",
    b"muieblackcat",
];

/// Beginnings of the names of header fields that only tools send, lower case.
const HEADERS: &[&[u8]] = &[
    b"acunetix-",
    b"x-arachni-",
    b"x-ratproxy-loop",
    b"x-scan-memo",
    b"x-requestmanager-memo",
];

/// Longest value judged, in bytes.
const MAX_BYTES: usize = 2048;

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    classes.any_word(word::TOOL)
}

/// Whether a header field's name is one that only tools send.
pub(crate) fn is_tool_header(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'a' | b'A' | b'x' | b'X')) && HEADERS.iter().any(|known| begins_with(name, known))
}

/// Looks for the names of tools in one value.
pub fn scan(value: &Value<'_>, fuel: &mut Fuel, signs: &mut Signs) {
    let text = value.bytes.get(..MAX_BYTES).unwrap_or(value.bytes);
    match value.place {
        Place::UserAgent if fuel.spend(8 * text.len() as u64) => scan_agent(text, signs),
        Place::Name if is_tool_header(text) => signs.push(&TOOL_HEADER, 0..text.len()),
        Place::Path if PROBES.iter().any(|known| begins_with(text, known)) => signs.push(&TOOL_PROBE, 0..text.len()),
        _ => {}
    }
}

fn scan_agent(text: &[u8], signs: &mut Signs) {
    let mut start = 0;
    for part in text.split(|b| !b.is_ascii_alphanumeric()) {
        let span = start..start + part.len();
        start = span.end + 1;
        if TOOLS.iter().any(|tool| part.eq_ignore_ascii_case(tool)) {
            signs.push(&TOOL_AGENT, span);
            return;
        }
    }
    for phrase in PHRASES {
        let found = text
            .windows(phrase.len())
            .position(|window| window.eq_ignore_ascii_case(phrase));
        if let Some(at) = found {
            signs.push(&TOOL_AGENT, at..at + phrase.len());
            return;
        }
    }
}

/// Whether a text begins with a name that does not go on with letters.
fn begins_with(text: &[u8], known: &[u8]) -> bool {
    let is_start = text
        .get(..known.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(known));
    let is_open = known.last().is_some_and(|b| !b.is_ascii_alphabetic());
    is_start && (is_open || !text.get(known.len()).is_some_and(u8::is_ascii_alphabetic))
}

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::detect::checked_weight;
    use proptest::prelude::*;

    fn weight(place: Place, value: &[u8]) -> u32 {
        checked_weight(AttackType::Scanner, &Value { bytes: value, place }, may_match, scan)
    }

    #[test]
    fn every_name_wakes_the_detector() {
        for name in TOOLS.iter().chain(PHRASES) {
            assert!(weight(Place::UserAgent, name) > 0);
            assert!(weight(Place::UserAgent, &name.to_ascii_uppercase()) > 0);
            assert_eq!(weight(Place::Query, name), 0);
        }
        for name in HEADERS {
            assert!(weight(Place::Name, name) > 0);
        }
        for name in PROBES {
            assert!(weight(Place::Path, name) > 0);
        }
    }

    #[test]
    fn names_end_at_anything_but_letters_and_digits() {
        assert!(weight(Place::UserAgent, b"x (Nikto/2.5)") > 0);
        assert_eq!(weight(Place::UserAgent, b"Niktomat/2.5 nmaps"), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            weight(Place::UserAgent, &bytes);
            weight(Place::Path, &bytes);
        }

        #[test]
        fn prefilter_agrees(value in "(nmap|sqlmap|l9explore|w3af|w00tw00t|x-scan-memo|0|_|/| |[a-z]|-){0,6}") {
            for place in [Place::UserAgent, Place::Path, Place::Name] {
                weight(place, value.as_bytes());
            }
        }
    }
}
