//! Detector of mail injection: header fields, SMTP commands and IMAP commands in a value that goes into one line.
//!
//! Contact forms put a name, an address or a subject into a message's head or into a command of a mail protocol. A
//! line break followed by another field or command, after what a line is meant to hold, is an attack. Messages that
//! people quote begin with a field, and letters have more words. Sources: CWE-93, CWE-147, RFC 5321 section 4.1,
//! RFC 5322 section 3.6, RFC 9051 section 6.

use super::{
    Fuel, Place, Signs, Stamp, Value,
    lines::{self, Line},
};
use crate::prefilter::{Classes, byte};

stamps! {
    MailInjection {
        MAIL_FIELD 26001 "mail-header-field" 100
            "A line break is followed by a header field of a mail, which adds a recipient, a sender or another content.";
        SMTP_COMMAND 26002 "smtp-command" 100
            "A line break is followed by a command of SMTP.";
        IMAP_COMMAND 26003 "imap-command" 100
            "A line break is followed by a tagged command of IMAP.";
    }
}

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    classes.any_byte(byte::NEWLINE | byte::HIGH) && classes.any_byte(byte::COLON | byte::DIGIT)
}

/// Looks for signs of mail injection in one value.
pub fn scan(value: &Value<'_>, fuel: &mut Fuel, signs: &mut Signs) {
    // The parts of a target are judged one by one; texts and files may quote mails.
    let is_judged = !matches!(value.place, Place::Uri | Place::File | Place::RawBody);
    if !is_judged || !fuel.spend(value.bytes.len() as u64) {
        return;
    }
    let Some(first) = lines::after_breaks(value.bytes).next() else {
        return;
    };
    let before = Before::of(value.bytes.get(..first.break_at).unwrap_or_default());
    if before == Before::Text {
        return;
    }
    let is_content = value.place == Place::Body;
    for line in lines::after_breaks(value.bytes).take(MAX_LINES) {
        // What follows an empty line is a text, and mails are quoted there.
        let found = field(&line, before, is_content).or_else(|| command(&line));
        if let Some((stamp, len)) = found {
            signs.push(stamp, line.break_at..line.start + len);
            return;
        }
        if is_content {
            return;
        }
    }
}

/// Lines looked at. An injected line is the first or follows few others.
const MAX_LINES: usize = 4;

/// What stands before the first line break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// An address or nothing.
    Address,
    /// What a line is meant to hold: a name, a subject or a number.
    Phrase,
    /// A line of a letter, a field of a quoted mail or a line of a quoted session.
    Text,
}

impl Before {
    fn of(before: &[u8]) -> Before {
        let before = before.trim_ascii();
        let is_session = before.first_chunk::<4>().is_some_and(|[a, b, c, d]| {
            a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit() && matches!(d, b' ' | b'-')
        });
        if before.len() > 128 || is_session || before.starts_with(b"--") || before.starts_with(b"* ") {
            Before::Text
        } else if is_address(before) {
            Before::Address
        } else if memchr::memchr(b':', before).is_some() || lines::n_words(before, 6) > 5 || smtp_len(before).is_some()
        {
            Before::Text
        } else {
            Before::Phrase
        }
    }
}

/// Whether some text is a mail address, alone, in angle brackets or after a name.
fn is_address(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let text = match memchr::memchr(b'<', text) {
        Some(at) => text.get(at + 1..).unwrap_or_default(),
        None => text,
    };
    let end = text.iter().position(|b| matches!(b, b'>' | b',')).unwrap_or(text.len());
    let text = text.get(..end).unwrap_or_default();
    let Some(at) = memchr::memchr(b'@', text) else {
        return false;
    };
    let (user, host) = text.split_at_checked(at).unwrap_or_default();
    let is_word = |part: &[u8]| !part.is_empty() && part.iter().all(|b| b.is_ascii_graphic());
    is_word(user) && is_word(host) && host.len() > 1
}

/// A header field of a mail.
fn field(line: &Line<'_>, before: Before, is_content: bool) -> Option<(&'static Stamp, usize)> {
    let (name, value) = lines::field(line.rest)?;
    let is_named = |names: &[&[u8]]| lines::is_one_of(name, names);
    let is_found = if is_named(&[b"bcc"]) {
        is_address(value)
    } else if is_named(&[
        b"cc",
        b"to",
        b"from",
        b"reply-to",
        b"return-path",
        b"sender",
        b"disposition-notification-to",
    ]) {
        is_address(value) && (before == Before::Address || !is_content)
    } else if is_named(&[b"subject"]) {
        before == Before::Address && !value.is_empty()
    } else if is_named(&[b"mime-version"]) {
        value.starts_with(b"1.0")
    } else if is_named(&[b"content-type"]) {
        value
            .get(..10)
            .is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/"))
    } else {
        false
    };
    is_found.then_some((&MAIL_FIELD, name.len() + 1))
}

