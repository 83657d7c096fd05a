//! Walks a value as a file system would and keeps the paths worth judging.

use std::ops::Range;

use super::{
    chars,
    targets::{self, Weight},
};

/// One path in a value, normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Where it stands in the value.
    pub(super) span: Range<usize>,
    /// Segments that step up: `..`, and longer runs of dots.
    pub(super) n_climbs: u32,
    /// How far it gets above its root.
    pub(super) n_above: u32,
    /// Segments `.` that mean nothing.
    pub(super) n_idle: u32,
    /// Begins with a separator.
    pub(super) is_absolute: bool,
    /// Begins with a drive letter.
    pub(super) has_drive: bool,
    /// Begins with `file://` or another scheme that reads files.
    pub(super) has_file_scheme: bool,
    /// A dot or separator of a climbing segment is written so that it hides.
    pub(super) is_disguised: bool,
    /// A climbing segment ends in `\`.
    pub(super) has_backslash: bool,
    /// A NUL byte cuts it off.
    pub(super) has_nul: bool,
    /// Has at least one separator.
    pub(super) has_separator: bool,
    /// Ends in an extension that pages and their parts have.
    pub(super) has_asset_extension: bool,
    /// The file that it names.
    pub(super) target: Option<Weight>,
    /// Whether the target is all there is but for the climbing: nothing named before it.
    pub(super) is_target_first: bool,
}

/// What a value looks like as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Surroundings {
    /// Words that are not paths.
    pub(super) n_words: u32,
}

/// Longest normalised path kept, in bytes. Linux allows 4096, but what counts stands near the end of the climbing.
const MAX_PATH_BYTES: usize = 512;

/// Most paths kept of one value.
const MAX_RUNS: usize = 16;

/// Reads the value once.
pub(super) fn walk(value: &[u8], path: &mut Vec<u8>, runs: &mut Vec<Run>) -> Surroundings {
    runs.clear();
    let mut walker = Walker {
        path,
        runs,
        surroundings: Surroundings::default(),
        run: empty(0),
        segment: Segment::default(),
        depth: 0,
        n_letters: 0,
        n_others: 0,
    };
    walker.path.clear();
    let mut at = 0;
    while let Some(char) = value.get(at..).and_then(chars::next) {
        let after = value.get(at + char.len..).unwrap_or_default();
        if walker.segment.is_dots()
            && let Some(len) = value.get(at..).and_then(chars::broken_separator)
        {
            let broken = chars::Char {
                byte: b'/',
                len,
                is_disguised: true,
            };
            walker.separator(at, broken);
            at += len;
            continue;
        }
        match char.byte {
            b'/' | b'\\' => walker.separator(at, char),
            b'.' => walker.dot(char.is_disguised),
            0 => walker.nul(),
            // `..;/` is `../` to servlet containers, which cut path parameters off.
            b';' if walker.segment.is_dots() && after.first().is_some_and(|b| matches!(b, b'/' | b'\\')) => {
                walker.run.is_disguised = true;
            }
            b':' if after.starts_with(b"//") => {
                let scheme = value.get(walker.run.span.start..at).unwrap_or_default();
                let reads_files = reads_files(scheme);
                walker.boundary(at, at + 1);
                walker.run.has_file_scheme = reads_files;
            }
            b':' if walker.run.has_file_scheme => walker.name(b':'),
            b':' if walker.n_letters == 1 && walker.n_others == 0 && !walker.run.has_separator => {
                walker.boundary(at, at + 1);
                walker.run.has_drive = true;
            }
            b if is_boundary(b) => walker.boundary(at, at + char.len),
            b => walker.name(b),
        }
        at += char.len;
    }
    walker.boundary(at, at);
    walker.surroundings
}

/// Bytes that end a path in a value: blanks, quotes, brackets of markup, and what divides parameters.
fn is_boundary(b: u8) -> bool {
    matches!(
        b,
        b'\t'
            ..=b'\r'
                | b' '
                | b'"'
                | b'\''
                | b'`'
                | b'<'
                | b'>'
                | b'|'
                | b'('
                | b')'
                | b','
                | b'='
                | b'&'
                | b'?'
                | b'#'
                | b';'
                | b':'
    )
}

