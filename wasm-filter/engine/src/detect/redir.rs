//! Detector of open redirects.
//!
//! Applications send users on to an address that a parameter names, and many check that it is their own. A full URL in
//! such a parameter is ordinary, as every single sign-on shows; an attack is an address in one of the forms that checks
//! take for a path or for a known host, while browsers go elsewhere. Only parameters whose name speaks of going
//! somewhere are judged. Sources: CWE-601, WHATWG URL Standard section 4.4 (tabs and line breaks are removed,
//! backslashes are slashes, missing and extra slashes are forgiven), RFC 3986 section 3.2.1.

use super::{Fuel, Place, Signs, Stamp, Value};
use crate::prefilter::{Classes, byte, pair};

stamps! {
    Redir {
        HOST_AS_PATH 7001 "host-as-path" 100
            "The address begins like a path, and browsers take it for another host.";
        BROKEN_SCHEME 7002 "broken-scheme" 100
            "The address has a scheme without the two slashes that belong there, which browsers forgive and checks overlook.";
        HOST_AS_USER 7003 "host-as-user" 100
            "What looks like the host of the address is a user's name; the host follows after `@`.";
        ODD_HOST 7004 "odd-host" 100
            "The host of the address has a backslash or another character by which checks and browsers cut it differently.";
    }
}

/// Longest address judged, in bytes. Tricks stand at the beginning.
const MAX_BYTES: usize = 256;

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    // `is_plain` of the prefilter leaves out what has neither slash nor backslash.
    classes.any_byte(byte::SLASH | byte::BACKSLASH) || classes.any_pair(pair::LETTER_COLON)
}

/// Looks for signs of an open redirect in the value of the parameter of this name.
pub fn scan(value: &Value<'_>, parameter: &[u8], fuel: &mut Fuel, signs: &mut Signs) {
    if !matches!(value.place, Place::Query | Place::Body) || !fuel.spend(parameter.len().min(MAX_BYTES) as u64) {
        return;
    }
    let Some(role) = role(parameter) else { return };
    let address = value.bytes.get(..MAX_BYTES).unwrap_or(value.bytes);
    if !fuel.spend(address.len() as u64) {
        return;
    }
    if let Some(stamp) = judge(address, role) {
        signs.push(stamp, 0..address.len());
    }
}

/// What a parameter's name says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Where to go next.
    Next,
    /// Some address, perhaps of an image or a script.
    Address,
}

/// Longest name looked at, in bytes.
const MAX_NAME: usize = 24;

fn role(parameter: &[u8]) -> Option<Role> {
    let mut folded = [0u8; MAX_NAME];
    let letters = parameter.iter().filter(|b| !matches!(b, b'_' | b'-' | b'.'));
    let mut len = 0;
    for b in letters {
        *folded.get_mut(len)? = b.to_ascii_lowercase();
        len += 1;
    }
    match folded.get(..len)? {
        b"next"
        | b"nexturl"
        | b"nextpage"
        | b"return"
        | b"returnurl"
        | b"returnto"
        | b"returnuri"
        | b"returnpath"
        | b"ret"
        | b"reto"
        | b"rurl"
        | b"redirect"
        | b"redirecturl"
        | b"redirecturi"
        | b"redirectto"
        | b"redir"
        | b"redirurl"
        | b"dest"
        | b"desturl"
        | b"destination"
        | b"continue"
        | b"continueto"
        | b"goto"
        | b"gotourl"
        | b"go"
        | b"forward"
        | b"forwardto"
        | b"forwardurl"
        | b"targeturl"
        | b"back"
        | b"backurl"
        | b"backto"
        | b"callbackurl"
        | b"callback"
        | b"success"
        | b"successurl"
        | b"failureurl"
        | b"cancelurl"
        | b"errorurl"
        | b"checkouturl"
        | b"logouturl"
        | b"loginurl"
        | b"service"
        | b"relaystate"
        | b"out"
        | b"exit"
        | b"exiturl"
        | b"jump"
        | b"jumpto"
        | b"to"
        | b"from"
        | b"referer"
        | b"referrer"
        | b"postlogoutredirecturi"
        | b"afterlogin" => Some(Role::Next),
        b"target" | b"url" | b"uri" | b"u" | b"link" | b"href" | b"location" | b"page" | b"view" | b"path"
        | b"site" | b"domain" => Some(Role::Address),
        _ => None,
    }
}

