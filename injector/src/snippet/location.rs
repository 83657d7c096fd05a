//! Which location a request belongs to.
//!
//! Source: NGINX, directive `location`: an exact path wins; then the longest prefix if it is marked `^~`; then the first
//! regular expression; then the longest prefix.

use envoy::PathMatch;
use regex_automata::meta::Regex;

use super::Location;
use crate::annotations::Filtering;

/// Most locations; each is a filter of its own.
const MAX_LOCATIONS: usize = 16;

/// Longest path or expression, in bytes.
const MAX_PATH_BYTES: usize = 256;

/// Whether a location can be matched by Envoy.
pub(super) fn check(modifier: &str, path: &str) -> Result<(), String> {
    if path.len() > MAX_PATH_BYTES {
        return Err(format!("a location is longer than {MAX_PATH_BYTES} bytes"));
    }
    match modifier {
        "" | "=" | "^~" => {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
            match path.starts_with('/') && path.bytes().all(is_plain) {
                true => Ok(()),
                false => Err(format!(
                    "location {path:?} is not allowed (allowed: a path of letters, digits and /-._~ that begins with /)"
                )),
            }
        }
        "~" | "~*" => {
            // Envoy reads RE2; what the two syntaxes read differently is left out.
            let is_common = !path.replace("(?:", "").contains("(?")
                && !["&&", "\\p", "\\P", "\\u", "\\U", "\\<", "\\>"]
                    .iter()
                    .any(|odd| path.contains(odd));
            match is_common && path.is_ascii() && Regex::new(path).is_ok() {
                true => Ok(()),
                false => Err(format!(
                    "location {path:?} is not a regular expression that Envoy reads (RE2)"
                )),
            }
        }
        _ => Err(format!(
            "location modifier {modifier:?} is not allowed (allowed: =, ^~, ~, ~*, or none)"
        )),
    }
}

/// Locations in the order in which the first match counts, and what is said of `/`, which is everything.
///
/// Errors: locations whose order cannot be kept.
pub(crate) fn ordered(locations: &[Location]) -> Result<(Vec<(PathMatch, Filtering)>, Filtering), String> {
    let of_all = locations
        .iter()
        .find(|location| location.path == "/" && ["", "^~"].contains(&&*location.modifier));
    let everything = of_all.map_or_else(Filtering::default, |location| location.filtering);
    let mut rest = locations
        .iter()
        .filter(|location| Some(*location) != of_all)
        .collect::<Vec<_>>();
    if rest.len() > MAX_LOCATIONS {
        return Err(format!("there are {} locations (allowed: {MAX_LOCATIONS})", rest.len()));
    }
    for (idx, location) in rest.iter().enumerate() {
        let is_same = |other: &&Location| other.path == location.path && is_regex(other) == is_regex(location);
        let other = rest.iter().skip(idx + 1).copied().find(is_same);
        if other.is_some_and(|other| other.modifier == location.modifier || !(is_exact(other) || is_exact(location))) {
            return Err(format!("location {:?} stands there twice", location.path));
        }
    }
    let with_regexes = rest.iter().any(|location| is_regex(location));
    for marked in rest.iter().filter(|location| with_regexes && location.modifier == "^~") {
        let inner = rest
            .iter()
            .find(|other| other.modifier.is_empty() && other.path.starts_with(&marked.path));
        if let Some(inner) = inner {
            return Err(format!(
                "location {:?} inside of \"^~ {}\" next to regular expressions is not supported; mark it by ^~ as well",
                inner.path, marked.path
            ));
        }
    }
    // A stable sort: regular expressions keep their order.
    rest.sort_by_key(|location| {
        let length = std::cmp::Reverse(location.path.len());
        match location.modifier.as_str() {
            "=" => (0, length),
            "^~" if with_regexes => (1, length),
            "~" | "~*" => (2, std::cmp::Reverse(0)),
            _ => (3, length),
        }
    });
    let matching = |location: &Location| match location.modifier.as_str() {
        "=" => PathMatch::Exact(location.path.clone()),
        "~" => PathMatch::Regex(location.path.clone()),
        "~*" => PathMatch::Regex(format!("(?i){}", location.path)),
        _ => PathMatch::Prefix(location.path.clone()),
    };
    let ordered = rest
        .into_iter()
        .map(|location| (matching(location), location.filtering));
    Ok((ordered.collect(), everything))
}

fn is_exact(location: &Location) -> bool {
    location.modifier == "="
}

fn is_regex(location: &Location) -> bool {
    location.modifier.starts_with('~')
}
