//! What an XML parser would reach when it fetches a system identifier.

/// Where a system identifier leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Beside the document, to a file as XML documents consist of.
    Beside,
    /// To a file of this machine, or through a scheme that is no part of the web.
    Local,
    /// To a host that publishes document types.
    Published,
    /// To another host, for a file that is named as declarations are.
    Declarations,
    /// To another host.
    Foreign,
}

/// Hosts, and their subdomains, that publish widely used document types.
const PUBLISHERS: &[&[u8]] = &[
    b"w3.org",
    b"oasis-open.org",
    b"docbook.org",
    b"cxml.org",
    b"apple.com",
    b"adobe.com",
    b"macromedia.com",
    b"apache.org",
    b"sun.com",
    b"oracle.com",
    b"jboss.org",
    b"hibernate.org",
    b"hibernate.sourceforge.net",
    b"springframework.org",
    b"mybatis.org",
    b"testng.org",
    b"checkstyle.org",
    b"puppycrawl.com",
    b"netscape.com",
    b"wapforum.org",
    b"openmobilealliance.org",
    b"ibm.com",
    b"microsoft.com",
    b"google.com",
    b"niso.org",
    b"nih.gov",
    b"nlm.nih.gov",
    b"jetbrains.com",
    b"freedesktop.org",
    b"gnome.org",
    b"kde.org",
    b"musicxml.org",
    b"daisy.org",
    b"idpf.org",
    b"qt.io",
];

/// Tells where a system identifier leads.
pub(super) fn of(system: &[u8]) -> Reach {
    let system = system.trim_ascii();
    let scheme_end = system
        .iter()
        .take(24)
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')))
        .filter(|end| *end > 0 && system.get(*end) == Some(&b':'));
    if let Some(end) = scheme_end {
        let (scheme, rest) = system.split_at(end);
        let is_web = [&b"http"[..], b"https", b"ftp"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known));
        return if is_web {
            of_host(rest)
        } else if scheme.eq_ignore_ascii_case(b"urn") {
            Reach::Published
        } else {
            Reach::Local
        };
    }
    if system.starts_with(b"//") || system.starts_with(br"\\") {
        return Reach::Foreign;
    }
    let is_rooted = matches!(system.first(), Some(b'/' | b'\\'));
    let names_secret = !has_extension(
        system,
        &[b"dtd", b"ent", b"mod", b"xml", b"xsl", b"sgm", b"sgml", b"svg", b"txt"],
    );
    let climbs = memchr::memmem::find(system, b"../").is_some();
    if names_secret && (is_rooted || climbs) || is_rooted && has_extension(system, &[b"xml", b"txt"]) {
        Reach::Local
    } else {
        Reach::Beside
    }
}

fn of_host(rest: &[u8]) -> Reach {
    let rest = rest.strip_prefix(b"://").unwrap_or(rest);
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#' | b'\\'));
    let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
    let is_publisher = |known: &&[u8]| {
        let start = authority.len().wrapping_sub(known.len());
        authority
            .get(start..)
            .is_some_and(|end| end.eq_ignore_ascii_case(known))
            && (start == 0 || authority.get(start.wrapping_sub(1)) == Some(&b'.'))
    };
    // A host without a letter is a number; a port or a name before `@` is no place to publish at.
    let is_odd = !authority.iter().any(u8::is_ascii_alphabetic) || authority.iter().any(|b| matches!(b, b':' | b'@'));
    if is_odd {
        Reach::Foreign
    } else if PUBLISHERS.iter().any(is_publisher) {
        Reach::Published
    } else if has_extension(path, &[b"dtd", b"ent", b"mod"]) {
        Reach::Declarations
    } else {
        Reach::Foreign
    }
}

fn has_extension(path: &[u8], known: &[&[u8]]) -> bool {
    let dot = memchr::memrchr(b'.', path);
    let extension = dot.and_then(|dot| path.get(dot + 1..)).unwrap_or_default();
    known.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_told_apart() {
        for (system, reach) in [
            ("chapter1.xml", Reach::Beside),
            ("../dtd/book.dtd", Reach::Beside),
            ("/schemas/book.dtd", Reach::Beside),
            ("/etc/passwd", Reach::Local),
            ("../config.php", Reach::Local),
            ("file:///etc/passwd", Reach::Local),
            ("php://filter/read=x/resource=y", Reach::Local),
            ("c:/boot.ini", Reach::Local),
            ("http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd", Reach::Published),
            ("http://evilw3.org/a.txt", Reach::Foreign),
            ("http://10.0.0.1/a.dtd", Reach::Foreign),
            ("http://example.com/a.dtd", Reach::Declarations),
            ("http://example.com/a", Reach::Foreign),
            ("", Reach::Beside),
        ] {
            assert_eq!(of(system.as_bytes()), reach, "{system}");
        }
    }
}
