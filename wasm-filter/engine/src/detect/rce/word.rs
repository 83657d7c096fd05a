//! One word of a shell command, folded as the shell would expand it.

use super::shell::Arguments;

/// Longest word kept, in bytes; the rest only counts.
const MAX_BYTES: usize = 48;

/// A word being read: its bytes without quotes and escapes, lower case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    start: usize,
    bytes: [u8; MAX_BYTES],
    len: usize,
    is_long: bool,
    n_single: u32,
    n_double: u32,
    /// A quote was read inside the word; it disguises when more of the word follows.
    is_split: bool,
    is_escaped: bool,
    has_pattern: bool,
    has_upper: bool,
}

impl Word {
    pub(super) fn new(start: usize) -> Word {
        Word {
            start,
            bytes: [0; MAX_BYTES],
            len: 0,
            is_long: false,
            n_single: 0,
            n_double: 0,
            is_split: false,
            is_escaped: false,
            has_pattern: false,
            has_upper: false,
        }
    }

    pub(super) fn push(&mut self, b: u8, at: usize) {
        if self.len == 0 {
            self.start = at;
        }
        self.is_escaped |= self.is_split;
        self.is_split = false;
        self.has_upper |= b.is_ascii_uppercase();
        self.has_pattern |= matches!(b, b'*' | b'?' | b'[');
        match self.bytes.get_mut(self.len) {
            Some(slot) => {
                *slot = b.to_ascii_lowercase();
                self.len += 1;
            }
            None => self.is_long = true,
        }
    }

    /// As [`Word::push`] for each of these letters and digits.
    pub(super) fn push_run(&mut self, run: &[u8], at: usize) {
        if self.len == 0 {
            self.start = at;
        }
        self.is_escaped |= self.is_split;
        self.is_split = false;
        self.has_upper |= run.iter().any(u8::is_ascii_uppercase);
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let kept = run.len().min(room.len());
        for (slot, b) in room.iter_mut().zip(run) {
            *slot = b.to_ascii_lowercase();
        }
        self.len += kept;
        self.is_long |= kept < run.len();
    }

    /// A quote. Before the word it quotes, inside it hides.
    pub(super) fn quote(&mut self, quote: u8, at: usize) {
        if self.len == 0 && self.n_single + self.n_double == 0 {
            self.start = at;
        }
        let count = if quote == b'\'' {
            &mut self.n_single
        } else {
            &mut self.n_double
        };
        *count += 1;
        self.is_split |= self.len > 0;
    }

