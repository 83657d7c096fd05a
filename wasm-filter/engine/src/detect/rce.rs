//! Detector of command and code injection.
//!
//! Structure decides, not payloads: what a shell would run ([`shell`] reads it, [`command`] judges it), which calls an
//! interpreter would make ([`code`]), which lookups a logger would resolve ([`lookup`]) and which objects a reader would
//! revive ([`serial`]). The same text in an essay about shells is no attack, so [`setting`] has a say in most of it.

mod code;
mod command;
mod inclusion;
mod lookup;
mod serial;
mod setting;
mod shell;
mod sinks;
mod vocabulary;
mod word;

use self::setting::{Setting, Trust};
use super::{Fuel, Place, Signs, Value};
use crate::prefilter::{Classes, byte, pair, word as words};

stamps! {
    Rce {
        COMMAND 3001 "command" 100
            "The value leaves its place in a command line and runs a shell command of its own.";
        COMMAND_LIKE 3002 "command-like" 50
            "The value has a word in the position of a shell command.";
        DISGUISED_COMMAND 3003 "disguised-command" 100
            "A shell command is written with quotes, escapes, patterns or expansions that only hide its name.";
        REMOTE_COMMAND 3004 "remote-command" 100
            "A command hands a connection or a download to an interpreter.";
        CODE 3101 "code" 100
            "The value leaves its place in a program and calls what executes code, commands or files.";
        CODE_LIKE 3102 "code-like" 50
            "The value calls a function that executes code, commands or files.";
        WEB_SHELL 3103 "web-shell" 100
            "Code executes what the request of its visitor says, as web shells do.";
        CODE_TAG 3104 "code-tag" 100
            "The value opens a section of server-side code.";
        LOOKUP 3201 "jndi-lookup" 100
            "A Log4j lookup, nested lookups resolved, loads an object from another host (CVE-2021-44228).";
        FUNCTION_IMPORT 3202 "shellshock" 100
            "The value defines a shell function as old versions of Bash import it from the environment (CVE-2014-6271).";
        SERIALISED_OBJECT 3301 "serialised-object" 100
            "The value is a serialised object whose reader runs code while it reads.";
        REMOTE_INCLUSION 3401 "remote-inclusion" 100
            "The value is the URL of a script on another host, ended so that an appended suffix is lost.";
        EXECUTING_WRAPPER 3402 "executing-wrapper" 100
            "The value is a URL of a scheme by which PHP runs commands or code from the request.";
    }
}

/// Memory reused between values.
#[derive(Debug, Default)]
pub struct Scratch {
    commands: Vec<shell::Command>,
    lookup: lookup::Scratch,
}

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    // A command needs an operator before it or an argument that words of prose are not; a name that hides is broken by
    // what hides it.
    const TRACES: u64 = byte::SEMICOLON
        | byte::PIPE
        | byte::AMPERSAND
        | byte::BACKTICK
        | byte::NEWLINE
        | byte::PAREN_OPEN
        | byte::BACKSLASH
        | byte::DOLLAR
        | byte::SLASH
        | byte::MINUS
        | byte::DIGIT
        | byte::GREATER
        | byte::LESS
        | byte::COLON
        | byte::SINGLE_QUOTE
        | byte::DOUBLE_QUOTE
        | byte::PERCENT
        | byte::BRACE_OPEN;
    const DISGUISES: u64 = byte::SINGLE_QUOTE
        | byte::DOUBLE_QUOTE
        | byte::BACKSLASH
        | byte::CARET
        | byte::DOLLAR
        | byte::STAR
        | byte::QUESTION
        | byte::BRACKET
        | byte::PERCENT;
    let has_command = (classes.any_word(words::SHELL) || classes.any_byte(DISGUISES)) && classes.any_byte(TRACES);
    let has_code = classes.all_bytes(byte::UNDERSCORE | byte::PAREN_OPEN)
        || classes.any_pair(pair::HASH_OR_PERCENT_BRACE)
        || (classes.any_byte(byte::PERCENT | byte::HASH) && classes.any_byte(byte::PAREN_OPEN | byte::BRACKET))
        || classes.any_word(words::CODE | words::SHELL)
        || classes.any_pair(pair::DOLLAR_BRACE | pair::TAG_OPEN | pair::EMPTY_CALL)
        || (classes.any_byte(byte::PAREN_OPEN) && classes.any_byte(byte::SINGLE_QUOTE | byte::DOUBLE_QUOTE));
    let has_object = classes.all_bytes(byte::BRACE_OPEN | byte::COLON | byte::DOUBLE_QUOTE)
        || classes.all_bytes(byte::DOLLAR | byte::UNDERSCORE)
        || classes.any_byte(byte::NUL | byte::CONTROL)
        || classes.all_bytes(byte::HIGH | byte::DOT);
    let has_url = (classes.any_pair(pair::COLON_SLASH)
        && (classes.any_byte(byte::QUESTION) || classes.any_word(words::FILE)))
        || (classes.any_byte(byte::COLON) && classes.any_word(words::SCRIPT));
    has_command || has_code || has_object || has_url
}