/// Schemes whose URLs name local files.
fn reads_files(scheme: &[u8]) -> bool {
    [&b"file"[..], b"netdoc", b"local_file", b"zip", b"phar", b"glob", b"jar"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
}

fn empty(at: usize) -> Run {
    Run {
        span: at..at,
        n_climbs: 0,
        n_above: 0,
        n_idle: 0,
        is_absolute: false,
        has_drive: false,
        has_file_scheme: false,
        is_disguised: false,
        has_backslash: false,
        has_nul: false,
        has_separator: false,
        has_asset_extension: false,
        target: None,
        is_target_first: false,
    }
}

/// The segment being read.
#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    n_dots: u32,
    n_others: u32,
    n_letters: u32,
    is_disguised: bool,
    /// Length of the normalised path before it.
    path_len: usize,
}

impl Segment {
    fn is_dots(self) -> bool {
        self.n_others == 0 && self.n_dots >= 2
    }

    fn len(self) -> u32 {
        self.n_dots + self.n_others
    }
}

struct Walker<'a> {
    path: &'a mut Vec<u8>,
    runs: &'a mut Vec<Run>,
    surroundings: Surroundings,
    run: Run,
    segment: Segment,
    /// Named segments that can be climbed out of.
    depth: u32,
    n_letters: u32,
    n_others: u32,
}

impl Walker<'_> {
    fn push(&mut self, b: u8) {
        if self.path.len() < MAX_PATH_BYTES {
            self.path.push(b.to_ascii_lowercase());
        }
    }

    fn dot(&mut self, is_disguised: bool) {
        self.segment.n_dots += 1;
        self.segment.is_disguised |= is_disguised;
        self.push(b'.');
    }

    fn nul(&mut self) {
        self.run.has_nul = true;
        // A dot segment may hide behind a NUL: `..%00/`.
        if !self.segment.is_dots() {
            self.push(0);
        }
    }

    fn name(&mut self, b: u8) {
        // `..windows` is what a filter leaves of `../windows`, and `..{file}` a template: a climb with its separator lost.
        if self.segment.is_dots() && self.segment.n_dots == 2 && self.run.n_climbs > 0 {
            let len = self.path.len().saturating_sub(2);
            self.path.truncate(len);
            self.segment.n_dots = 0;
        }
        self.segment.n_others += 1;
        self.segment.n_letters += u32::from(b.is_ascii_alphanumeric() || b >= 0x80);
        if b.is_ascii_alphabetic() {
            self.n_letters += 1;
        } else {
            self.n_others += 1;
        }
        self.push(b);
    }

    fn separator(&mut self, at: usize, char: chars::Char) {
        if !self.run.has_separator {
            self.run.is_absolute = self.segment.n_dots + self.segment.n_others == 0;
            self.run.has_separator = true;
        }
        if at == self.run.span.start && char.is_disguised {
            self.run.is_disguised = true;
        }
        if self.segment.n_dots + self.segment.n_others > 0 && self.end_segment(Some(char)) {
            self.push(b'/');
        }
        self.segment = Segment {
            path_len: self.path.len(),
            ..Segment::default()
        };
    }

    /// Ends a segment. True when it named something that stays in the path.
    fn end_segment(&mut self, separator: Option<chars::Char>) -> bool {
        let segment = self.segment;
        // `..%` and `..*` name nothing either: some file systems drop what they do not allow in names.
        if segment.n_letters > 0 || (segment.n_others > 0 && segment.n_dots < 2) {
            self.depth += 1;
            return true;
        }
        self.path.truncate(segment.path_len);
        if segment.n_dots == 1 {
            self.run.n_idle += 1;
            return false;
        }
        // At the very end of a value, dots are climbing only after more of it: "and so on/..." is prose.
        if separator.is_none() && (segment.n_dots > 2 || !self.run.has_separator) {
            return false;
        }
        self.run.n_climbs += 1;
        // Four dots are what remains of `..././`; three or more step up twice or more on Windows 9x.
        self.run.is_disguised |= segment.is_disguised
            || segment.len() > 3
            || (segment.len() > 2 && self.run.n_climbs > 1)
            || separator.is_some_and(|s| s.is_disguised);
        self.run.has_backslash |= separator.is_some_and(|s| s.byte == b'\\');
        if self.depth > 0 {
            self.depth -= 1;
            self.path.pop();
            let parent = self.path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
            self.path.truncate(parent);
        } else {
            self.run.n_above += 1;
        }
        false
    }

    /// Ends the path; the next begins at `next`.
    fn boundary(&mut self, at: usize, next: usize) {
        if self.segment.n_dots + self.segment.n_others > 0 {
            self.end_segment(None);
        }
        self.run.span.end = at;
        // Every target has a dot, an underscore or a separator.
        let may_be_target = self.run.has_separator || self.n_others > 0 || self.path.contains(&b'.');
        let found = if may_be_target { targets::find(self.path) } else { None };
        self.run.target = found.map(|(weight, _)| weight);
        let is_rooted = self.run.is_absolute || self.run.has_drive || self.run.n_climbs > 0;
        if is_rooted && self.run.target != Some(Weight::Secret) && targets::is_server_file(self.path) {
            self.run.target = Some(Weight::Secret);
        }
        self.run.is_target_first = found.is_some_and(|(_, n_before)| n_before == 0);
        let run = &self.run;
        if run.n_climbs > 0 || run.target.is_some() || run.n_idle > 4 || run.has_nul || run.has_file_scheme {
            self.run.has_asset_extension = has_asset_extension(self.path);
            if self.runs.len() < MAX_RUNS {
                self.runs.push(self.run.clone());
            }
        } else if self.n_letters >= 2 && !run.has_separator {
            self.surroundings.n_words += 1;
        }
        self.path.clear();
        self.run = empty(next);
        self.segment = Segment::default();
        self.depth = 0;
        self.n_letters = 0;
        self.n_others = 0;
    }
}