    /// An escape or an empty expansion inside the word.
    pub(super) fn skip_escape(&mut self) {
        self.is_split |= self.len > 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn folded(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    pub(super) fn has_pattern(&self) -> bool {
        self.has_pattern
    }

    pub(super) fn has_upper(&self) -> bool {
        self.has_upper
    }

    pub(super) fn is_escaped(&self) -> bool {
        self.is_escaped
    }

    /// `I'd` is English, `i''d` is not.
    pub(super) fn has_odd_quotes(&self) -> bool {
        self.is_escaped && (self.n_single % 2 == 1 || self.n_double % 2 == 1)
    }

    pub(super) fn is_windows_path(&self) -> bool {
        let word = self.folded();
        word.starts_with(br"\") || word.starts_with(b"%") || word.get(1) == Some(&b':')
    }

    /// Whether it is letters only, as words of prose are, and no keyword of a shell.
    pub(super) fn is_plain(&self) -> bool {
        let word = self.folded();
        let word = match word.split_last() {
            Some((b'.' | b'!' | b'?' | b':', front)) => front,
            _ => word,
        };
        word.len() >= 2 && word.iter().all(|b| b.is_ascii_alphabetic() || *b >= 0x80) && !self.is_keyword()
    }

    fn is_keyword(&self) -> bool {
        // PERF: patterns compile to comparisons by length and letters; a list compared all of them with every word.
        matches!(
            self.folded(),
            b"if"
                | b"then"
                | b"else"
                | b"elif"
                | b"fi"
                | b"do"
                | b"done"
                | b"while"
                | b"until"
                | b"for"
                | b"case"
                | b"esac"
                | b"sleep"
                | b"echo"
                | b"id"
                | b"cat"
                | b"ls"
                | b"rm"
                | b"rem"
                | b"del"
                | b"ping"
                | b"wc"
                | b"tr"
                | b"sh"
                | b"bash"
                | b"uname"
                | b"whoami"
                | b"str"
                | b"localhost"
                | b"print"
                | b"system"
                | b"exec"
                | b"passthru"
        )
    }

    /// Whether the word only leads up to a command: an assignment, a keyword, a command that runs its arguments.
    pub(super) fn is_grammar(&self) -> bool {
        let word = self.folded();
        let is_leading = matches!(
            word,
            b"if"
                | b"then"
                | b"else"
                | b"elif"
                | b"do"
                | b"while"
                | b"until"
                | b"!"
                | b"{"
                | b"sudo"
                | b"exec"
                | b"nohup"
                | b"command"
                | b"builtin"
                | b"xargs"
                | b"@"
        );
        if is_leading {
            return true;
        }
        let Some(equals) = word.iter().position(|b| *b == b'=') else {
            return false;
        };
        let name = word.get(..equals).unwrap_or_default();
        !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
    }

    /// Counts the word as an argument; `is_plain` is what [`Word::is_plain`] says.
    pub(super) fn classify(&self, value: &[u8], end: usize, is_plain: bool, arguments: &mut Arguments) {
        let word = self.folded();
        let raw = value.get(self.start..end).unwrap_or_default();
        arguments.has_quotes |= self.n_single + self.n_double > 0;
        let count = match word {
            [b'-', flag, ..] if flag.is_ascii_alphanumeric() || *flag == b'-' => {
                arguments.has_code_flag |= is_code_flag(word);
                &mut arguments.n_flags
            }
            [b'/', flag] if flag.is_ascii_alphanumeric() => {
                arguments.has_code_flag |= matches!(flag, b'c' | b'k');
                &mut arguments.n_flags
            }
            [b'/' | b'~', ..] | [b'.', b'/', ..] | [b'.', b'.', b'/' | b'\\', ..] => {
                arguments.has_connection |= word.starts_with(b"/dev/tcp/") || word.starts_with(b"/dev/udp/");
                arguments.has_system_path |= is_system_path(word);
                &mut arguments.n_paths
            }
            [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic() => {
                arguments.has_system_path = true;
                &mut arguments.n_paths
            }
            [letter, b':'] if letter.is_ascii_alphabetic() => &mut arguments.n_paths,
            [b'$', ..] => &mut arguments.n_variables,
            [b'%', .., b'%'] => &mut arguments.n_variables,
            // An address of socat that is a command.
            _ if word.starts_with(b"exec:") || word.starts_with(b"system:") => {
                arguments.has_code_flag = true;
                &mut arguments.n_neutral
            }
            _ if is_plain => &mut arguments.n_words,
            _ if word.windows(3).any(|w| w == b"://") => &mut arguments.n_hosts,
            _ if is_number(word) => &mut arguments.n_numbers,
            _ if is_host(word) => &mut arguments.n_hosts,
            _ if raw.iter().any(u8::is_ascii_alphanumeric) => {
                arguments.has_system_path |= self.has_pattern && word.contains(&b'/');
                &mut arguments.n_neutral
            }
            _ => return,
        };
        *count = count.saturating_add(1);
    }
}

/// Flags after which interpreters expect code, and `nc` a program.
fn is_code_flag(word: &[u8]) -> bool {
    const FLAGS: &[&[u8]] = &[
        b"-e",
        b"-c",
        b"-i",
        b"-r",
        b"-ec",
        b"-ce",
        b"-ic",
        b"-enc",
        b"-en",
        b"-encodedcommand",
        b"-nop",
        b"-noprofile",
        b"-noni",
        b"-w",
        b"-command",
        b"-exec",
        b"-executionpolicy",
        b"-ep",
        b"-lc",
        b"-decode",
        b"-urlcache",
        b"-d",
    ];
    FLAGS.contains(&word)
}

fn is_system_path(word: &[u8]) -> bool {
    const ROOTS: &[&[u8]] = &[
        b"/etc",
        b"/proc",
        b"/root",
        b"/var/log",
        b"/var/www",
        b"/bin/",
        b"/usr/bin",
        b"/sbin",
        b"/tmp/",
        b"/dev/tcp",
        b"/dev/shm",
        b"/home/",
        b"/???/",
        b"../../",
    ];
    ROOTS.iter().any(|root| word.starts_with(root)) || (word.contains(&b'?') && word.starts_with(b"/"))
}

fn is_number(word: &[u8]) -> bool {
    let digits = match word.split_last() {
        Some((b's' | b'm' | b'h', front)) => front,
        _ => word,
    };
    digits.first().is_some_and(u8::is_ascii_digit)
        && digits.iter().all(|b| b.is_ascii_digit() || *b == b'.')
        && digits.iter().filter(|b| **b == b'.').count() < 2
}

/// An IPv4 or IPv6 address, or a name with a dot inside.
fn is_host(word: &[u8]) -> bool {
    let n_dots = word.iter().filter(|b| **b == b'.').count();
    let is_v4 = n_dots == 3
        && word
            .iter()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':' | b'/'));
    is_v4 || word == b"::1"
}

/// The length of an HTML entity at the front: text that was escaped for a page, not an operator.
pub(super) fn entity(rest: &[u8]) -> Option<usize> {
    const NAMES: &[&[u8]] = &[
        b"&amp;", b"&lt;", b"&gt;", b"&quot;", b"&apos;", b"&nbsp;", b"&copy;", b"&rsquo;",
    ];
    let named = NAMES.iter().find(|name| rest.starts_with(name)).map(|name| name.len());
    named.or_else(|| {
        let digits = rest.strip_prefix(b"&#")?;
        let len = digits.iter().take(8).position(|b| *b == b';')?;
        Some(len + 3)
    })
}

/// The length and the name of a `${name..}` without nested expansions.
pub(super) fn expansion(rest: &[u8]) -> Option<(usize, &[u8])> {
    let body = rest.strip_prefix(b"${")?;
    let len = body.iter().take(32).position(|b| *b == b'}')?;
    let body = body.get(..len)?;
    let is_simple = |b: &u8| b.is_ascii_alphanumeric() || b"_:#%?*@/!~^,-+".contains(b);
    if !body.iter().all(is_simple) {
        return None;
    }
    let name_len = body.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'));
    let name = body.get(..name_len.unwrap_or(body.len()))?;
    Some((len + 3, name))
}
