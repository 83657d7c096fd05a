//! Detector of LDAP filter injection.
//!
//! Applications put values into the parentheses of a search filter, as in `(uid=VALUE)`. A value that closes a
//! parenthesis which it did not open and goes on as filters do changes the search. Whole filters in a value are not a
//! sign: interfaces to directories take them. Sources: RFC 4515 (filters), RFC 4512 (names of attributes), CWE-90.

use super::{Fuel, Place, Signs, Value};
use crate::prefilter::{Classes, byte};

stamps! {
    Ldapi {
        NEXT_CONDITION 13001 "next-condition" 100
            "The value closes a condition of a directory search and adds another.";
        NEXT_OPERATOR 13002 "next-operator" 100
            "The value closes a condition of a directory search and adds an operator over conditions.";
        UNKNOWN_CONDITION 13003 "unknown-condition" 60
            "The value closes a parenthesis and compares something in another, as a directory search does.";
        WILDCARD 13004 "wildcard" 40
            "The value matches anything in a directory search before it closes the condition, or after it compares.";
        CUT 13005 "cut" 100
            "The value closes a condition of a directory search and cuts off the rest with a NUL.";
    }
}

/// Longest value judged, in bytes: names and passwords are short.
const MAX_BYTES: usize = 512;

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    classes.any_byte(byte::PAREN_CLOSE) && classes.any_byte(byte::PAREN_OPEN | byte::NUL | byte::BACKSLASH)
}

/// Looks for signs of LDAP filter injection in one value.
pub fn scan(value: &Value<'_>, fuel: &mut Fuel, signs: &mut Signs) {
    let is_parameter = matches!(
        value.place,
        Place::Query | Place::Body | Place::Cookie | Place::Header | Place::UserAgent | Place::Path
    );
    let text = value.bytes;
    let is_line = text.len() <= MAX_BYTES && memchr::memchr(b'\n', text).is_none();
    if !is_parameter || !is_line || !fuel.spend(text.len() as u64) {
        return;
    }
    let Some(first) = foreign_close(text) else { return };
    let mut at = first;
    // All parentheses that follow are outside of what the value opened; conditions may stand one after another.
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr(b')', rest)) {
        at += found + 1;
        judge(text, first, at, signs);
    }
}

/// Where the first parenthesis stands that closes what the value did not open.
fn foreign_close(text: &[u8]) -> Option<usize> {
    let mut depth = 0u32;
    for at in memchr::memchr2_iter(b'(', b')', text) {
        match text.get(at) {
            Some(b'(') => depth += 1,
            _ if depth == 0 => return Some(at),
            _ => depth -= 1,
        }
    }
    None
}

/// Judges what follows a closing parenthesis that ends before `at`.
fn judge(text: &[u8], first: usize, at: usize, signs: &mut Signs) {
    let rest = text.get(at..).unwrap_or_default();
    if rest == b"\0" || rest == br"\00" {
        signs.push(&CUT, first..text.len());
        return;
    }
    let tight = rest.strip_prefix(b"(");
    let Some(inner) = tight.or_else(|| rest.trim_ascii_start().strip_prefix(b"(")) else {
        return;
    };
    let is_tight = tight.is_some();
    let end = text.len() - inner.len();
    match inner {
        [b'&' | b'|' | b'!', after @ ..] if is_tight => {
            let after = after.trim_ascii_start();
            // `(&)` is true and `(|)` is false in every directory (RFC 4526).
            if matches!(after.first(), Some(b'(' | b')')) || (after.is_empty() && at > 1) {
                signs.push(&NEXT_OPERATOR, first..end + 1);
            } else if let Some((attribute, _)) = condition(after)
                && is_known(attribute)
            {
                signs.push(&NEXT_OPERATOR, first..end + 1);
            }
        }
        _ => {
            let Some((attribute, compared)) = condition(inner) else {
                return;
            };
            let has_wildcard =
                compared.starts_with(b"*") || text.get(..first).is_some_and(|before| before.ends_with(b"*"));
            let span = first..end + attribute.len() + 1;
            if is_known(attribute) {
                signs.push(&NEXT_CONDITION, span);
            } else if is_tight && attribute.len() > 1 {
                signs.push(&UNKNOWN_CONDITION, span.clone());
                if has_wildcard {
                    signs.push(&WILDCARD, span);
                }
            }
        }
    }
}

