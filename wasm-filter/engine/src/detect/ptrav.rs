//! Detector of path traversal.
//!
//! A value is walked as file systems walk paths, after undoing the encodings that some of them undo. Two things count:
//! climbing above the value's own root, and naming a file that clients never name. What they say depends on the place:
//! relative links are ordinary in the text of a body, and have no business in a URL, whose dot segments every client
//! resolves before sending (RFC 3986 section 5.2.4).

mod chars;
mod skeleton;
mod targets;
mod walk;

use self::{
    targets::Weight,
    walk::{Run, Surroundings},
};
use waf_policy::AttackType;

use super::{Fuel, Place, Signs, THRESHOLD, Value};
use crate::prefilter::{Classes, byte, pair, word};

stamps! {
    Ptrav {
        SENSITIVE_FILE 5001 "sensitive-file" 100
            "The value names a file that the system or the application keeps to itself.";
        CLIMB_TO_FILE 5002 "climb-to-file" 100
            "The path climbs out of its folder and names a file that the system or the application keeps to itself.";
        CLIMB 5003 "climb" 100
            "The path climbs above its root, which no client does when it follows links.";
        SHORT_CLIMB 5004 "short-climb" 50
            "The path steps up in its folder tree, as relative links do too.";
        DISGUISED_CLIMB 5005 "disguised-climb" 60
            "A step up is written so that filters overlook it, with encoded, doubled or foreign dots and separators.";
        NUL_CUT 5006 "nul-cut" 60
            "A NUL byte cuts the path off, so that an appended extension is lost.";
        STREAM_WRAPPER 5007 "stream-wrapper" 100
            "The value is a URL of a scheme by which PHP and Java read local files.";
        FILE_URL 5008 "file-url" 100
            "The value is a URL of a local file.";
        FOREIGN_SHARE 5009 "foreign-share" 100
            "The value is a network path to a device, an administrative share or a numeric host.";
        IDLE_SEGMENTS 5010 "idle-segments" 100
            "The path repeats segments that mean nothing, to overflow or outwit a path check.";
    }
}

/// Memory reused between values.
#[derive(Debug, Default)]
pub struct Scratch {
    path: Vec<u8>,
    runs: Vec<Run>,
}

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    classes.any_pair(
        pair::DOT_DOT | pair::DOT_SLASH | pair::SLASH_DOT | pair::COLON_SLASH | pair::PERCENT_HEX | pair::ZERO_X,
    ) || classes.any_byte(byte::NUL | byte::HIGH | byte::BACKSLASH)
        || (classes.any_word(word::FILE) && classes.any_byte(byte::SLASH | byte::DOT | byte::UNDERSCORE))
}

/// Looks for signs of path traversal in one value.
pub fn scan(value: &Value<'_>, scratch: &mut Scratch, fuel: &mut Fuel, signs: &mut Signs) {
    // An uploaded file is stored, not opened by its content.
    if value.place == Place::File || !fuel.spend(4 * value.bytes.len() as u64) {
        return;
    }
    scan_scheme(value, signs);
    let surroundings = walk::walk(value.bytes, &mut scratch.path, &mut scratch.runs);
    for run in &scratch.runs {
        judge(value, run, surroundings, signs);
    }
    let is_field = !matches!(value.place, Place::Uri | Place::RawBody);
    if is_field && signs.weight(AttackType::Ptrav) < THRESHOLD && skeleton::names_secret(value.bytes, &mut scratch.path)
    {
        signs.push(&CLIMB_TO_FILE, 0..value.bytes.len());
    }
}

/// How freely paths are spoken of at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Custom {
    /// A URL's path: clients resolve dot segments before they send it.
    UrlPath,
    /// A short value that the application chose: a path in it is a path for the application.
    Parameter,
    /// A field that may hold anything that people and programs write.
    Content,
    /// Text that is only logged: nothing but the plainest attempt counts.
    Remark,
}

fn custom(place: Place) -> Custom {
    match place {
        Place::Uri => Custom::UrlPath,
        // A segment has a separator only when it was encoded.
        Place::Path | Place::Query | Place::Cookie | Place::FileName => Custom::Parameter,
        Place::Body | Place::Name | Place::UserAgent | Place::Header => Custom::Content,
        Place::RawBody | Place::File | Place::Referer => Custom::Remark,
    }
}