/// Looks for signs of command and code injection in one value.
pub fn scan(value: &Value<'_>, scratch: &mut Scratch, fuel: &mut Fuel, signs: &mut Signs) {
    let bytes = value.bytes;
    if bytes.len() < 3 || !fuel.spend(6 * bytes.len() as u64) {
        return;
    }
    let setting = Setting::of(value);
    if value.place == Place::Uri {
        // Parameters are judged one by one elsewhere; only what a stray `&` tore apart is left.
        for (start, joined) in setting::split_values(bytes).take(4) {
            let split = Setting {
                is_split: true,
                ..setting
            };
            scan_commands(joined, start, &split, scratch, signs);
        }
        return;
    }
    let n_words = scan_commands(bytes, 0, &setting, scratch, signs);
    scan_code(value, n_words, &setting, signs);
    if let Some(span) = lookup::find(bytes, &mut scratch.lookup) {
        signs.push(&LOOKUP, span);
    }
    let end = bytes.len().min(64);
    // In a body this may be a function of a program.
    if is_function_import(bytes) && !matches!(value.place, Place::Body | Place::Name) {
        signs.push(&FUNCTION_IMPORT, 0..end);
    }
    if serial::find(bytes, value.place).is_some() {
        signs.push(&SERIALISED_OBJECT, 0..end);
    }
    if inclusion::is_remote(value) {
        signs.push(&REMOTE_INCLUSION, 0..end);
    }
    if inclusion::executes(value) {
        signs.push(&EXECUTING_WRAPPER, 0..end);
    }
}

/// Judges shell commands; `start` is where `bytes` stand in the value. Returns the number of plain words.
fn scan_commands(bytes: &[u8], start: usize, setting: &Setting, scratch: &mut Scratch, signs: &mut Signs) -> u32 {
    let n_words = shell::lex(bytes, &mut scratch.commands);
    if let Some(judgement) = command::judge(bytes, &scratch.commands, n_words, setting) {
        let span = start + judgement.span.start..start + judgement.span.end;
        match judgement.points {
            100.. if judgement.is_remote => signs.push(&REMOTE_COMMAND, span),
            100.. if judgement.is_disguised => signs.push(&DISGUISED_COMMAND, span),
            100.. => signs.push(&COMMAND, span),
            70.. => signs.push(&COMMAND_LIKE, span),
            _ => {}
        }
    }
    n_words
}

fn scan_code(value: &Value<'_>, n_words: u32, setting: &Setting, signs: &mut Signs) {
    // Documents talk about code; only what is stored as a file can become a web shell.
    if setting.is_document && setting.trust == Trust::Content {
        return;
    }
    let judgement = code::judge(value.bytes, n_words, setting);
    if judgement.is_web_shell {
        signs.push(&WEB_SHELL, judgement.span.clone());
    }
    match judgement.points {
        100.. => signs.push(&CODE, judgement.span),
        70.. => signs.push(&CODE_LIKE, judgement.span),
        _ => {}
    }
    if let Some(at) = code_tag(value.bytes) {
        let is_alone = !setting.is_document && n_words < 12;
        if is_alone || matches!(setting.trust, Trust::Parameter | Trust::Stored) {
            signs.push(&CODE_TAG, at..value.bytes.len().min(at + 5));
        }
    }
}

/// `<?php`, `<?=` and `<script language=php>`, which PHP accepts anywhere in what it includes.
fn code_tag(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes.get(from..).and_then(|rest| memchr::memmem::find(rest, b"<?")) {
        let rest = bytes.get(from + at + 2..).unwrap_or_default();
        if rest.starts_with(b"=") && rest.len() > 1 || rest.get(..3).is_some_and(|tag| tag.eq_ignore_ascii_case(b"php"))
        {
            return Some(from + at);
        }
        from += at + 2;
    }
    None
}

/// `() {` at the front, with any white space.
fn is_function_import(bytes: &[u8]) -> bool {
    let rest = bytes.trim_ascii_start();
    let Some(rest) = rest.strip_prefix(b"()").map(<[u8]>::trim_ascii_start) else {
        return false;
    };
    rest.strip_prefix(b"{")
        .is_some_and(|body| body.contains(&b';') || body.contains(&b'}'))
}

#[cfg(test)]
mod tests;