/// Reads an attribute and what it is compared with.
fn condition(inner: &[u8]) -> Option<(&[u8], &[u8])> {
    const LONGEST: usize = 48;
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b';' | b'.' | b':');
    let end = inner.iter().take(LONGEST).position(|b| !is_name(b))?;
    let (attribute, rest) = inner.split_at(end);
    let compared = match rest {
        [b'=', compared @ ..] | [b'>' | b'<' | b'~', b'=', compared @ ..] => compared,
        _ => return None,
    };
    // `==` and `=>` are operators of programs.
    let is_program = matches!(compared.first(), Some(b'=' | b'>'));
    let is_attribute = attribute.first().is_some_and(u8::is_ascii_alphabetic);
    (is_attribute && !is_program).then_some((attribute, compared))
}

/// Whether an attribute is one of those that directories of people have (RFC 4519, RFC 2798, RFC 2307, Active Directory
/// schema). Options and matching rules after `;` and `:` are left aside.
fn is_known(attribute: &[u8]) -> bool {
    const KNOWN: &[&[u8]] = &[
        b"uid",
        b"cn",
        b"sn",
        b"ou",
        b"dc",
        b"objectclass",
        b"objectcategory",
        b"mail",
        b"givenname",
        b"displayname",
        b"userpassword",
        b"unicodepwd",
        b"samaccountname",
        b"userprincipalname",
        b"memberof",
        b"member",
        b"uniquemember",
        b"uidnumber",
        b"gidnumber",
        b"homedirectory",
        b"loginshell",
        b"telephonenumber",
        b"employeenumber",
        b"employeetype",
        b"distinguishedname",
        b"useraccountcontrol",
        b"objectsid",
        b"objectguid",
        b"memberuid",
        b"department",
        b"manager",
        b"shadowlastchange",
        b"krbprincipalname",
        b"entrydn",
        b"commonname",
        b"surname",
        b"userid",
        b"rfc822mailbox",
        b"gecos",
        b"sshpublickey",
        b"admincount",
    ];
    let name = attribute.split(|b| matches!(b, b';' | b':')).next().unwrap_or_default();
    KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::detect::THRESHOLD;
    use proptest::prelude::*;

    fn weight(value: &[u8]) -> u32 {
        let (mut fuel, mut signs) = (Fuel::new(1 << 22), Signs::default());
        let value = Value {
            bytes: value,
            place: Place::Query,
        };
        scan(&value, &mut fuel, &mut signs);
        if signs.iter().next().is_some() {
            assert!(may_match(&Classes::of(value.bytes)));
        }
        for sign in signs.iter() {
            assert!(sign.span.end <= value.bytes.len());
        }
        signs.weight(AttackType::Ldapi)
    }

    #[test]
    fn only_what_was_not_opened_breaks_out() {
        assert!(weight(b"*)(uid=*") >= THRESHOLD);
        assert!(weight(b"(x)*)(uid=*") >= THRESHOLD);
        assert!(weight(b"(&(uid=a)(cn=b))") < THRESHOLD);
        assert!(weight(b"(a)(b)") < THRESHOLD);
        assert!(weight(b"a)(b)") < THRESHOLD);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            weight(&bytes);
        }

        #[test]
        fn prefilter_agrees(value in "(\\(|\\)|\\*|uid|ab|=|&|\\||!|\\x00|\\\\00|%00| |;){0,14}") {
            weight(value.as_bytes());
        }
    }
}