/// Words beside a path from which on a value is read as prose.
const PROSE_WORDS: u32 = 4;

fn judge(value: &Value<'_>, run: &Run, surroundings: Surroundings, signs: &mut Signs) {
    let custom = custom(value.place);
    // In the undivided target, the query's values speak for themselves elsewhere.
    let is_query_of_uri = value.place == Place::Uri
        && value
            .bytes
            .iter()
            .position(|b| *b == b'?')
            .is_some_and(|query| query < run.span.start);
    // A single segment cannot climb: `/a/../b` is judged as a whole.
    if is_query_of_uri || (value.place == Place::Path && !run.has_separator && run.target.is_none()) {
        return;
    }
    let is_prose = surroundings.n_words >= PROSE_WORDS;
    // Titles stand in URLs too, but nobody climbs in one.
    if is_prose && (custom != Custom::UrlPath || run.n_climbs == 0) {
        return;
    }
    judge_target(custom, run, surroundings, signs);
    judge_climb(value, custom, run, surroundings, signs);
    if run.n_idle > 6 && custom != Custom::Remark {
        signs.push(&IDLE_SEGMENTS, run.span.clone());
    }
    if run.has_nul && custom != Custom::Remark && is_text(value.bytes) && run.span.end > run.span.start + 1 {
        signs.push(&NUL_CUT, run.span.clone());
        if run.is_absolute {
            signs.push(&SHORT_CLIMB, run.span.clone());
        }
    }
}

fn judge_target(custom: Custom, run: &Run, surroundings: Surroundings, signs: &mut Signs) {
    let Some(target) = run.target else { return };
    if run.n_climbs > 0 {
        if custom != Custom::Remark || (run.n_climbs > 1 && target == Weight::Secret) {
            signs.push(&CLIMB_TO_FILE, run.span.clone());
        }
        return;
    }
    let is_rooted = run.is_absolute || run.has_drive || run.has_file_scheme;
    let is_alone = surroundings.n_words < 2;
    let is_found = match (custom, target) {
        (Custom::Remark, _) => false,
        (_, Weight::Secret) if run.is_target_first || run.is_absolute => is_rooted || is_alone,
        (Custom::UrlPath, Weight::Hidden) => true,
        (Custom::UrlPath, _) => false,
        (Custom::Parameter, Weight::Secret | Weight::Hidden | Weight::Application) => is_alone && run.has_separator,
        (Custom::Parameter, _) => is_alone && is_rooted && run.is_target_first,
        (Custom::Content, Weight::Hidden | Weight::Application) => run.has_drive && is_alone,
        (Custom::Content, _) => false,
    };
    if is_found {
        signs.push(&SENSITIVE_FILE, run.span.clone());
    }
}

fn judge_climb(value: &Value<'_>, custom: Custom, run: &Run, surroundings: Surroundings, signs: &mut Signs) {
    if run.n_climbs == 0 {
        return;
    }
    // `x../y` and `a=../y`: what stands before must not be a word that the dots belong to.
    let is_above = run.n_above > 0;
    let is_found = match custom {
        Custom::UrlPath => is_above || run.has_backslash || run.n_climbs > 2,
        Custom::Parameter if value.place == Place::FileName => true,
        // A link in a line of text or code.
        Custom::Parameter if surroundings.n_words > 0 && run.n_above < 5 => false,
        Custom::Parameter => run.n_above > 1 || (is_above && (run.is_absolute || !run.has_asset_extension)),
        Custom::Content => {
            (is_above && run.is_absolute)
                || (run.n_above > 2 && surroundings.n_words == 0 && !run.has_asset_extension)
                || (run.n_above > 1 && run.has_backslash && !run.has_asset_extension)
                || run.n_above > 5
        }
        Custom::Remark => run.n_above > 5,
    };
    if is_found {
        signs.push(&CLIMB, run.span.clone());
    } else if custom != Custom::Remark {
        signs.push(&SHORT_CLIMB, run.span.clone());
    }
    let is_disguised = run.is_disguised || (custom == Custom::UrlPath && has_encoded_separator(value.bytes, run));
    if is_disguised && custom != Custom::Remark {
        signs.push(&DISGUISED_CLIMB, run.span.clone());
    }
}

