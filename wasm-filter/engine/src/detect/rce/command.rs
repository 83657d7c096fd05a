//! Judges commands: how much does one look injected rather than written down?
//!
//! Evidence adds up in points: how it gets into command position, what is known of its name, whether its arguments
//! suit the name, what ends it, and whether it hides. Prose around it and places where such text is ordinary take
//! points off.

use std::ops::Range;

use super::{
    setting::{Setting, Trust},
    shell::{self, Closer, Command, Opener},
    vocabulary::{Habit, Standing},
};

/// What a value's commands amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    /// Where the most telling command stands.
    pub(super) span: Range<usize>,
    /// Its points; 100 and more are proof.
    pub(super) points: i32,
    /// Its name is written so that it hides.
    pub(super) is_disguised: bool,
    /// It hands a connection or a download to an interpreter.
    pub(super) is_remote: bool,
}

/// The most telling command of a value.
#[inline(never)]
pub(super) fn judge(value: &[u8], commands: &[Command], n_words: u32, setting: &Setting) -> Option<Judgement> {
    // Commands are only read up to there; looking further would cost every command the whole value.
    let value = value.get(..shell::MAX_BYTES).unwrap_or(value);
    let mut best: Option<Judgement> = None;
    // A second command that only discards what the application appends.
    let is_remark = |command: &Command| {
        matches!(command.known, Some((_, Habit::Remark)))
            && matches!(command.opener, Opener::Ampersand | Opener::Pipe)
            && command.closer != Closer::Bracket
    };
    let has_remark = commands.iter().any(is_remark);
    for (n, command) in commands.iter().enumerate() {
        let before = n.checked_sub(1).and_then(|n| commands.get(n));
        let judgement = judge_one(value, command, before, n_words, has_remark, setting);
        if best.as_ref().is_none_or(|best| best.points < judgement.points) {
            best = Some(judgement);
        }
    }
    best
}

fn judge_one(
    value: &[u8],
    command: &Command,
    before: Option<&Command>,
    n_words: u32,
    has_remark: bool,
    setting: &Setting,
) -> Judgement {
    let Some((standing, habit)) = command.known else {
        return Judgement {
            span: 0..0,
            points: 0,
            is_disguised: false,
            is_remote: false,
        };
    };
    let entry = Entry::of(value, command, before);
    let arguments = &command.arguments;
    let n_arguments = arguments.n_all();
    let is_remote = arguments.has_connection
        || (habit == Habit::Interpret
            && command.opener == Opener::Pipe
            && before
                .is_some_and(|before| matches!(before.known, Some((_, Habit::Network | Habit::Read | Habit::Print)))));

    // A bracket is a condition only with an operator such as `-eq`.
    if habit == Habit::Test && arguments.n_flags == 0 && arguments.n_numbers < 2 {
        return Judgement {
            span: 0..0,
            points: 0,
            is_disguised: false,
            is_remote: false,
        };
    }
    let mut points = match standing {
        Standing::Distinct => 40,
        Standing::Common => 25,
        Standing::English => 10,
    };
    points += entry.points(command.opener);
    points += argument_points(command, habit);
    points += match command.closer {
        // An injection comments out what the application appends; people explain.
        Closer::Comment if value.get(command.end + 1..).unwrap_or_default().trim_ascii().is_empty() => 35,
        Closer::Comment => 15,
        Closer::Operator | Closer::Bracket => 10,
        Closer::End if command.opener == Opener::Start => 0,
        Closer::End => 10,
    };
    // `;id` and `|ls|`: nothing is left that prose would have said.
    if n_arguments == 0 && command.opener != Opener::Start {
        points += match standing {
            Standing::Distinct => 25,
            Standing::Common => 15,
            Standing::English if entry.is_tight => 10,
            Standing::English => 0,
        };
    }
    // `id|` and `ls;`, whole.
    if n_arguments == 0 && command.opener == Opener::Start && standing != Standing::English {
        let tail = value.get(command.end..).unwrap_or_default().trim_ascii();
        points += if matches!(tail, b"|" | b"||") { 95 } else { 0 };
    }
    // Perl's `open` runs what ends in a pipe.
    if n_arguments == 0 && entry.opens(command) && matches!(value.get(command.end..), Some(b"|" | b"||")) {
        points += 35;
    }
    if has_remark && habit != Habit::Remark {
        points += 65;
    }
    if command.is_disguised {
        points += 45;
    }
    if command.has_folder && n_words < 3 {
        points += 30;
    }
    if is_remote {
        points += 40;
    }
    points -= prose_points(value, command, n_words, has_remark, setting, &entry);
    Judgement {
        span: command.start..command.end,
        points,
        is_disguised: command.is_disguised,
        is_remote,
    }
}

