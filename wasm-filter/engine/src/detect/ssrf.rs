//! Detector of server-side request forgery.
//!
//! A parameter that is a URL may make the application fetch it. What counts is a URL that leads to the machine itself,
//! to a private network or to the metadata service of a cloud, one whose scheme no web page uses, or one of a host that
//! exists to see who calls. Only values that are a URL and nothing else are judged: URLs in prose, logs and code are
//! spoken of, not fetched. In bodies, where programs exchange settings, an ordinary address of the local network is
//! ordinary.

mod host;

use self::host::{Spelling, Target};
use super::{Fuel, Place, Signs, Stamp, Value};
use crate::prefilter::{Classes, byte};

stamps! {
    Ssrf {
        METADATA_SERVICE 19001 "metadata-service" 100
            "The value is a URL of the service that tells a virtual machine its own credentials.";
        DISGUISED_ADDRESS 19002 "disguised-address" 100
            "The value is a URL of an internal address, spelled so that filters do not recognise it.";
        INTERNAL_SERVICE 19003 "internal-service" 100
            "The value is a URL of a service that only runs inside of a network.";
        INTERNAL_HOST 19004 "internal-host" 50
            "The value is a URL of the local machine or network, as developers use too.";
        INTERNAL_SCHEME 19005 "internal-scheme" 100
            "The value is a URL of a scheme by which servers can be made to talk to other services.";
        UNUSUAL_SCHEME 19006 "unusual-scheme" 50
            "The value is a URL of a scheme that web pages do not use.";
        CALLBACK_HOST 19007 "callback-host" 100
            "The value is a URL of a host that exists to see which servers can be made to call it.";
    }
}

/// Longest URL judged, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    classes.any_byte(byte::SLASH | byte::BACKSLASH)
}

/// Looks for signs of request forgery in one value.
pub fn scan(value: &Value<'_>, fuel: &mut Fuel, signs: &mut Signs) {
    if matches!(
        value.place,
        Place::Uri | Place::Name | Place::RawBody | Place::FileName | Place::File
    ) {
        return;
    }
    let text = value.bytes.trim_ascii();
    if text.is_empty() || text.len() > MAX_URL_BYTES || !fuel.spend(text.len() as u64) {
        return;
    }
    let start = value.bytes.len() - value.bytes.trim_ascii_start().len();
    let span = start..start + text.len();
    if let Some(stamp) = judge(text, value.place) {
        signs.push(stamp, span);
    }
}

/// The parts of a URL that matter here.
struct Url<'u> {
    scheme: &'u [u8],
    has_credentials: bool,
    /// The user name reads like a host without a password: what people take for the host.
    user_is_host: bool,
    /// `http:\\host`, which only browsers and some libraries take for a URL.
    has_backslashes: bool,
    host: &'u [u8],
    port: Option<u16>,
    path: &'u [u8],
}

/// Reads a URL. None when the text does not begin like one with a host.
fn parse(text: &[u8]) -> Option<Url<'_>> {
    const LONGEST_SCHEME: usize = 16;
    let is_scheme = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let end = text.iter().take(LONGEST_SCHEME).position(|b| !is_scheme(b));
    let (scheme, rest) = match end {
        Some(end) if end > 0 && text.get(end) == Some(&b':') => text.split_at(end),
        _ => (&[][..], text),
    };
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let is_slash = |b: &u8| matches!(b, b'/' | b'\\');
    // Browsers and libraries forgive a missing or surplus slash.
    let n_slashes = rest.iter().take(4).take_while(|b| is_slash(b)).count();
    // A scheme needs a slash; a single slash without a scheme begins a path.
    let has_host = if scheme.is_empty() {
        n_slashes != 1
    } else {
        n_slashes > 0
    };
    if !has_host {
        return None;
    }
    let rest = rest.get(n_slashes..)?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b'\\' | b'?' | b'#'));
    let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
    let at = memchr::memrchr(b'@', authority);
    let host_and_port = at.and_then(|at| authority.get(at + 1..)).unwrap_or(authority);
    let colon = memchr::memrchr(b':', host_and_port).filter(|colon| {
        // Not one inside of an IPv6 address.
        memchr::memrchr(b']', host_and_port).is_none_or(|bracket| bracket < *colon)
    });
    let (host, port) = host_and_port.split_at(colon.unwrap_or(host_and_port.len()));
    let port = port.strip_prefix(b":").and_then(|port| std::str::from_utf8(port).ok());
    Some(Url {
        scheme,
        has_credentials: at.is_some(),
        user_is_host: at.is_some_and(|at| {
            let user = authority.get(..at).unwrap_or_default();
            user.contains(&b'.')
                && user
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        }),
        has_backslashes: n_slashes > 1 && text.get(scheme.len()..).is_some_and(|rest| rest.starts_with(b":\\\\")),
        host,
        port: port.and_then(|port| port.parse().ok()),
        path,
    })
}