fn judge(address: &[u8], role: Role) -> Option<&'static Stamp> {
    let mut rest = address.trim_ascii_start();
    let has_control = rest.iter().take(16).any(|b| matches!(b, b'\t' | b'\r' | b'\n'));
    if let Some(tail) = after_scheme(rest) {
        let n_slashes = n_slashes(tail);
        let slashes = tail.get(..n_slashes).unwrap_or_default();
        let host = tail.get(n_slashes..).unwrap_or_default();
        if slashes != b"//" {
            return is_host(host).then_some(&BROKEN_SCHEME);
        }
        return odd_authority(host);
    }
    let n = n_slashes(rest);
    if n < 2 {
        return None;
    }
    let slashes = rest.get(..n).unwrap_or_default();
    rest = rest.get(n..).unwrap_or_default();
    let has_backslash = slashes.contains(&b'\\');
    // A path of Windows, whose shares have backslashes all along.
    if slashes.iter().all(|b| *b == b'\\') && rest.contains(&b'\\') {
        return None;
    }
    let is_tricky = has_backslash || has_control || n > 2 || role == Role::Next;
    if is_tricky && is_host(rest) {
        return Some(&HOST_AS_PATH);
    }
    (n == 2).then(|| odd_authority(rest)).flatten()
}

/// What follows `http:` or `https:`, tabs and line breaks in the scheme overlooked.
fn after_scheme(rest: &[u8]) -> Option<&[u8]> {
    let colon = rest.iter().take(12).position(|b| *b == b':')?;
    let (scheme, tail) = rest.split_at_checked(colon)?;
    let mut letters = scheme.iter().filter(|b| !matches!(b, b'\t' | b'\r' | b'\n'));
    let is_http = b"http"
        .iter()
        .all(|b| letters.next().is_some_and(|letter| letter.eq_ignore_ascii_case(b)));
    let is_end = match letters.next() {
        None => true,
        Some(b's' | b'S') => letters.next().is_none(),
        Some(_) => false,
    };
    (is_http && is_end).then(|| tail.get(1..).unwrap_or_default())
}

/// Bytes at the front that browsers read as slashes or not at all.
fn n_slashes(rest: &[u8]) -> usize {
    let is_slash = |b: &&u8| matches!(b, b'/' | b'\\' | b'\t' | b'\r' | b'\n');
    rest.iter().take_while(is_slash).count()
}

/// Whether some text begins with a host of the Internet: labels with dots, the last of letters and no extension of
/// a file, or four numbers.
fn is_host(rest: &[u8]) -> bool {
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'\\' | b'?' | b'#' | b':'))
        .unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let host = memchr::memrchr(b'@', authority).map_or(authority, |at| authority.get(at + 1..).unwrap_or_default());
    let is_name = host
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    let Some(dot) = memchr::memrchr(b'.', host) else {
        return false;
    };
    let (front, last) = (
        host.get(..dot).unwrap_or_default(),
        host.get(dot + 1..).unwrap_or_default(),
    );
    const EXTENSIONS: &[&[u8]] = &[
        b"php", b"html", b"htm", b"asp", b"aspx", b"jsp", b"do", b"action", b"js", b"css", b"png", b"jpg", b"jpeg",
        b"gif", b"svg", b"webp", b"json", b"xml", b"txt", b"pdf", b"mp", b"zip", b"csv", b"md", b"cgi",
    ];
    let is_extension = EXTENSIONS.iter().any(|known| last.eq_ignore_ascii_case(known));
    // Names of classes, which XPath expressions begin with.
    let is_mixed = last.iter().any(u8::is_ascii_uppercase) && last.iter().any(u8::is_ascii_lowercase);
    let is_numeric = host.split(|b| *b == b'.').count() == 4 && host.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    let is_domain = last.len() > 1 && last.iter().all(u8::is_ascii_alphabetic) && !is_mixed && !is_extension;
    is_name && !front.is_empty() && front.iter().any(u8::is_ascii_alphanumeric) && (is_domain || is_numeric)
}

