//! Code injection: calls and names by which an interpreter of another language executes what it is given.
//!
//! Identifiers are read in one pass and looked up; each counts by what it is, what it is given, and how the value gets
//! to it. One call in a sentence is talk, one with a command as its argument after a closing quote is an injection.

use std::ops::Range;

use super::{
    setting::{Setting, Trust},
    sinks::{self, Sink},
    vocabulary::{self, Standing},
};

/// What a value's code amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// Where the most telling name stands.
    pub(super) span: Range<usize>,
    /// Points; 100 and more are proof.
    pub(super) points: i32,
    /// Executes what the request of its visitor says: the kernel of every web shell.
    pub(super) is_web_shell: bool,
}

/// Reads the value once.
#[inline(never)]
pub(super) fn judge(value: &[u8], n_words: u32, setting: &Setting) -> Judgement {
    let mut judgement = Judgement::default();
    let (mut seen, mut strongest) = (0u128, 0);
    let mut at = 0;
    while let Some(rest) = value.get(at..).filter(|rest| !rest.is_empty()) {
        let len = rest
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
            .count();
        // Names shorter than three letters are no sinks, and most bytes of hostile input are no names at all.
        let known = rest.get(..len).filter(|name| name.len() > 2).and_then(sinks::find);
        let (Some(name), Some((number, sink))) = (rest.get(..len), known) else {
            at += len.max(1);
            continue;
        };
        let front = value.get(..at).unwrap_or_default();
        let after = rest.get(len..).unwrap_or_default();
        let points = match sink {
            Sink::Marker(points) if name.starts_with(b"_") && name.len() < 9 && !front.ends_with(b"$") => {
                i32::from(name.starts_with(b"__")) * points
            }
            Sink::Marker(points) => points,
            // `call_user_func('system', ..)`: a function named by a string.
            Sink::Call(points) if points >= 40 && is_quoted(front, after) => points / 2 + 10,
            Sink::Call(points) => {
                // Printing a command does not run it.
                let argument = argument_points(after).min(if points < 25 && !has_backtick(after) { 20 } else { 100 });
                judgement.is_web_shell |= points >= 40 && argument >= WEB_SHELL;
                argument
                    .checked_add(points)
                    .filter(|_| argument >= 0)
                    .map_or(0, |sum| sum + entry_points(front))
            }
        };
        if points > 0 && seen & (1 << number) == 0 {
            seen |= 1 << number;
            judgement.points += points;
            if points > strongest {
                strongest = points;
                judgement.span = at..at + len;
            }
        }
        at += len;
    }
    // `('sys'.'tem')('id')` names its function by a string.
    if let Some(at) = memchr::memmem::find(value, b"')('").or_else(|| memchr::memmem::find(value, b"\")(\"")) {
        judgement.points += 110;
        if strongest == 0 {
            judgement.span = at..at + 4;
        }
    }
    let marks = if setting.is_document { &[] } else { MARKS };
    for (mark, points) in marks {
        if let Some(at) = memchr::memmem::find(value, mark) {
            judgement.points += points;
            if strongest == 0 {
                judgement.span = at..at + mark.len();
            }
        }
    }
    if let Some(at) = ruby_command(value) {
        judgement.points += 100;
        judgement.span = at..at + 3;
    }
    if judgement.points > 0 {
        judgement.points += frame_points(value) - prose_points(n_words, setting);
    }
    judgement
}

/// Marks of languages in which they hardly mean anything else.
const MARKS: &[(&[u8], i32)] = &[
    (b"%{#", 100),
    (b"%{(#", 100),
    (b"${(#", 100),
    (b"#context[", 100),
    // Whatever is at hand leads to the constructor of functions, which compiles text.
    (b"constructor('return", 60),
    (b"constructor(\"return", 60),
    (b"]($_", 70),
    (b"](\"$_", 70),
    (b"<%= `", 100),
    (b"<%=`", 100),
    (b"registerUndefinedF", 80),
    (b"|filter('", 40),
    (b"|map('", 40),
    (b"|sort('", 30),
    (b"#set($", 30),
];

/// `%x(..)`, by which Ruby runs a command.
fn ruby_command(value: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find(value, b"%x")?;
    let text = value.get(at + 3..).unwrap_or_default();
    let is_open = matches!(value.get(at + 2), Some(b'(' | b'{' | b'['));
    (is_open && command_points(text) > 0).then_some(at)
}

/// Whether a name stands in quotes by itself.
fn is_quoted(front: &[u8], after: &[u8]) -> bool {
    matches!(
        (front.last(), after.first()),
        (Some(b'\''), Some(b'\'')) | (Some(b'"'), Some(b'"'))
    )
}

/// Points of an argument that comes straight from the request.
const WEB_SHELL: i32 = 61;