/// Whether the path ends as links between pages, their parts and sources do.
fn has_asset_extension(path: &[u8]) -> bool {
    const ASSETS: &[&[u8]] = &[
        b".png", b".jpg", b".jpeg", b".gif", b".svg", b".webp", b".ico", b".css", b".scss", b".js", b".mjs", b".ts",
        b".tsx", b".jsx", b".map", b".json", b".html", b".htm", b".md", b".woff", b".woff2", b".ttf", b".mp4", b".pdf",
        b".php", b".jsp", b".asp", b".aspx", b".do", b".rst", b".proto", b".py", b".rs", b".go",
    ];
    ASSETS.iter().any(|extension| path.ends_with(extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(value: &str, expect: Expect) {
        let (mut path, mut runs) = (Vec::new(), Vec::new());
        let surroundings = walk(value.as_bytes(), &mut path, &mut runs);
        let mut text = format!("words {}\n", surroundings.n_words);
        for run in &runs {
            text += &format!(
                "{:?} climbs {} above {} idle {}{}{}{}{} {:?}\n",
                &value[run.span.clone()],
                run.n_climbs,
                run.n_above,
                run.n_idle,
                if run.is_absolute { " absolute" } else { "" },
                if run.is_disguised { " disguised" } else { "" },
                if run.has_backslash { " backslash" } else { "" },
                if run.has_nul { " nul" } else { "" },
                run.target,
            );
        }
        expect.assert_eq(&text);
    }

    #[test]
    fn climbing_is_counted_from_the_root() {
        check(
            "../../etc/passwd",
            expect![[r#"
                words 0
                "../../etc/passwd" climbs 2 above 2 idle 0 Some(Secret)
            "#]],
        );
        check(
            "img/../../.././x.png",
            expect![[r#"
                words 0
                "img/../../.././x.png" climbs 3 above 2 idle 1 None
            "#]],
        );
        check(
            r"/static/....//....\\..;/..%2f%00x",
            expect![[r#"
                words 0
                "/static/....//....\\\\..;/..%2f%00x" climbs 4 above 3 idle 0 absolute disguised backslash nul None
            "#]],
        );
    }

    #[test]
    fn targets_survive_detours() {
        check(
            "/etc//./x/../passwd and more",
            expect![[r#"
                words 2
                "/etc//./x/../passwd" climbs 1 above 0 idle 1 absolute Some(Secret)
            "#]],
        );
        check(
            r"c:\WINDOWS\\win.ini",
            expect![[r#"
                words 0
                "\\WINDOWS\\\\win.ini" climbs 0 above 0 idle 0 absolute Some(Secret)
            "#]],
        );
    }

    #[test]
    fn prose_has_no_paths() {
        check(
            "Wait... what/ever, and so on...",
            expect![[r#"
                words 4
            "#]],
        );
    }
}