/// A trick in what stands between `//` and the path.
fn odd_authority(rest: &[u8]) -> Option<&'static Stamp> {
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    // The ideographic full stop and the full-width dot and slash become ASCII in browsers.
    const FOLDED: &[&[u8]] = &["\u{3002}".as_bytes(), "\u{ff0e}".as_bytes(), "\u{ff0f}".as_bytes()];
    let is_folded = FOLDED.iter().any(|dot| memchr::memmem::find(authority, dot).is_some());
    let has_control = authority.iter().any(|b| matches!(b, 0 | b'\t' | b'\r' | b'\n' | b'\\'));
    let begins_as_host = authority.first().is_some_and(u8::is_ascii_alphanumeric);
    if begins_as_host && (is_folded || has_control) && authority.contains(&b'.') | is_folded {
        return Some(&ODD_HOST);
    }
    let at = memchr::memrchr(b'@', authority)?;
    let (user, host) = (authority.get(..at)?, authority.get(at + 1..)?);
    let colon = memchr::memchr(b':', user).unwrap_or(user.len());
    let (name, password) = user.split_at_checked(colon)?;
    // Names like `ada.smith` have dots too; a host ends in a domain that everybody knows or begins with `www`.
    const DOMAINS: &[&[u8]] = &[
        b".com", b".org", b".net", b".io", b".gov", b".edu", b".co", b".dev", b".app",
    ];
    let is_domain = DOMAINS.iter().any(|domain| {
        let from = name.len().saturating_sub(domain.len());
        name.get(from..).is_some_and(|end| end.eq_ignore_ascii_case(domain))
    });
    let is_www = name.get(..4).is_some_and(|front| front.eq_ignore_ascii_case(b"www."));
    let has_port = password.iter().skip(1).all(u8::is_ascii_digit);
    let is_mail = memchr::memchr(b'@', name).is_some();
    ((is_domain || is_www) && has_port && !is_mail && is_host(host)).then_some(&HOST_AS_USER)
}

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::detect::THRESHOLD;
    use proptest::prelude::*;

    fn weight(parameter: &str, value: &[u8]) -> u32 {
        let (mut fuel, mut signs) = (Fuel::new(1 << 22), Signs::default());
        let place = Place::Query;
        scan(
            &Value { bytes: value, place },
            parameter.as_bytes(),
            &mut fuel,
            &mut signs,
        );
        if signs.iter().next().is_some() {
            assert!(may_match(&Classes::of(value)));
            assert!(!Classes::of(value).is_plain(value.len()));
        }
        for sign in signs.iter() {
            assert!(sign.span.start <= sign.span.end && sign.span.end <= value.len());
        }
        signs.weight(AttackType::Redir)
    }

    #[test]
    fn tricks_are_found_and_addresses_are_not() {
        for value in [
            "//evil.example",
            "/\\evil.example",
            "https:evil.example",
            "/\t/evil.example",
            "https://a.com@b.net",
        ] {
            assert!(weight("next", value.as_bytes()) >= THRESHOLD, "{value}");
            assert_eq!(weight("note", value.as_bytes()), 0, "{value}");
        }
        for value in [
            "/home",
            "https://example.com/a?b=//c.d",
            "//static/x",
            "//index.php",
            "https:",
            "//",
            "ada@example.com",
        ] {
            assert_eq!(weight("return_to", value.as_bytes()), 0, "{value}");
        }
        assert_eq!(weight("url", b"//cdn.example.com/a.png"), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            weight("next", &bytes);
        }

        #[test]
        fn prefilter_agrees(value in "(https?|:|/|\\\\|\\t|\\n|@|www|\\.|com|evil|a|\u{3002}|%| ){0,12}") {
            weight("next", value.as_bytes());
            weight("url", value.as_bytes());
        }
    }
}