fn judge(text: &[u8], place: Place) -> Option<&'static Stamp> {
    let has_blank = text.iter().any(u8::is_ascii_whitespace);
    let nested = ["url:", "jar:", "view-source:"].iter().find_map(|prefix| {
        let (start, rest) = text.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix.as_bytes()).then_some(rest)
    });
    let is_archive = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"jar:"));
    let url = parse(nested.unwrap_or(text))?;
    let is_scheme = |known: &&[u8]| url.scheme.eq_ignore_ascii_case(known);
    let is_web = [&b"http"[..], b"https", b"ws", b"wss", b"ftp"].iter().any(is_scheme);
    let (target, spelling) = host::of(url.host);
    if is_archive && is_web {
        return Some(&INTERNAL_SCHEME);
    }
    // Applications keep their own address in cookies.
    let is_asked = matches!(place, Place::Query | Place::Path);
    if INTERNAL_SCHEMES.iter().any(is_scheme) && !url.host.is_empty() {
        let is_sure = is_asked
            || place == Place::Cookie
            || target != Target::Public
            || url.scheme.eq_ignore_ascii_case(b"gopher") && url.port.is_some();
        return match (is_sure, has_blank) {
            // Lines of another protocol may follow.
            (true, false) => Some(&INTERNAL_SCHEME),
            (true, true) if target != Target::Public => Some(&INTERNAL_SCHEME),
            _ => Some(&UNUSUAL_SCHEME),
        };
    }
    if has_blank {
        return None;
    }
    if target == Target::Metadata {
        // Without a scheme an address is only a name in a list, unless a path asks it something.
        let is_request = is_web || (url.path.starts_with(b"/") && url.path.len() > 1);
        return is_request.then_some(&METADATA_SERVICE);
    }
    if !is_web {
        return None;
    }
    if CALLBACK_ZONES.iter().any(|zone| host::is_below(url.host, zone)) {
        return Some(&CALLBACK_HOST);
    }
    if target == Target::Public || place == Place::Referer {
        // Pages of the local network refer to what they load.
        return None;
    }
    let stamp = match spelling {
        Spelling::Odd => &DISGUISED_ADDRESS,
        // What looks like the host stands before `@`.
        Spelling::Plain if url.has_credentials && (is_asked || url.user_is_host) => &DISGUISED_ADDRESS,
        Spelling::Plain if url.has_backslashes => &DISGUISED_ADDRESS,
        // Readers that differ about `#` take what follows `@` for the host.
        Spelling::Plain if url.path.starts_with(b"#@") => &DISGUISED_ADDRESS,
        Spelling::Plain if is_asked && url.scheme.eq_ignore_ascii_case(b"ftp") => &INTERNAL_SERVICE,
        Spelling::WildcardName if target == Target::Loopback && is_asked => &DISGUISED_ADDRESS,
        _ if is_foreign_protocol(&url) || is_probe(&url) || (is_asked && is_service(&url)) => &INTERNAL_SERVICE,
        _ => &INTERNAL_HOST,
    };
    Some(stamp)
}

/// Schemes by which libraries that fetch URLs reach other kinds of servers. Local files are path traversal.
const INTERNAL_SCHEMES: &[&[u8]] = &[
    b"gopher", b"dict", b"tftp", b"ldap", b"ldaps", b"ldapi", b"netdoc", b"rmi", b"iiop", b"dns",
];

/// Zones of the public services by which testers learn that a server called.
const CALLBACK_ZONES: &[&[u8]] = &[
    b"burpcollaborator.net",
    b"oastify.com",
    b"interact.sh",
    b"interactsh.com",
    b"oast.pro",
    b"oast.live",
    b"oast.site",
    b"oast.online",
    b"oast.fun",
    b"oast.me",
    b"dnslog.cn",
    b"ceye.io",
    b"bxss.me",
    b"r87.me",
    b"eyes.sh",
    b"canarytokens.com",
];

