//! Script without markup: break-outs of strings, whole-value expressions, template expressions.

use std::ops::Range;

use super::{
    javascript::{Kind, Lexer},
    script::{self, Sink},
    text::{at, find_fold, part, tail},
};

/// Longest value that is read as a fragment of script, in bytes.
const MAX_FRAGMENT_BYTES: usize = 2048;

/// How far into a value a string may be left, in bytes.
const MAX_PREFIX_BYTES: usize = 256;

/// Shortest letterless script, in bytes.
const MIN_LETTERLESS_BYTES: usize = 40;

/// Whether the value leaves a string in quotes and goes on with code that reaches a sink: `';alert(1)//`. Returns
/// where the code stands.
pub(super) fn string_break_out(text: &[u8]) -> Option<Range<usize>> {
    if text.len() > MAX_FRAGMENT_BYTES {
        return None;
    }
    let prefix = part(text, 0..text.len().min(MAX_PREFIX_BYTES));
    for quote in [b'\'', b'"', b'`'] {
        let Some(position) = memchr::memchr(quote, prefix) else {
            continue;
        };
        // Code that opens its own string is not a break-out: `print("a")`.
        if part(text, 0..position).iter().any(|b| matches!(b, b'(' | b'<' | b'=')) {
            continue;
        }
        let from = position + 1;
        let reading = script::read(tail(text, from));
        let Some(head) = reading.head else { continue };
        let leaves = match head.kind {
            Kind::Sign(sign) => !matches!(sign, b'(' | b'[' | b'{' | b'#' | b'@' | b'\\' | b'.') || sign == b'\\',
            Kind::Comparison | Kind::Pattern => true,
            Kind::Word => head.on_new_line || matches!(head.word(tail(text, from)).as_bytes(), b"in" | b"instanceof"),
            _ => false,
        };
        if leaves
            && reading.n_bends < 2
            && let Some((kind, sink)) = reading.sink
        {
            // Code with a string in it may go on like this too, but it does not begin with the end of a statement, end
            // in a comment or end by opening the string again.
            let reopens = reading.last.is_some_and(|last| last.is(quote));
            if kind == Sink::Travel && !(reading.ends_in_comment || reopens || head.is(b';')) {
                continue;
            }
            return Some(from + sink.start..from + sink.end);
        }
    }
    None
}

/// Whether code that reaches a sink runs up to a `</script` that the value did not open.
pub(super) fn script_tail(text: &[u8]) -> Option<Range<usize>> {
    let end = find_fold(text, b"</script", 0)?;
    let code = part(text, 0..end.min(MAX_FRAGMENT_BYTES));
    if memchr::memchr(b'<', code).is_some() {
        return None;
    }
    let reading = script::read(code);
    let (_, sink) = reading.sink?;
    (reading.n_bends < 2).then_some(sink)
}

/// Whether the value asks how a page treats the characters that markup and scripts are made of: `'";<x>&{()}`.
pub(super) fn metacharacter_probe(text: &[u8]) -> Option<Range<usize>> {
    let n_words = text
        .iter()
        .filter(|b| b.is_ascii_alphanumeric() || **b >= 0x80 || **b == b' ')
        .count();
    let is_dense = (8..=64).contains(&text.len()) && n_words * 2 <= text.len();
    let has_all = |needed: &[u8]| needed.iter().all(|b| text.contains(b));
    let has_tag = text
        .windows(2)
        .any(|pair| matches!(pair, [b'<', b] if b.is_ascii_alphabetic()));
    let is_pattern = text
        .iter()
        .any(|b| matches!(b, b'[' | b'\\' | b'*' | b'?' | b'|' | b'^'));
    (is_dense
        && has_tag
        && !is_pattern
        && has_all(b"'\"<>()")
        && text.iter().any(|b| matches!(b, b'&' | b'{' | b'`' | b';')))
    .then_some(0..text.len())
}