/// What stands before a command.
struct Entry {
    /// Nothing but quotes, brackets and operators.
    is_leading: bool,
    /// A quote or bracket that closes what the application opened.
    is_breakout: bool,
    /// The value begins with an operator, before an earlier command.
    is_continued: bool,
    /// The value begins with an operator and the command follows at once, as nobody writes prose.
    is_tight: bool,
    /// An operand and nothing else.
    is_bare_operand: bool,
    /// An address, a number or a file name, as applications pass to commands.
    is_operand: bool,
    /// A command: `ls;id`.
    is_chained: bool,
    /// That command is no English word.
    follows_command: bool,
}

impl Entry {
    fn of(value: &[u8], command: &Command, before: Option<&Command>) -> Entry {
        let front = value.get(..command.start).unwrap_or_default();
        let is_chained = before.is_some_and(|before| before.end == command.start);
        let trimmed = front.trim_ascii_end();
        let last_word = trimmed
            .rsplit(|b| b.is_ascii_whitespace() || matches!(b, b';' | b'|' | b'&' | b'=' | b'"' | b'\''))
            .next()
            .unwrap_or_default();
        let opens_with_quote = command.opener == Opener::Start && matches!(value.first(), Some(b'"' | b'\''));
        let is_odd = |quote: u8| trimmed.last() == Some(&quote) && memchr::memchr_iter(quote, trimmed).count() % 2 == 1;
        let is_operand =
            (last_word == b"localhost" || last_word.iter().any(u8::is_ascii_digit) || last_word.contains(&b'.'))
                && last_word
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-/:\\@%".contains(b));
        let is_opened = !matches!(command.opener, Opener::Start | Opener::Group | Opener::Rest);
        // List markers, quotes and tables of markdown stand before inline code.
        let may_lead = command.opener != Opener::Backtick
            || trimmed
                .last()
                .is_none_or(|b| matches!(b, b'\'' | b'"' | b';' | b'&' | b')' | b'\\'))
            || front.ends_with(b"|");
        let is_leading = is_opened && may_lead && !front.iter().any(u8::is_ascii_alphanumeric);
        let first = value.get(command.start + 1).copied().unwrap_or(b' ');
        Entry {
            is_leading,
            is_tight: is_leading && command.opener != Opener::Newline && first.is_ascii_alphabetic(),
            is_bare_operand: is_operand && !trimmed.iter().any(u8::is_ascii_whitespace),
            is_breakout: opens_with_quote
                || is_odd(b'"')
                || is_odd(b'\'')
                || trimmed.last() == Some(&b'\\')
                || is_closed(trimmed, b'(', b')')
                || is_closed(trimmed, b'{', b'}')
                || is_closed(trimmed, b'[', b']')
                // Inline code in prose stands apart; a backtick glued to a word is a way into its command.
                || (command.opener == Opener::Backtick && front.last().is_some_and(u8::is_ascii_alphanumeric))
                || (command.opener == Opener::Substitution && is_glued(front)),
            is_continued: matches!(
                value.iter().find(|b| !matches!(b, b'"' | b'\'' | b' ' | b')')),
                Some(b'|' | b';' | b'&' | b'\n' | b'\r')
            ),
            is_operand,
            is_chained,
            follows_command: before.is_some_and(|before| !matches!(before.known, Some((Standing::English, _)))),
        }
    }

    fn opens(&self, command: &Command) -> bool {
        !matches!(command.opener, Opener::Start | Opener::Rest)
    }

    fn points(&self, opener: Opener) -> i32 {
        let opener_points = match opener {
            Opener::Start => 0,
            Opener::Rest | Opener::Group => 5,
            Opener::Newline => 25,
            Opener::Semicolon | Opener::Pipe | Opener::Ampersand | Opener::AndIf | Opener::OrIf => 30,
            Opener::Backtick | Opener::Substitution => 40,
        };
        let entry_points = if self.is_breakout && opener != Opener::Start {
            40
        } else if self.is_leading {
            35 + if self.is_tight { 10 } else { 0 }
        } else if self.is_breakout || self.is_operand {
            25
        } else if self.is_chained {
            if self.follows_command { 20 } else { 10 }
        } else {
            0
        };
        opener_points + entry_points + if self.is_continued && self.is_chained { 15 } else { 0 }
    }
}

/// Whether one short word, all of the value so far, goes over into a substitution: `x$(`.
fn is_glued(front: &[u8]) -> bool {
    (1..=32).contains(&front.len()) && front.iter().all(u8::is_ascii_alphanumeric)
}

