//! A lexer of what shells would run, for POSIX shells and Windows' `cmd` at once.
//!
//! It splits a value into simple commands with folded names and counted arguments. An injected value begins in the
//! middle of somebody else's command line, so quotes may be unbalanced and are folded rather than obeyed. It follows
//! POSIX.1-2017 XCU chapter 2 where that helps, and never fails.

use super::{
    vocabulary::{self, Habit, Standing},
    word::{self, Word},
};

/// What puts a word in command position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    /// The value begins.
    Start,
    /// `;`
    Semicolon,
    /// `|`
    Pipe,
    /// `&`
    Ampersand,
    /// `&&`
    AndIf,
    /// `||`
    OrIf,
    /// A line begins.
    Newline,
    /// `` ` ``
    Backtick,
    /// `$(`
    Substitution,
    /// `(`
    Group,
    /// The rest of a command that was interrupted by a substitution; nothing in it is a command.
    Rest,
}

/// What ends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closer {
    /// The value ends.
    End,
    /// An operator or a new line.
    Operator,
    /// A closing backtick or parenthesis.
    Bracket,
    /// `#` and a comment.
    Comment,
}

/// Arguments by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// `-la`, `/c`.
    pub(super) n_flags: u8,
    /// `/tmp/x`, `c:\x`.
    pub(super) n_paths: u8,
    /// Addresses and URLs.
    pub(super) n_hosts: u8,
    /// `5`, `0.5s`.
    pub(super) n_numbers: u8,
    /// `$x`, `${x}`, `%x%`.
    pub(super) n_variables: u8,
    /// `$(..)`, `` `..` ``, `$((..))`.
    pub(super) n_substitutions: u8,
    /// `>x`, `2>&1`.
    pub(super) n_redirects: u8,
    /// Words that could be anything, such as `x1` or `a.b`.
    pub(super) n_neutral: u8,
    /// Words made of letters only, as prose has.
    pub(super) n_words: u8,
    /// A path that only the system reads.
    pub(super) has_system_path: bool,
    /// `/dev/tcp/..` or `/dev/udp/..`, which shells open as connections.
    pub(super) has_connection: bool,
    /// `$((1+2))`, by which a probe sees that it was run.
    pub(super) has_arithmetic: bool,
    /// At least one is quoted.
    pub(super) has_quotes: bool,
    /// `-e`, `-c`, `-enc` and the like: the next argument is code.
    pub(super) has_code_flag: bool,
}

impl Arguments {
    /// How many there are.
    pub(super) fn n_all(&self) -> u32 {
        let n = [
            self.n_flags,
            self.n_paths,
            self.n_hosts,
            self.n_numbers,
            self.n_variables,
            self.n_substitutions,
            self.n_redirects,
            self.n_neutral,
            self.n_words,
        ];
        n.iter().map(|n| u32::from(*n)).sum()
    }
}

/// One simple command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// Where its opener stands.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
    /// What put it in command position.
    pub(super) opener: Opener,
    /// What ends it.
    pub(super) closer: Closer,
    /// What its name is known for; None when it is no known command.
    pub(super) known: Option<(Standing, Habit)>,
    /// The name is written so that it hides: quotes or escapes inside, patterns, `$IFS`, braces.
    pub(super) is_disguised: bool,
    /// The name has a folder in which programs are.
    pub(super) has_folder: bool,
    /// The name is preceded by an assignment or by a word of shell grammar such as `then`.
    pub(super) has_grammar: bool,
    /// Its arguments.
    pub(super) arguments: Arguments,
    /// Plain words in the value before it.
    pub(super) n_words_before: u32,
}

/// Most commands kept of one value.
const MAX_COMMANDS: usize = 32;

/// Most patterns looked up in one value; each is compared with every name.
const MAX_PATTERNS: u32 = 8;

/// Longest part of a value that is read as shell, in bytes. An injection must work at the start of the value.
pub(super) const MAX_BYTES: usize = 4096;