/// Whether the whole value is code that opens a dialog or runs a string: `alert(1)`, `);confirm(1)//`,
/// `top['al'+'ert'](1)`. Returns where.
pub(super) fn whole_expression(text: &[u8]) -> Option<Range<usize>> {
    if text.len() > MAX_FRAGMENT_BYTES / 2 {
        return None;
    }
    // The end of a comment that the page began.
    let offset = if text.starts_with(b"*/") { 2 } else { 0 };
    let text = tail(text, offset);
    let reading = script::read(text);
    if reading.n_bends > 0 || reading.n_statements > 4 {
        return None;
    }
    let (sink, span) = reading.sink.clone()?;
    let head = reading.head?;
    let call = part(text, span.clone());
    let rest = tail(text, span.start);
    let mentions = |words: &[&[u8]]| words.iter().any(|word| find_fold(rest, word, 0).is_some());
    let proves = match call {
        // These are words of many languages; with a decoder or a name of the browser in it, they are not.
        [b'e', b'v', b'a', b'l', ..] => mentions(&[
            b"'+'",
            b"\"+\"",
            b"atob(",
            b"fromcharcode",
            b"location",
            b"unescape(",
            b"alert",
            b"(name)",
            b"document.",
        ]),
        [b'F', b'u', b'n', ..] => mentions(&[b")(", b")`"]),
        _ if call.starts_with(b"fromCharCode") => mentions(&[b"eval", b"alert"]),
        // JavaScript knows `prompt`; `Prompt` is a class of something else, and `prompt (computing)` a title.
        [first, ..] => !first.is_ascii_uppercase() && !call.ends_with(b" ("),
        [] => false,
    };
    let begins = reading.sink_leads || matches!(head.kind, Kind::Sign(_)) || reading.is_escaped;
    let runs = matches!(sink, Sink::Dialog | Sink::Code) && proves;
    ((runs || reading.carries_off) && (begins || offset > 0)).then_some(offset + span.start..offset + span.end)
}

/// Whether a template expression (`{{...}}`, `${...}`) reaches a sink. Returns where.
pub(super) fn template_script(text: &[u8]) -> Option<Range<usize>> {
    for opening in [&b"{{"[..], b"${", b"#{", b"[["] {
        let mut from = 0;
        for _ in 0..8 {
            let Some(step) = memchr::memmem::find(tail(text, from), opening) else {
                break;
            };
            let start = from + step;
            let inner = start + opening.len();
            let body = part(text, inner..text.len().min(inner + MAX_FRAGMENT_BYTES / 2));
            let body = match opening {
                b"{{" => part(body, 0..memchr::memmem::rfind(body, b"}}").unwrap_or(body.len())),
                _ => body,
            };
            let reading = script::read(body);
            let reaches = matches!(reading.sink, Some((Sink::Dialog | Sink::Code, _)));
            let reaches = reaches || (reading.has_call && memchr::memmem::find(body, b"constructor").is_some());
            if reaches && reading.n_bends == 0 && (reading.sink_leads || opening == b"{{") {
                return Some(start..inner + body.len());
            }
            from = inner;
        }
    }
    None
}

/// Finds a long run of `[]()!+` and little else, which is script without letters.
pub(super) fn letterless_script(text: &[u8]) -> Option<Range<usize>> {
    let is_sign = |b: u8| {
        matches!(
            b,
            b'[' | b']'
                | b'('
                | b')'
                | b'!'
                | b'+'
                | b'{'
                | b'}'
                | b'$'
                | b'_'
                | b'~'
                | b':'
                | b'='
                | b'.'
                | b'"'
                | b';'
                | b','
        )
    };
    // PERF: a vectorised search spares clean text the walk below; no such script does without an empty array.
    let first = memchr::memmem::find(text, b"[]")?;
    let mut start = first.saturating_sub(MIN_LETTERLESS_BYTES);
    let mut i = start;
    while i <= text.len() {
        let b = at(text, i);
        if i < text.len() && (is_sign(b) || b.is_ascii_whitespace()) {
            i += 1;
            continue;
        }
        if i - start >= MIN_LETTERLESS_BYTES {
            let run = part(text, start..i);
            let count = |sign: u8| run.iter().filter(|b| **b == sign).count();
            // It builds numbers and letters by adding: plenty of `+`, `[`, `!` or `$`, and all of the brackets.
            let n_adding = count(b'+');
            if n_adding * 10 >= run.len()
                && count(b'[') * 12 >= run.len()
                && count(b']') * 12 >= run.len()
                && (count(b'!') >= 4 || count(b'$') >= 4)
            {
                return Some(start..i);
            }
        }
        i += 1;
        start = i;
    }
    None
}