/// What a call is given. Negative when it is no call.
fn argument_points(after: &[u8]) -> i32 {
    let after = after.trim_ascii_start();
    let arguments = match after.split_first() {
        Some((b'(', arguments)) => arguments.trim_ascii_start(),
        Some((b'`', _)) => return 40,
        _ => return -1,
    };
    // `@` silences, a second parenthesis only groups.
    let arguments = match arguments {
        [b'@' | b'(', rest @ ..] => rest,
        _ => arguments,
    };
    match arguments {
        [b'\'' | b'"', text @ ..] => 30 + command_points(text),
        [b'\\', b'\'' | b'"', text @ ..] => 30 + command_points(text),
        [b'`', ..] => 60,
        [b'$', b'_', ..] => WEB_SHELL,
        [b'$', ..] => 20,
        [b')', ..] => 10,
        [b, ..] if b.is_ascii_alphabetic() => {
            let word = arguments
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                .count();
            let closes = matches!(arguments.get(word), Some(b')' | b' ' | b'+'));
            let name = arguments.get(..word).unwrap_or_default();
            if closes && is_command(name) { 50 } else { 5 }
        }
        [b, ..] if b.is_ascii_digit() => 5,
        _ => 0,
    }
}

/// Whether the first argument is a command in backticks.
fn has_backtick(after: &[u8]) -> bool {
    after
        .trim_ascii_start()
        .strip_prefix(b"(")
        .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"`"))
}

/// Whether a string argument begins with a command.
fn command_points(text: &[u8]) -> i32 {
    let len = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || b"/._-\\:".contains(b))
        .count();
    let name = text.get(..len.min(64)).unwrap_or_default();
    match vocabulary::find(name) {
        Some((Standing::Distinct | Standing::Common, _)) => 40,
        Some((Standing::English, _)) if text.get(len).is_some_and(|b| !b.is_ascii_alphanumeric()) => 30,
        _ if name.starts_with(b"/") || name.starts_with(b"http") => 20,
        _ => 0,
    }
}

fn is_command(name: &[u8]) -> bool {
    matches!(vocabulary::find(name), Some((Standing::Distinct | Standing::Common, _)))
}

/// What leads up to a call.
fn entry_points(front: &[u8]) -> i32 {
    match front.trim_ascii_end().last() {
        None | Some(b';' | b'{' | b'}' | b'@' | b'|' | b'&' | b')' | b'`' | b'#' | b'!') => 20,
        Some(b'.') => {
            let before = front.trim_ascii_end().iter().rev().nth(1);
            if before.is_none_or(|b| matches!(b, b'"' | b'\'' | b')' | b']')) {
                20
            } else {
                5
            }
        }
        Some(b'+' | b'=' | b'\'' | b'"' | b'(') => 10,
        _ => 0,
    }
}

/// How the value as a whole is framed: expression delimiters, a way out of a string, a cut-off tail.
fn frame_points(value: &[u8]) -> i32 {
    let trimmed = value.trim_ascii();
    let has = |needle: &[u8]| memchr::memmem::find(value, needle).is_some();
    // PERF: one pass for what most of these have instead of one pass for each.
    let has_opener = memchr::memchr2(b'{', b'<', value).is_some();
    let has_call = memchr::memchr(b'(', value).is_some();
    let mut points = 0;
    if has_opener && (has(b"${@") || has(b"${T(") || has(b"#{T(") || has(b"*{T(")) || has_call && has(b"T(java") {
        points += 60;
    } else if has_opener
        && (has(b"${") || has(b"#{") || has(b"%{") || has(b"{{") || has(b"<%") || has(b"<?") || has(b"*{"))
    {
        points += 30;
    }
    if has_call && has(b"java.lang.") {
        points += 25;
    }
    if has_call && has(b"?new(") {
        points += 40;
    }
    // Data binding that walks from a bean to its class loader (CVE-2010-1622, CVE-2022-22965).
    if has(b"class.module.") || trimmed.starts_with(b"class.classLoader") {
        points += 90;
    }
    let mut front = trimmed.iter();
    if matches!(front.next(), Some(b'\'' | b'"' | b')' | b']' | b'}'))
        && front
            .take(3)
            .any(|b| matches!(b, b';' | b'.' | b')' | b'+' | b'|' | b'&' | b'-'))
    {
        points += 25;
    }
    let tails: [&[u8]; 11] = [
        b";", b"//", b"#", b"?>", b"%>", b"}", b".'", b".\"", b"*/", b"--", b"(.",
    ];
    if tails.iter().any(|tail| trimmed.ends_with(tail)) {
        points += 10;
    }
    points
}

fn prose_points(n_words: u32, setting: &Setting) -> i32 {
    let points = match setting.trust {
        Trust::Parameter => 0,
        Trust::Stored => 10,
        Trust::Content => 10,
        Trust::Remark => 30,
    };
    points + 15 * n_words.min(100) as i32 + if setting.is_document { 1000 } else { 0 }
}
