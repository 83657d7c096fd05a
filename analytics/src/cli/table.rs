//! Tables for people. Whatever came from a request or from the service is escaped.

use comfy_table::{CellAlignment, Table, presets};
use jiff::{SignedDuration, Timestamp, Unit};
use waf_proto::v1;

use crate::{
    escape,
    wire::{self, Cuts},
};

/// Characters shown of a payload.
const PAYLOAD_CHARS: usize = 60;
/// Characters shown of an address with its path.
const ADDRESS_CHARS: usize = 60;
/// Characters shown of anything else.
const TEXT_CHARS: usize = 80;

pub(super) fn attacks(attacks: &[v1::Attack], now: Timestamp) -> String {
    if attacks.is_empty() {
        return "No attacks.".to_owned();
    }
    let mut table = new(&[
        "LAST", "TYPE", "STATUS", "HITS", "SOURCES", "ADDRESS", "POINT", "PAYLOAD", "ID",
    ]);
    right(&mut table, &[3, 4]);
    for attack in attacks {
        table.add_row([
            ago(attack.last_time, now),
            text(&attack.attack_type),
            status(attack.status()).to_owned(),
            attack.hits.to_string(),
            sources(attack.sources),
            address(&attack.host, &attack.path),
            escape::bytes(point(&attack.point).as_bytes(), TEXT_CHARS),
            escape::bytes(&attack.payload, PAYLOAD_CHARS),
            text(&attack.id),
        ]);
    }
    render(&mut table)
}

pub(super) fn hits(hits: &[v1::StoredHit], now: Timestamp) -> String {
    if hits.is_empty() {
        return "No hits.".to_owned();
    }
    let mut table = new(&[
        "TIME",
        "TYPE",
        "ACTION",
        "SOURCE",
        "METHOD",
        "ADDRESS",
        "POINT",
        "PAYLOAD",
        "REQUEST ID",
    ]);
    for stored in hits {
        let Some(hit) = &stored.hit else {
            continue;
        };
        let (point, payload) = hit.findings.first().map_or_else(Default::default, |finding| {
            let point = point(&finding.point);
            (
                escape::bytes(point.as_bytes(), TEXT_CHARS),
                escape::bytes(&finding.payload, PAYLOAD_CHARS),
            )
        });
        table.add_row([
            ago(hit.time, now),
            text(&hit.attack_type),
            action(hit.action()).to_owned(),
            text(&hit.remote_addr),
            escape::bytes(&hit.method, 10),
            address(&hit.host, &hit.path),
            point,
            payload,
            text(&hit.request_id),
        ]);
    }
    render(&mut table)
}

/// A hit on one line.
pub(super) fn line(stored: &v1::StoredHit) -> String {
    let hit = stored.hit.clone().unwrap_or_default();
    let time = instant(hit.time).map_or_else(String::new, |time| format!("{time:.3}"));
    let (point, payload) = hit.findings.first().map_or_else(Default::default, |finding| {
        let point = point(&finding.point);
        (
            escape::bytes(point.as_bytes(), TEXT_CHARS),
            escape::bytes(&finding.payload, PAYLOAD_CHARS),
        )
    });
    let parts = [
        time,
        action(hit.action()).to_owned(),
        text(&hit.attack_type),
        text(&hit.remote_addr),
        escape::bytes(&hit.method, 10),
        address(&hit.host, &hit.path),
        point,
        payload,
    ];
    parts.join("  ")
}

/// How many hits there were, and what became of them.
fn n_hits(attack: &v1::Attack) -> String {
    let text = format!("{}, {} blocked", attack.hits, attack.blocked_hits);
    match attack.counted_hits {
        0 => text,
        counted => format!("{text}, {counted} only counted"),
    }
}

pub(super) fn attack(attack: &v1::Attack, latest: &[v1::StoredHit], now: Timestamp) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let time = |time| instant(time).map_or_else(String::new, |time| time.to_string());
    let rows = [
        ("Attack", text(&attack.id)),
        ("Type", attack_type(&attack.attack_type)),
        ("Status", status(attack.status()).to_owned()),
        ("Address", address(&attack.host, &attack.path)),
        ("Point", escape::bytes(point(&attack.point).as_bytes(), TEXT_CHARS)),
        ("Application", attack.application.to_string()),
        ("Hits", n_hits(attack)),
        ("Sources", sources(attack.sources)),
        ("First", time(attack.first_time)),
        (
            "Last",
            format!("{} ({})", time(attack.last_time), ago(attack.last_time, now)),
        ),
        ("Payload", escape::bytes(&attack.payload, 4 * PAYLOAD_CHARS)),
        (
            "Reason",
            latest
                .iter()
                .find_map(|stored| stored.hit.as_ref()?.findings.first())
                .map_or_else(String::new, |finding| escape::bytes(finding.reason.as_bytes(), 200)),
        ),
    ];
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    format!("{}\n\nLatest hits\n{}", render(&mut table), hits(latest, now))
}

/// The status as words.
pub(super) fn status(status: v1::AttackStatus) -> &'static str {
    match status {
        v1::AttackStatus::Unspecified => "unknown",
        v1::AttackStatus::Monitored => "monitored",
        v1::AttackStatus::PartiallyBlocked => "partially blocked",
        v1::AttackStatus::Blocked => "blocked",
    }
}

/// The action as a word.
pub(super) fn action(action: v1::Action) -> &'static str {
    match action {
        v1::Action::Unspecified => "unknown",
        v1::Action::Monitored => "monitored",
        v1::Action::Blocked => "blocked",
    }
}

/// A point in Wallarm notation, not escaped.
pub(super) fn point(point: &[v1::PointElement]) -> String {
    wire::point_from(point.to_vec(), &mut Cuts::default()).to_string()
}

/// A time; none when absent or malformed.
pub(super) fn instant(time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    time.and_then(wire::time_from)
}

/// A time as people say it: how long ago within a day, else the time itself in UTC.
fn ago(time: Option<prost_types::Timestamp>, now: Timestamp) -> String {
    let Some(time) = instant(time) else {
        return "unknown".to_owned();
    };
    let age = now.duration_since(time);
    if age < SignedDuration::ZERO || age >= SignedDuration::from_hours(24) {
        return time.round(Unit::Second).unwrap_or(time).to_string();
    }
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds}s ago"),
        seconds @ 60..3600 => format!("{}m ago", seconds / 60),
        seconds => format!("{}h ago", seconds / 3600),
    }
}

fn sources(n: u32) -> String {
    if n >= crate::attack::Sources::MAX as u32 {
        format!("{n}+")
    } else {
        n.to_string()
    }
}

fn address(host: &[u8], path: &[u8]) -> String {
    escape::bytes(&[host, path].concat(), ADDRESS_CHARS)
}

/// The code and, where this version knows it, the name.
fn attack_type(code: &str) -> String {
    match code.parse::<waf_policy::AttackType>() {
        Ok(known) => format!("{code}, {}", known.name()),
        Err(_) => text(code),
    }
}

fn text(text: &str) -> String {
    escape::bytes(text.as_bytes(), TEXT_CHARS)
}

fn new(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table
}

fn right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The table without the blanks that fill up lines.
fn render(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}
