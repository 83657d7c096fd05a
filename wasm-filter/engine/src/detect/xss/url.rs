//! URLs that run script when they are followed or loaded.

use super::{
    javascript::Kind,
    script,
    text::{at, part, tail},
};

/// Longest scheme looked for, in letters.
const MAX_SCHEME: usize = 24;

/// Most bytes that may hide between the letters of a scheme.
const MAX_NOISE: usize = 256;

/// What a URL would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Danger {
    /// `javascript:` or a relative, with code behind it.
    Script,
    /// `data:` with a type that is a document of its own.
    Document,
    /// `data:` with an SVG image, a document where it is not loaded as an image.
    Image,
    /// `data:` with a script as content.
    Source,
}

/// A dangerous URL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// What it does.
    pub(super) danger: Danger,
    /// The scheme is interrupted by blanks or control bytes, which browsers drop and filters stumble over.
    pub(super) is_obscured: bool,
    /// Its script reaches a sink.
    pub(super) has_sink: bool,
}

/// Reads a decoded URL. None when it is harmless.
///
/// Browsers strip control bytes and spaces before a URL and tabs and line ends anywhere in it.
/// Source: WHATWG URL, 4.4 "URL parsing".
pub(super) fn read(url: &[u8]) -> Option<Reading> {
    let mut rest = url;
    let mut is_obscured = false;
    // `feed:` and `view-source:` wrapped another URL in older browsers.
    for _ in 0..3 {
        let (scheme, n_letters, noise, length) = scheme(rest)?;
        is_obscured |= noise;
        let after = tail(rest, length);
        match part(&scheme, 0..n_letters) {
            b"javascript" | b"vbscript" | b"livescript" | b"jscript" | b"mocha" | b"vbs" => {
                let code = script::read(after);
                if !runs(after, &code) {
                    return None;
                }
                return Some(Reading {
                    danger: Danger::Script,
                    is_obscured,
                    has_sink: code.sink.is_some(),
                });
            }
            b"data" => {
                return Some(Reading {
                    danger: media_type(after)?,
                    is_obscured,
                    has_sink: false,
                });
            }
            b"feed" | b"viewsource" | b"jar" | b"url" => rest = after,
            _ => return None,
        }
    }
    None
}

/// Whether what stands behind `javascript:` does anything. `javascript:void(0)` and book titles do not.
fn runs(after: &[u8], code: &script::Reading) -> bool {
    if code.sink.is_some() {
        return true;
    }
    if code.n_bends >= 2 {
        return false;
    }
    let compact = |pattern: &[u8]| {
        let mut bytes = after.iter().filter(|b| !b.is_ascii_whitespace() && **b != b';');
        pattern.iter().all(|p| bytes.next() == Some(p)) && bytes.next().is_none()
    };
    if compact(b"void(0)") || compact(b"void0") || compact(b"") || compact(b"returnfalse") || compact(b"//") {
        return false;
    }
    // `javascript://x%0aalert(1)` is a comment, a line end and code once the browser has decoded it.
    let is_comment = after.starts_with(b"//");
    let is_literal = code
        .head
        .is_some_and(|head| matches!(head.kind, Kind::Text | Kind::Template));
    code.has_call
        || code.has_assignment
        || is_literal
        || (code.n_bends == 0 && after.contains(&b'('))
        || (is_comment && after.contains(&b'('))
        || memchr::memmem::find(after, b"%28").is_some()
        || memchr::memmem::find(after, b"\\x28").is_some()
}

/// The scheme in lower case, how many letters it has, whether noise was dropped, and where the rest begins.
fn scheme(url: &[u8]) -> Option<([u8; MAX_SCHEME], usize, bool, usize)> {
    let mut letters = [0; MAX_SCHEME];
    let mut n_letters = 0;
    let mut noise = 0;
    let mut i = 0;
    // Leading blanks, quotes of `url("...")` and characters that browsers strip.
    while i < url.len().min(MAX_NOISE) {
        match tail(url, i) {
            [0..=0x20 | 0x7f | b'"' | b'\'' | b'`', ..] => i += 1,
            [0xc2, 0x80..=0xa0, ..] => i += 2,
            [0xe2, 0x80, _, ..] | [0xe3, 0x80, 0x80, ..] | [0xef, 0xbb, 0xbf, ..] => i += 3,
            _ => break,
        }
    }
    while i < url.len() && noise < MAX_NOISE {
        match at(url, i) {
            b':' if n_letters > 0 => return Some((letters, n_letters, noise > 0, i + 1)),
            b'-' | b'+' => {}
            b if b.is_ascii_alphabetic() => {
                *letters.get_mut(n_letters)? = b.to_ascii_lowercase();
                n_letters += 1;
            }
            0..=0x20 | 0x7f | b'\\' => noise += 1,
            _ => return None,
        }
        i += 1;
    }
    None
}

/// The danger of a `data:` URL by its media type.
fn media_type(after: &[u8]) -> Option<Danger> {
    let length = after
        .iter()
        .take(64)
        .position(|b| matches!(b, b',' | b';' | b' '))
        .unwrap_or(after.len().min(64));
    let kind = part(after, 0..length);
    let has = |needle: &[u8]| super::text::find_fold(kind, needle, 0).is_some();
    if has(b"javascript") || has(b"ecmascript") || has(b"vbscript") {
        Some(Danger::Source)
    } else if has(b"svg") {
        Some(Danger::Image)
    } else if has(b"html") || has(b"/xml") {
        Some(Danger::Document)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn danger(url: &str) -> Option<Danger> {
        read(url.as_bytes()).map(|reading| reading.danger)
    }

    #[test]
    fn dangerous() {
        for url in [
            "javascript:alert(1)",
            " \u{1}JaVa\tScRiPt\n:a`1`",
            "javascript://x%0aalert(1)",
            "feed:javascript:x=1",
            "vbscript:msgbox(1)",
            "java script:alert(1)",
        ] {
            assert_eq!(danger(url), Some(Danger::Script), "{url:?}");
        }
        assert_eq!(danger("data:text/html;base64,PHN2Zz4="), Some(Danger::Document));
        assert_eq!(danger("data:image/svg+xml,<svg/>"), Some(Danger::Image));
        assert_eq!(danger("data:text/javascript,alert(1)"), Some(Danger::Source));
    }

    #[test]
    fn harmless() {
        for url in [
            "javascript:void(0)",
            "javascript:;",
            "JavaScript: The Good Parts",
            "https://example.com/javascript:x",
            "data:image/png;base64,AAAA",
            "mailto:a@b.example",
            "",
        ] {
            assert_eq!(danger(url), None, "{url:?}");
        }
    }
}