/// Splits a value into commands. Returns how many plain words it has in all.
#[inline(never)]
pub(super) fn lex(value: &[u8], commands: &mut Vec<Command>) -> u32 {
    commands.clear();
    let value = value.get(..MAX_BYTES).unwrap_or(value);
    let mut lexer = Lexer {
        value,
        at: 0,
        commands,
        command: open(0, Opener::Start, 0),
        has_name: false,
        word: Word::new(0),
        in_backticks: false,
        in_braces: false,
        n_words: 0,
        n_patterns: 0,
    };
    while lexer.at < value.len() && lexer.commands.len() < MAX_COMMANDS {
        lexer.step();
    }
    lexer.close(Closer::End, Opener::Rest, 0);
    lexer.n_words
}

fn open(start: usize, opener: Opener, n_words_before: u32) -> Command {
    Command {
        start,
        end: start,
        opener,
        closer: Closer::End,
        known: None,
        is_disguised: false,
        has_folder: false,
        has_grammar: false,
        arguments: Arguments::default(),
        n_words_before,
    }
}

struct Lexer<'a> {
    value: &'a [u8],
    at: usize,
    commands: &'a mut Vec<Command>,
    command: Command,
    has_name: bool,
    word: Word,
    in_backticks: bool,
    in_braces: bool,
    n_words: u32,
    n_patterns: u32,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a [u8] {
        self.value.get(self.at..).unwrap_or_default()
    }

    fn byte_before(&self) -> Option<u8> {
        self.at.checked_sub(1).and_then(|at| self.value.get(at)).copied()
    }

    /// Reads one byte or one operator.
    fn step(&mut self) {
        let rest = self.rest();
        let Some(&b) = rest.first() else { return };
        let next = rest.get(1).copied().unwrap_or(0);
        match b {
            b' ' | b'\t' | 0x0b | 0x0c | b',' | 0 => self.blank(1),
            // Latin-1's no-break space, when it is no part of a UTF-8 character.
            0xa0 if self.byte_before().is_none_or(|b| b < 0x80) => self.blank(1),
            // `chmod +x`; elsewhere a plus sign is a space of a form that was encoded once more.
            b'+' if self.word.is_empty() && self.byte_before() == Some(b' ') && next.is_ascii_alphabetic() => {
                self.push(b'-');
            }
            b'+' => self.blank(1),
            b'\n' | b'\r' => self.close(Closer::Operator, Opener::Newline, 1),
            b';' => self.close(Closer::Operator, Opener::Semicolon, 1),
            b'|' if next == b'|' => self.close(Closer::Operator, Opener::OrIf, 2),
            b'|' => self.close(Closer::Operator, Opener::Pipe, 1),
            b'&' => self.ampersand(next),
            // Fences of markdown.
            b'`' if next == b'`' => {
                let len = rest.iter().take_while(|b| **b == b'`').count();
                self.blank(len);
            }
            b'`' if self.in_backticks => {
                self.in_backticks = false;
                self.close(Closer::Bracket, Opener::Rest, 1);
            }
            b'`' => {
                self.in_backticks = true;
                self.substitute(Opener::Backtick, 1);
            }
            b'$' => self.dollar(),
            b'\'' | b'"' => {
                self.word.quote(b, self.at);
                self.at += 1;
            }
            b'\\' => self.backslash(next),
            b'^' if !self.word.is_empty() => {
                self.word.skip_escape();
                self.at += 1;
            }
            b'{' if self.word.is_empty() && !self.has_name && next.is_ascii_lowercase() => {
                self.in_braces = true;
                self.blank(1);
            }
            b'}' if self.in_braces => {
                self.blank(1);
                self.in_braces = false;
                self.command.is_disguised |= self.command.arguments.n_all() > 0;
            }
            b'}' if self.word.is_empty() => self.close(Closer::Operator, Opener::Rest, 1),
            b'(' => {
                // `name(` is a call in some language, no command of a shell.
                let (is_call, had_name, n_words) = (!self.word.is_empty(), self.has_name, self.n_words);
                self.end_word();
                if is_call {
                    self.n_words = n_words;
                    self.command.known = self.command.known.filter(|_| had_name);
                }
                self.close(Closer::Operator, Opener::Group, 1);
            }
            b')' => self.close(Closer::Bracket, Opener::Rest, 1),
            b'<' | b'>' => self.redirect(b, next),
            b'#' if self.word.is_empty() && self.byte_before().is_some_and(|b| !b.is_ascii_alphanumeric()) => {
                self.close(Closer::Comment, Opener::Rest, 1);
                let len = memchr::memchr2(b'\n', b'\r', self.rest()).unwrap_or(self.rest().len());
                self.at += len;
            }
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                // PERF: letters and digits mean nothing by themselves; they are taken run by run.
                let len = rest.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
                self.word.push_run(rest.get(..len).unwrap_or_default(), self.at);
                self.at += len;
            }
            _ => self.push(b),
        }
    }

    fn push(&mut self, b: u8) {
        self.word.push(b, self.at);
        self.at += 1;
    }

    fn blank(&mut self, len: usize) {
        self.end_word();
        self.at += len;
    }

    fn ampersand(&mut self, next: u8) {
        if matches!(self.byte_before(), Some(b'>' | b'<')) || next == b'>' {
            self.blank(1);
        } else if next == b'&' {
            self.close(Closer::Operator, Opener::AndIf, 2);
        } else if let Some(len) = word::entity(self.rest()) {
            self.blank(len);
        } else {
            self.close(Closer::Operator, Opener::Ampersand, 1);
        }
    }

    fn backslash(&mut self, next: u8) {
        let after = self.value.get(self.at + 2).copied().unwrap_or(b' ');
        if matches!(next, b'n' | b'r') && !after.is_ascii_alphanumeric() {
            self.close(Closer::Operator, Opener::Newline, 2);
        } else if self.word.is_empty() || self.word.is_windows_path() {
            self.push(b'\\');
        } else {
            self.word.skip_escape();
            self.at += 1;
        }
    }

    fn redirect(&mut self, b: u8, next: u8) {
        self.end_word();
        let is_tag = b == b'<' && (next.is_ascii_alphabetic() || matches!(next, b'!' | b'/' | b'?' | b'%'));
        if is_tag && !self.has_name {
            self.command.opener = Opener::Rest;
        } else if !is_tag && !next.is_ascii_digit() && next != b'=' {
            // `time<5` and `a>=b` compare.
            let n_redirects = &mut self.command.arguments.n_redirects;
            *n_redirects = n_redirects.saturating_add(1);
        }
        self.at += 1;
    }

    fn dollar(&mut self) {
        let rest = self.rest();
        match rest {
            [b'$', b'(', b'(', ..] => {
                let len = memchr::memchr(b')', rest).map_or(rest.len(), |at| at + 1);
                self.command.arguments.has_arithmetic |= rest.iter().take(len).any(u8::is_ascii_digit);
                self.word.push(b'0', self.at);
                self.at += len + usize::from(rest.get(len) == Some(&b')'));
            }
            [b'$', b'(', ..] => self.substitute(Opener::Substitution, 2),
            [b'$', b'{', ..] => match word::expansion(rest) {
                Some((len, b"IFS")) => self.separator_variable(len),
                Some((len, b"PATH" | b"HOME" | b"PWD")) => {
                    self.word.push(b'/', self.at);
                    self.at += len;
                }
                Some((len, _)) => self.variable(len),
                None => self.push(b'$'),
            },
            [b'$', b'I', b'F', b'S', after @ ..] => {
                // `$IFS$9`: the second keeps the name of the first from going on.
                let guard = match after {
                    [b'$', b'0'..=b'9' | b'@' | b'*', ..] => 2,
                    _ => 0,
                };
                self.separator_variable(4 + guard);
            }
            [b'$', b'@' | b'*' | b'!' | b'1'..=b'9', ..] if !self.word.is_empty() => {
                self.word.skip_escape();
                self.at += 2;
            }
            [b'$', b'\'' | b'"', ..] => self.at += 1,
            [b'$', b, ..] if b.is_ascii_alphabetic() || *b == b'_' => {
                let name = rest.iter().skip(1);
                let len = 1 + name.take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                self.variable(len);
            }
            _ => self.push(b'$'),
        }
    }

    /// An expansion to white space, used only to hide.
    fn separator_variable(&mut self, len: usize) {
        self.blank(len);
        self.command.is_disguised = true;
    }

    /// An expansion whose value is unknown; inside a word taken as empty.
    fn variable(&mut self, len: usize) {
        if self.word.is_empty() {
            let end = self.at + len;
            while self.at < end {
                let b = self.value.get(self.at).copied().unwrap_or(b'_');
                self.push(b);
            }
        } else {
            self.word.skip_escape();
            self.at += len;
        }
    }

    fn substitute(&mut self, opener: Opener, len: usize) {
        let arguments = &mut self.command.arguments;
        arguments.n_substitutions = arguments.n_substitutions.saturating_add(1);
        self.close(Closer::Operator, opener, len);
    }

    /// Ends the command and opens the next one with an operator of `len` bytes.
    fn close(&mut self, closer: Closer, opener: Opener, len: usize) {
        self.end_word();
        self.command.end = self.at;
        self.command.closer = closer;
        if self.command.known.is_some() && self.command.opener != Opener::Rest {
            self.commands.push(self.command);
        }
        self.command = open(self.at, opener, self.n_words);
        self.has_name = opener == Opener::Rest;
        self.in_braces = false;
        self.at += len;
    }

    fn end_word(&mut self) {
        let word = std::mem::replace(&mut self.word, Word::new(self.at));
        if word.is_empty() {
            return;
        }
        let is_printed = matches!(self.command.known, Some((_, Habit::Print)))
            && (self.command.opener != Opener::Start || self.command.arguments.n_all() < 4);
        let is_plain = word.is_plain();
        if is_plain && !is_printed {
            self.n_words += 1;
        }
        if self.has_name {
            word.classify(self.value, self.at, is_plain, &mut self.command.arguments);
        } else if word.is_grammar() {
            self.command.has_grammar = true;
        } else {
            self.has_name = true;
            self.name(&word);
            self.n_words -= u32::from(self.command.known.is_some() && is_plain);
        }
    }

    fn name(&mut self, word: &Word) {
        if word.has_odd_quotes() {
            return;
        }
        let name = word.folded();
        let is_pattern = word.has_pattern() && name != b"[" && name != b"[[";
        self.n_patterns += u32::from(is_pattern);
        self.command.known = if is_pattern {
            Some(name)
                .filter(|_| self.n_patterns <= MAX_PATTERNS)
                .and_then(vocabulary::find_pattern)
        } else {
            vocabulary::find(name)
        };
        // `$(CC)` and `$(PERL)` are variables of makefiles.
        if word.has_upper() && matches!(self.command.opener, Opener::Substitution | Opener::Backtick) {
            self.command.known = None;
        }
        self.command.is_disguised |= is_pattern || word.is_escaped();
        self.command.has_folder = name.contains(&b'/') || name.contains(&b'\\');
        // Programs are named by whole paths; `#/a/cat` and `docs/date` are something else.
        if self.command.has_folder && !matches!(name, [b'/' | b'\\' | b'.' | b'~' | b'%' | b'$', ..] | [_, b':', ..]) {
            self.command.known = None;
        }
        // A script in a folder for temporary files needs no known name.
        if self.command.known.is_none() && (name.starts_with(b"/tmp/") || name.starts_with(b"/./tmp/")) {
            self.command.known = Some((Standing::Distinct, Habit::Interpret));
        }
    }
}

#[cfg(test)]
mod tests;