/// Whether the front ends in a bracket that it did not open.
fn is_closed(front: &[u8], open: u8, close: u8) -> bool {
    front.last() == Some(&close) && memchr::memchr_iter(close, front).count() > memchr::memchr_iter(open, front).count()
}

/// How well the arguments suit the command.
fn argument_points(command: &Command, habit: Habit) -> i32 {
    let arguments = &command.arguments;
    let n_arguments = arguments.n_all();
    let mut points = 0;
    let mut add = |n: u8, value: i32| {
        if n > 0 {
            points += value;
        }
    };
    add(arguments.n_flags, 20);
    add(arguments.n_paths, 30);
    add(arguments.n_hosts, 25);
    add(arguments.n_variables, 10);
    add(arguments.n_substitutions, 40);
    add(u8::from(arguments.n_substitutions > 1), 15);
    add(arguments.n_redirects, 25);
    add(u8::from(arguments.has_arithmetic), 50);
    add(u8::from(arguments.has_system_path), 45);
    add(u8::from(arguments.has_connection), 60);

    points += match habit {
        Habit::Delay if arguments.n_numbers == 1 && arguments.n_words + arguments.n_neutral == 0 => 45,
        Habit::Interpret | Habit::Network if arguments.has_code_flag && arguments.has_quotes => 75,
        Habit::Interpret if arguments.has_code_flag => 65,
        // A script by its name is what instructions say.
        Habit::Interpret if n_arguments == u32::from(arguments.n_neutral) && n_arguments > 0 => -20,
        Habit::Network if arguments.n_hosts > 0 => 25,
        Habit::Network if arguments.has_code_flag => 15,
        Habit::Test if arguments.n_numbers > 1 => 30,
        Habit::Test if arguments.n_flags + arguments.n_variables + arguments.n_substitutions > 0 => 30,
        Habit::Change | Habit::Read if arguments.n_neutral + arguments.n_numbers > 0 => 20,
        Habit::Remark if command.closer != Closer::Bracket => 30,
        Habit::Print if n_arguments > 0 => 15,
        _ => 0,
    };
    let n_suited = match habit {
        Habit::Print if arguments.n_redirects > 0 => arguments.n_words,
        Habit::Print | Habit::Remark => 1,
        Habit::Interpret if arguments.has_code_flag && arguments.has_quotes => arguments.n_words,
        _ => u8::from(arguments.n_words == 1),
    };
    let n_odd = i32::from(arguments.n_words) - i32::from(n_suited);
    points - 20 * n_odd.max(0)
}

fn prose_points(
    value: &[u8],
    command: &Command,
    n_words: u32,
    has_remark: bool,
    setting: &Setting,
    entry: &Entry,
) -> i32 {
    let before = command.n_words_before as i32;
    let after = n_words as i32 - before - i32::from(command.arguments.n_words);
    let mut points = 15 * before + 8 * (after - 2).max(0);
    // Inline code in markdown: the backticks stand among words.
    let tail = value.get(command.end + 1..).unwrap_or_default();
    if command.opener == Opener::Backtick {
        points += if before + after > 1 { 60 } else { 0 };
        points += if matches!(tail.first(), Some(b'.' | b',' | b' ' | b':' | b']' | b'?' | b'!')) {
            30
        } else {
            0
        };
    }
    points += match setting.trust {
        Trust::Parameter => 0,
        Trust::Stored => 15,
        Trust::Content if entry.is_leading && command.opener == Opener::Newline => 10,
        Trust::Content if entry.is_leading || entry.is_breakout || entry.is_bare_operand || command.is_disguised => 0,
        Trust::Content if command.arguments.has_arithmetic => 0,
        // A few lines of shell, or commands in a row, are a snippet.
        Trust::Content if !entry.is_continued && (command.opener == Opener::Newline || entry.is_chained) => 40,
        Trust::Content => 20,
        Trust::Remark => 50,
    };
    if setting.is_document {
        // An injection breaks out of what stands before it; it cannot do so from the middle of an essay.
        let is_near = command.start < 64 && (entry.is_leading || entry.is_breakout) && command.opener != Opener::Start;
        points += if is_near { 20 } else { 1000 };
    }
    if setting.is_split && !has_remark && command.arguments.n_all() == 0 {
        points += 40;
    }
    // A row of a table.
    if command.opener == Opener::Pipe && value.windows(3).filter(|three| *three == b" | ").count() > 1 {
        points += 40;
    }
    // A lone `&` is how people write "and".
    let is_spaced = value.get(command.start + 1) == Some(&b' ');
    if command.opener == Opener::Ampersand
        && is_spaced
        && command.arguments.n_all() == 0
        && !entry.is_leading
        && !entry.is_operand
    {
        points += 30;
    }
    points
}