/// Markup for a page read in UTF-7 (`+ADw-script+AD4-`) or in a set where `¼` and `¾` turn into brackets.
pub(super) fn foreign_charset(text: &[u8]) -> Option<Range<usize>> {
    if let Some(start) = memchr::memmem::find(text, b"ADw-")
        && (at(text, start + 4).is_ascii_alphabetic() || at(text, start + 4) == b'/')
        && memchr::memmem::find(tail(text, start), b"AD4-").is_some()
    {
        return Some(start..start + 4);
    }
    let start = find_fold(text, b"script", 0)?;
    let opens = start > 0 && at(text, start - 1) == 0xbc;
    let closes = tail(text, start).iter().take(64).any(|b| *b == 0xbe);
    (opens && closes).then(|| start - 1..start + 6)
}

/// Finds `javascript:` inside a text, followed by code that opens a dialog, runs a string or reads the session.
pub(super) fn script_link(text: &[u8]) -> Option<Range<usize>> {
    let mut from = 0;
    for _ in 0..8 {
        let start = find_fold(text, b"script:", from)?;
        from = start + 7;
        let has_scheme = [&b"java"[..], b"vb", b"live"]
            .iter()
            .any(|head| part(text, start.saturating_sub(head.len())..start).eq_ignore_ascii_case(head));
        if !has_scheme {
            continue;
        }
        let code = tail(text, from);
        let reading = script::read(part(code, 0..code.len().min(512)));
        if reading.sink_leads
            && let Some((Sink::Dialog | Sink::Code | Sink::Session, sink)) = reading.sink
        {
            return Some(start.saturating_sub(4)..from + sink.end);
        }
    }
    None
}

/// Whether markup that begins at `first` follows the end of something that the value did not begin: `">`, `-->`,
/// `</title>`, `*/`.
pub(super) fn leaves_before(text: &[u8], first: usize) -> Option<Range<usize>> {
    let before = part(text, 0..first);
    let start = before.len().saturating_sub(MAX_PREFIX_BYTES);
    let near = tail(before, start);
    if near.contains(&b'<') {
        // Something is closed that was never opened.
        let tag = memchr::memmem::find(near, b"</")?;
        return (memchr::memchr(b'<', near) == Some(tag) && at(near, tag + 2).is_ascii_alphabetic())
            .then(|| start + tag..first);
    }
    let closing = near.iter().rposition(|b| *b == b'>')?;
    let quote = part(near, 0..closing)
        .iter()
        .position(|b| matches!(b, b'"' | b'\'' | b'`' | b'-' | b']' | b'/'));
    // White space at most between what is closed and the markup.
    let is_near = tail(near, closing + 1)
        .iter()
        .all(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\''));
    (is_near && (quote.is_some() || closing == 0)).then(|| start + quote.unwrap_or(closing)..first)
}

/// Whether a text has tokens at all that code is made of, asked before it is read several times.
pub(super) fn may_be_code(text: &[u8]) -> bool {
    let mut lexer = Lexer::new(text);
    lexer.next().is_some() && text.iter().any(|b| matches!(b, b'(' | b'`' | b'=' | b'['))
}
