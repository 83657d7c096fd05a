//! The filter as people write it: `type:sqli ip:203.0.113.0/24 since:1h !blocked`.
//!
//! Words stand side by side and must all hold. A word is `key:value` or a name alone; `!` in front of it means the
//! opposite. Several types, in one word with commas or in several, mean any of them; every other key stands once.

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};

use crate::{
    hit::{AttackTypeCode, limits},
    id::Slot,
    quantity,
    store::Filter,
};

/// Longest filter, in bytes.
pub(super) const MAX_BYTES: usize = 1024;

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub(super) struct Mistake {
    /// The word at fault, as written.
    pub(super) word: String,
    /// What must be instead.
    pub(super) problem: &'static str,
}

/// Reads a filter and adds it to another one. `now` is what "ago" counts from.
pub(super) fn add(filter: &mut Filter, text: &str, now: Timestamp) -> Result<(), Mistake> {
    if text.len() > MAX_BYTES {
        return Err(Mistake {
            word: format!("{} bytes", text.len()),
            problem: "must have at most 1024 bytes",
        });
    }
    for word in text.split_whitespace() {
        add_word(filter, word, now).map_err(|problem| Mistake {
            word: word.to_owned(),
            problem,
        })?;
    }
    Ok(())
}

const TWICE: &str = "must not set again what is set already";

fn add_word(filter: &mut Filter, word: &str, now: Timestamp) -> Result<(), &'static str> {
    let (negated, plain) = match word.strip_prefix('!') {
        Some(plain) => (true, plain),
        None => (false, word),
    };
    match plain.split_once(':') {
        None if plain == "blocked" => once(&mut filter.blocked, !negated),
        Some(("type", codes)) => {
            let list = if negated {
                &mut filter.not_attack_types
            } else {
                &mut filter.attack_types
            };
            for code in codes.split(',') {
                let problem = "must be codes such as type:sqli or type:sqli,xss, of a-z, 0-9 and _";
                list.push(AttackTypeCode::new(code).map_err(|_| problem)?);
            }
            Ok(())
        }
        Some((key @ ("host" | "ip" | "since" | "until"), _)) if negated => Err(match key {
            "since" => "cannot be turned round: use until",
            "until" => "cannot be turned round: use since",
            _ => "cannot be turned round: only type and blocked can",
        }),
        Some(("host", host)) => {
            if host.is_empty() || host.len() > limits::HOST {
                return Err("must be a host of 1 to 300 bytes");
            }
            once(&mut filter.host, host.to_ascii_lowercase().into_bytes())
        }
        Some(("ip", network)) => {
            let problem = "must be an address or a network such as ip:203.0.113.0/24";
            once(&mut filter.source, network.parse().map_err(|_| problem)?)
        }
        Some(("since", text)) => once(&mut filter.since, time(text, now)?),
        Some(("until", text)) => once(&mut filter.until, time(text, now)?),
        _ => Err("must be one of type:, host:, ip:, since:, until: and blocked"),
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), &'static str> {
    if place.is_some() {
        return Err(TWICE);
    }
    *place = Some(value);
    Ok(())
}

/// A time: how long ago, a day, or an instant.
fn time(text: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
    let time = if let Ok(ago) = quantity::duration(text) {
        now.checked_sub(ago).ok()
    } else if let Ok(day) = text.parse::<Date>() {
        TimeZone::UTC.to_timestamp(day.to_datetime(Time::midnight())).ok()
    } else {
        text.parse().ok()
    };
    // Hits lie within these bounds; beyond them there is nothing to find or to leave out.
    let time = time.ok_or("must be how long ago (30m, 1h, 7d), a day (2026-11-23) or a time (2026-11-23T10:00:00Z)")?;
    Ok(Slot::nearest(time).first_id().time())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    fn parse(text: &str) -> Result<Filter, String> {
        let mut filter = Filter::default();
        add(&mut filter, text, now()).map_err(|mistake| format!("{}: {}", mistake.word, mistake.problem))?;
        Ok(filter)
    }

    fn types(codes: &[&str]) -> Vec<AttackTypeCode> {
        codes.iter().map(|code| AttackTypeCode::new(code).unwrap()).collect()
    }

    #[test]
    fn filters() {
        let expected = Filter {
            attack_types: types(&["sqli"]),
            source: Some("203.0.113.0/24".parse().unwrap()),
            since: Some("2026-11-24T11:00:00Z".parse().unwrap()),
            blocked: Some(false),
            ..Filter::default()
        };
        assert_eq!(
            parse("type:sqli ip:203.0.113.0/24 since:1h !blocked").unwrap(),
            expected
        );
        let expected = Filter {
            attack_types: types(&["sqli", "xss", "rce"]),
            not_attack_types: types(&["scanner"]),
            host: Some(b"shop.example:8080".to_vec()),
            since: Some("2026-11-23T00:00:00Z".parse().unwrap()),
            until: Some("2026-11-24T10:30:00Z".parse().unwrap()),
            blocked: Some(true),
            ..Filter::default()
        };
        let text = "  blocked type:sqli,xss  type:rce !type:scanner host:Shop.example:8080
            since:2026-11-23 until:2026-11-24T10:30:00Z";
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse(" ").unwrap(), Filter::default());
    }

    #[test]
    fn mistakes_name_the_word_and_what_must_be() {
        for (text, expected) in [
            ("type:sqli colour:red", "colour:red: must be one of type:, host:,"),
            ("sqli", "sqli: must be one of"),
            ("!", "!: must be one of"),
            ("type:SQLi", "type:SQLi: must be codes such as type:sqli"),
            ("type:", "type:: must be codes"),
            ("ip:300.1.1.1", "ip:300.1.1.1: must be an address or a network"),
            ("!ip:10.0.0.1", "!ip:10.0.0.1: cannot be turned round"),
            ("!since:1h", "!since:1h: cannot be turned round: use until"),
            ("since:yesterday", "since:yesterday: must be how long ago"),
            ("blocked !blocked", "!blocked: must not set again"),
            ("host:", "host:: must be a host"),
        ] {
            let mistake = parse(text).unwrap_err();
            assert!(mistake.starts_with(expected), "{mistake}");
        }
        assert!(parse(&"blocked ".repeat(1000)).unwrap_err().starts_with("8000 bytes: "));
    }
}