/// A command of SMTP or IMAP.
fn command(line: &Line<'_>) -> Option<(&'static Stamp, usize)> {
    let smtp = smtp_len(line.rest).map(|len| (&SMTP_COMMAND, len));
    smtp.or_else(|| imap_len(line.rest).map(|len| (&IMAP_COMMAND, len)))
}

/// Length of `RCPT TO:<` or `MAIL FROM:<` at the front.
fn smtp_len(rest: &[u8]) -> Option<usize> {
    const COMMANDS: &[&[u8]] = &[b"rcpt to:", b"mail from:"];
    let command = COMMANDS.iter().find(|command| {
        rest.get(..command.len())
            .is_some_and(|b| b.eq_ignore_ascii_case(command))
    })?;
    let argument = lines::first(rest.get(command.len()..)?, 128).trim_ascii();
    (argument.starts_with(b"<") || is_address(argument)).then_some(command.len())
}

/// Length of a tag and a command at the front: `A1 CAPABILITY`.
fn imap_len(rest: &[u8]) -> Option<usize> {
    let line = lines::first(rest, 128);
    let mut words = line.split(|b| *b == b' ');
    let (tag, command, argument) = (words.next()?, words.next()?, words.next());
    let n_letters = tag.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let n_digits = tag.len() - n_letters;
    let is_tag = n_letters < 5 && (1..7).contains(&n_digits) && tag.iter().skip(n_letters).all(u8::is_ascii_digit);
    const ALONE: &[&[u8]] = &[b"CAPABILITY", b"LOGOUT", b"NOOP", b"STARTTLS", b"EXPUNGE", b"NAMESPACE"];
    const WITH_ARGUMENT: &[&[u8]] = &[
        b"LOGIN",
        b"SELECT",
        b"EXAMINE",
        b"FETCH",
        b"STORE",
        b"LIST",
        b"LSUB",
        b"CREATE",
        b"DELETE",
        b"RENAME",
        b"APPEND",
        b"AUTHENTICATE",
        b"SEARCH",
        b"STATUS",
        b"COPY",
        b"UID",
    ];
    // Commands are upper case in practice; in lower case they are words.
    let is_command = match argument {
        None => n_letters > 0 && ALONE.contains(&command),
        Some(argument) => n_letters > 0 && !argument.is_empty() && WITH_ARGUMENT.contains(&command),
    };
    (is_tag && is_command).then_some(tag.len() + 1 + command.len())
}

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::detect::{THRESHOLD, checked_weight};
    use proptest::prelude::*;

    fn weight(place: Place, value: &[u8]) -> u32 {
        checked_weight(
            AttackType::MailInjection,
            &Value { bytes: value, place },
            may_match,
            scan,
        )
    }

    #[test]
    fn fields_and_commands_are_found_and_letters_are_not() {
        for value in [
            "Ada\nBcc: bob@example.com",
            "ada@example.com\r\nSubject: Win",
            "ada@example.com>\r\nRCPT TO:<bob@example.com>",
            "INBOX\"\r\nV7 CAPABILITY\r\n",
        ] {
            assert!(weight(Place::Query, value.as_bytes()) >= THRESHOLD, "{value}");
            assert!(weight(Place::Body, value.as_bytes()) >= THRESHOLD, "{value}");
        }
        for value in [
            "From: ada@example.com\nTo: bob@example.com",
            "Hi\nTo: all",
            "A1 SELECT x",
            "x\nB12 SELECT",
        ] {
            assert_eq!(weight(Place::Query, value.as_bytes()), 0, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            weight(Place::Query, &bytes);
        }

        #[test]
        fn prefilter_agrees(value in "(\\r|\\n|\u{560a}|Bcc|Subject|RCPT TO|: ?|a@b\\.c|<|>|A1 CAPABILITY|V2 FETCH 1| |[a-z]{1,3}){0,10}") {
            for place in [Place::Query, Place::Body, Place::Name] {
                weight(place, value.as_bytes());
            }
        }
    }
}