/// Whether a path has a separator that was encoded, which is one within a segment of a URL.
fn has_encoded_separator(bytes: &[u8], run: &Run) -> bool {
    let path = bytes.get(run.span.clone()).unwrap_or_default();
    path.windows(3)
        .any(|window| window.eq_ignore_ascii_case(b"%2f") || window.eq_ignore_ascii_case(b"%5c"))
}

/// Schemes and network paths, which only count when they are the whole value.
fn scan_scheme(value: &Value<'_>, signs: &mut Signs) {
    if matches!(value.place, Place::Uri | Place::RawBody | Place::File) {
        return;
    }
    let trimmed = value.bytes.trim_ascii_start();
    let start = value.bytes.len() - trimmed.len();
    let span = start..value.bytes.len().min(start + 64);
    if let Some(rest) = trimmed.strip_prefix(br"\\").or_else(|| trimmed.strip_prefix(b"//")) {
        let is_windows = trimmed.starts_with(br"\\");
        if is_windows && is_foreign_share(rest) {
            signs.push(&FOREIGN_SHARE, span);
        }
        return;
    }
    let Some(colon) = trimmed.iter().take(24).position(|b| *b == b':') else {
        return;
    };
    let (scheme, rest) = trimmed.split_at(colon);
    let Some(rest) = rest.strip_prefix(b"://") else { return };
    const WRAPPERS: &[&[u8]] = &[
        b"php",
        b"phar",
        b"zip",
        b"glob",
        b"compress.zlib",
        b"compress.bzip2",
        b"zlib",
        b"bzip2",
        b"rar",
        b"ogg",
        b"netdoc",
        b"local_file",
        b"ssh2.shell",
        b"ssh2.exec",
        b"ssh2.tunnel",
        b"ssh2.sftp",
    ];
    if WRAPPERS.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        signs.push(&STREAM_WRAPPER, span);
    } else if scheme.eq_ignore_ascii_case(b"file")
        && !rest.is_empty()
        && !matches!(value.place, Place::Body | Place::Referer)
    {
        signs.push(&FILE_URL, span);
    }
}

/// What follows `\\`: a device (`.` or `?`), a share that only administrators use, or a host without a name.
fn is_foreign_share(rest: &[u8]) -> bool {
    let mut parts = rest.split(|b| *b == b'\\');
    let (host, share) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_numeric = host.contains(&b'.') && host.iter().all(|b| b.is_ascii_digit() || *b == b'.' || *b == b'@');
    !share.is_empty() && (matches!(host, b"." | b"?") || is_numeric || (share.len() > 1 && share.ends_with(b"$")))
}

/// Whether the value is text apart from NUL bytes.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0 || *b >= b' ' || b.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weight(place: Place, value: &[u8]) -> u32 {
        let (mut scratch, mut fuel, mut signs) = (Scratch::default(), Fuel::new(1 << 20), Signs::default());
        let value = Value { bytes: value, place };
        scan(&value, &mut scratch, &mut fuel, &mut signs);
        if signs.iter().next().is_some() {
            assert!(may_match(&Classes::of(value.bytes)));
        }
        for sign in signs.iter() {
            assert!(sign.span.end <= value.bytes.len());
        }
        signs.weight(AttackType::Ptrav)
    }

    #[test]
    fn plain_names_of_system_files_are_found() {
        assert!(weight(Place::Uri, b"/etc/passwd") >= THRESHOLD);
        assert!(weight(Place::Query, b"/etc/passwd") >= THRESHOLD);
        assert!(weight(Place::Body, b"../../../../windows/win.ini") >= THRESHOLD);
    }

    #[test]
    fn relative_links_are_ordinary() {
        for value in [
            "../images/logo.png",
            "../../lib/foo",
            "see ../docs and ../README.md for more",
        ] {
            assert!(weight(Place::Body, value.as_bytes()) < THRESHOLD, "{value}");
        }
        assert!(weight(Place::Referer, b"https://example.com/a/../b") < THRESHOLD);
        assert!(weight(Place::Path, b"..") < THRESHOLD);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            weight(Place::Query, &bytes);
        }

        #[test]
        fn prefilter_agrees(value in "(\\.|/|\\\\|%2e|%c0%af|0x2e|\u{ff0e}|;|:|\\x00|[a-z]{1,3}|etc|passwd|\\$| |file|php){0,14}") {
            for place in [Place::Uri, Place::Query, Place::Body, Place::Name, Place::FileName] {
                weight(place, value.as_bytes());
            }
        }
    }
}