/// Whether a web scheme is used for the port of another protocol.
fn is_foreign_protocol(url: &Url<'_>) -> bool {
    const FOREIGN: &[u16] = &[
        21, 22, 23, 25, 53, 110, 111, 135, 139, 143, 389, 445, 465, 514, 587, 636, 873, 993, 995, 1433, 1521, 2049,
        3306, 3389, 5432, 5672, 5900, 6379, 9042, 9092, 11211, 27017,
    ];
    let is_file_transfer = url.scheme.eq_ignore_ascii_case(b"ftp");
    !is_file_transfer && url.port.is_some_and(|port| FOREIGN.contains(&port))
}

/// Whether the URL asks for a page by which servers tell operators and machines about themselves.
fn is_probe(url: &Url<'_>) -> bool {
    const PAGES: &[&[u8]] = &[
        b"actuator",
        b"server-status",
        b"server-info",
        b"nginx_status",
        b"phpmyadmin",
        b"_cat",
        b"containers",
        b"computeMetadata",
    ];
    let first = first_segment(url.path);
    PAGES.iter().any(|page| first.eq_ignore_ascii_case(page))
}

fn first_segment(path: &[u8]) -> &[u8] {
    path.split(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')))
        .find(|segment| !segment.is_empty())
        .unwrap_or_default()
}

/// Whether the URL asks for what a host keeps for itself: all of it, or pages and ports for operators.
fn is_service(url: &Url<'_>) -> bool {
    const OPERATOR_PORTS: &[u16] = &[
        2375, 2376, 2379, 2380, 4001, 4194, 5601, 5984, 6443, 7001, 8086, 8500, 9000, 9090, 9100, 9200, 9300, 10250,
        10255, 15672, 50070, 61616,
    ];
    const OPERATOR_PAGES: &[&[u8]] = &[
        b"admin",
        b"administrator",
        b"actuator",
        b"server-status",
        b"server-info",
        b"nginx_status",
        b"manager",
        b"console",
        b"phpmyadmin",
        b"jenkins",
        b"solr",
        b"internal",
        b"private",
        b"debug",
        b"metrics",
        b"env",
        b"flag",
        b"secret",
        b"secrets",
        b"_cat",
        b"containers",
        b"wp-admin",
    ];
    let is_bare = url.path.iter().all(|b| *b == b'/') && matches!(url.port, None | Some(80 | 443));
    let first = first_segment(url.path);
    is_bare
        || url.port.is_some_and(|port| OPERATOR_PORTS.contains(&port))
        || OPERATOR_PAGES.iter().any(|page| first.eq_ignore_ascii_case(page))
}

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::detect::THRESHOLD;
    use proptest::prelude::*;

    fn weight(place: Place, value: &[u8]) -> u32 {
        let (mut fuel, mut signs) = (Fuel::new(1 << 20), Signs::default());
        let value = Value { bytes: value, place };
        scan(&value, &mut fuel, &mut signs);
        if signs.iter().next().is_some() {
            assert!(may_match(&Classes::of(value.bytes)));
        }
        for sign in signs.iter() {
            assert!(sign.span.end <= value.bytes.len());
        }
        signs.weight(AttackType::Ssrf)
    }

    #[test]
    fn the_place_decides_on_ordinary_addresses() {
        assert!(weight(Place::Query, b"http://127.0.0.1/") >= THRESHOLD);
        assert!(weight(Place::Body, b"http://127.0.0.1/") < THRESHOLD);
        assert!(weight(Place::Body, b"http://127.0.0.1:6379/") >= THRESHOLD);
        assert!(weight(Place::Body, b"http://127.1/") >= THRESHOLD);
        assert!(weight(Place::Header, b"http://169.254.169.254/a") >= THRESHOLD);
        assert_eq!(weight(Place::Referer, b"http://localhost:3000/"), 0);
        assert_eq!(weight(Place::Query, b"1.2.3/4"), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            weight(Place::Query, &[b"http://", &bytes[..]].concat());
            weight(Place::Query, &bytes);
        }

        #[test]
        fn prefilter_agrees(value in "(http:|gopher:|jar:|/|\\\\|//|@|127|169\\.254\\.169\\.254|\\.|0x|[0-9a-f]{1,8}|:|\\[|\\]|localhost|nip\\.io|①| |#){0,12}") {
            for place in [Place::Query, Place::Body, Place::Header, Place::Cookie] {
                weight(place, value.as_bytes());
            }
        }
    }
}
