//! From answers to figures.
//!
//! True positive rate (TPR) = blocked / all attacks; false positive rate (FPR) = blocked / all benign requests; balanced
//! accuracy = (TPR + 1 − FPR) / 2. Errors count in the denominators and never as blocked. *Pooled* figures weigh every
//! request the same, *macro* figures every source, so that big repetitive lists do not drown small ones.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use crate::eval::corpus::{Label, Record};
use crate::eval::send::Status;

/// SQL sent to SQL consoles: no content-only inspection can tell it from an attack, so it is in no headline figure.
const HARD_BENIGN: [&str; 1] = ["benign-sqlconsole"];

/// Sources of people who write code and markup for a living: counted apart from the core.
const AUTHORING: [&str; 3] = ["benign-code", "benign-markdown", "benign-richtext"];

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 403.
    Blocked,
    /// Below 400, or 404 or 405: the application answered.
    Passed,
    /// 400: malformed for the proxy.
    Malformed,
    /// 413, 414 or 431.
    TooLarge,
    /// Any other 4xx.
    ClientError,
    /// 5xx.
    ServerError,
    /// Closed without an answer.
    Reset,
    /// No answer in time.
    Timeout,
}

// === impl Outcome ===

impl Outcome {
    const ALL: [Outcome; 8] = [
        Outcome::Blocked,
        Outcome::Passed,
        Outcome::Malformed,
        Outcome::TooLarge,
        Outcome::ClientError,
        Outcome::ServerError,
        Outcome::Reset,
        Outcome::Timeout,
    ];

    pub(super) fn of(status: Status) -> Outcome {
        match status {
            Status::Reset => Outcome::Reset,
            Status::Timeout => Outcome::Timeout,
            Status::Code(403) => Outcome::Blocked,
            Status::Code(..400 | 404 | 405) => Outcome::Passed,
            Status::Code(400) => Outcome::Malformed,
            Status::Code(413 | 414 | 431) => Outcome::TooLarge,
            Status::Code(500..) => Outcome::ServerError,
            Status::Code(_) => Outcome::ClientError,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Outcome::Blocked => "blocked",
            Outcome::Passed => "passed",
            Outcome::Malformed => "e400",
            Outcome::TooLarge => "e413",
            Outcome::ClientError => "e4xx",
            Outcome::ServerError => "e5xx",
            Outcome::Reset => "reset",
            Outcome::Timeout => "timeout",
        }
    }

    /// Whether this is what should happen to a request with this label.
    pub(super) fn is_right(self, label: Label) -> bool {
        matches!(
            (label, self),
            (Label::Attack, Outcome::Blocked) | (Label::Benign, Outcome::Passed)
        )
    }
}

/// How often each outcome was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts([u32; Outcome::ALL.len()]);

// === impl Counts ===

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        self.0[outcome as usize] += 1;
    }

    fn merge(&mut self, other: &Counts) {
        for (sum, n) in self.0.iter_mut().zip(other.0) {
            *sum += n;
        }
    }

    fn get(&self, outcome: Outcome) -> u32 {
        self.0[outcome as usize]
    }

    fn total(&self) -> u32 {
        self.0.iter().sum()
    }

    fn errors(&self) -> u32 {
        self.total() - self.get(Outcome::Blocked) - self.get(Outcome::Passed)
    }

    /// Blocked in percent of all; nothing for nothing.
    fn blocked_percent(&self) -> Option<f64> {
        (self.total() > 0).then(|| 100.0 * f64::from(self.get(Outcome::Blocked)) / f64::from(self.total()))
    }
}

/// The figures of one run.
#[derive(Debug)]
pub(super) struct Figures {
    cells: BTreeMap<(String, String, Label), Counts>,
    sources: BTreeMap<(String, Label), Counts>,
}

// === impl Figures ===

impl Figures {
    pub(super) fn new<'a>(results: impl Iterator<Item = (&'a Record, Outcome)>) -> Figures {
        let (mut cells, mut sources) = (BTreeMap::new(), BTreeMap::new());
        for (record, outcome) in results {
            let Record {
                source,
                category,
                label,
                ..
            } = record;
            cells
                .entry((source.clone(), category.clone(), *label))
                .or_insert_with(Counts::default)
                .add(outcome);
            sources
                .entry((source.clone(), *label))
                .or_insert_with(Counts::default)
                .add(outcome);
        }
        Figures { cells, sources }
    }

    fn of_sources(&self, label: Label, wanted: impl Fn(&str) -> bool) -> Vec<Counts> {
        self.sources
            .iter()
            .filter(|((source, l), _)| *l == label && wanted(source))
            .map(|(_, counts)| *counts)
            .collect()
    }

    /// The headline: names and percentages in the order of reading.
    fn overall(&self) -> Vec<(&'static str, Option<f64>)> {
        let attacks = self.of_sources(Label::Attack, |_| true);
        let benign = self.of_sources(Label::Benign, |source| !HARD_BENIGN.contains(&source));
        let core = self.of_sources(Label::Benign, |source| {
            !HARD_BENIGN.contains(&source) && !AUTHORING.contains(&source)
        });
        let authoring = self.of_sources(Label::Benign, |source| AUTHORING.contains(&source));
        let hard = self.of_sources(Label::Benign, |source| HARD_BENIGN.contains(&source));
        let categories = self
            .cells
            .iter()
            .filter(|((_, _, label), _)| *label == Label::Attack)
            .map(|(_, counts)| *counts)
            .collect::<Vec<_>>();
        vec![
            ("tpr_macro_sources", mean(&attacks)),
            ("tpr_macro_categories", mean(&categories)),
            ("tpr_pooled", pooled(&attacks)),
            ("fpr_core_macro_sources", mean(&core)),
            ("fpr_core_pooled", pooled(&core)),
            ("fpr_authoring_macro", mean(&authoring)),
            ("fpr_macro_sources", mean(&benign)),
            ("fpr_pooled", pooled(&benign)),
            ("fpr_sqlconsole", mean(&hard)),
            ("balanced_accuracy_macro_core", balanced(mean(&attacks), mean(&core))),
            ("balanced_accuracy_macro", balanced(mean(&attacks), mean(&benign))),
            ("balanced_accuracy_pooled", balanced(pooled(&attacks), pooled(&benign))),
        ]
    }

    pub(super) fn to_json(&self) -> Value {
        let counts_json = |label: &Label, counts: &Counts| {
            let mut object = json!({ "label": label, "n": counts.total() });
            for outcome in Outcome::ALL {
                object[outcome.name()] = json!(counts.get(outcome));
            }
            object[rate_name(*label)] = json!(counts.blocked_percent().map(round));
            object
        };
        let cells = self.cells.iter().map(|((source, category, label), counts)| {
            let mut cell = json!({ "source": source, "category": category });
            if let (Value::Object(cell), Value::Object(counts)) = (&mut cell, counts_json(label, counts)) {
                cell.extend(counts);
            }
            cell
        });
        let sources = self.sources.iter().map(|((source, label), counts)| {
            let mut row = json!({ "source": source });
            if let (Value::Object(row), Value::Object(counts)) = (&mut row, counts_json(label, counts)) {
                row.extend(counts);
            }
            row
        });
        let overall = self
            .overall()
            .into_iter()
            .map(|(name, percent)| (name.to_owned(), json!(percent.map(round))))
            .collect::<serde_json::Map<_, _>>();
        json!({
            "cells": cells.collect::<Vec<_>>(),
            "sources": sources.collect::<Vec<_>>(),
            "overall": overall,
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, source: &str, category: &str, label: Label, counts: &Counts| {
            let [tpr, fpr] = match label {
                Label::Attack => [percent(counts.blocked_percent()), String::new()],
                Label::Benign => [String::new(), percent(counts.blocked_percent())],
            };
            writeln!(
                f,
                "{source:<20} {category:<20} {:>7} {:>8} {:>7} {:>7} {tpr:>7} {fpr:>7}",
                counts.total(),
                counts.get(Outcome::Blocked),
                counts.get(Outcome::Passed),
                counts.errors(),
            )
        };
        writeln!(
            f,
            "{:<20} {:<20} {:>7} {:>8} {:>7} {:>7} {:>7} {:>7}",
            "source", "category", "n", "blocked", "passed", "errors", "TPR %", "FPR %"
        )?;
        for ((source, category, label), counts) in &self.cells {
            line(f, source, category, *label, counts)?;
        }
        writeln!(f)?;
        for ((source, label), counts) in &self.sources {
            line(f, source, "(all)", *label, counts)?;
        }
        let mut errors = Counts::default();
        for counts in self.sources.values() {
            errors.merge(counts);
        }
        writeln!(f)?;
        for (name, value) in self.overall() {
            writeln!(f, "{name:<32} {:>7}", percent(value))?;
        }
        if errors.errors() > 0 {
            write!(f, "errors:")?;
            for outcome in &Outcome::ALL[2..] {
                if errors.get(*outcome) > 0 {
                    write!(f, " {} {}", outcome.name(), errors.get(*outcome))?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn rate_name(label: Label) -> &'static str {
    match label {
        Label::Attack => "tpr",
        Label::Benign => "fpr",
    }
}

fn mean(rows: &[Counts]) -> Option<f64> {
    let rates = rows.iter().filter_map(Counts::blocked_percent).collect::<Vec<_>>();
    (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
}

fn pooled(rows: &[Counts]) -> Option<f64> {
    let mut sum = Counts::default();
    for counts in rows {
        sum.merge(counts);
    }
    sum.blocked_percent()
}

fn balanced(tpr: Option<f64>, fpr: Option<f64>) -> Option<f64> {
    Some((tpr? + 100.0 - fpr?) / 2.0)
}

fn round(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_classified() {
        let check = |codes: &[u16], expected: Outcome| {
            for code in codes {
                assert_eq!(Outcome::of(Status::Code(*code)), expected, "{code}");
            }
        };
        check(&[403], Outcome::Blocked);
        check(&[101, 200, 204, 302, 399, 404, 405], Outcome::Passed);
        check(&[400], Outcome::Malformed);
        check(&[413, 414, 431], Outcome::TooLarge);
        check(&[401, 402, 406, 429, 499], Outcome::ClientError);
        check(&[500, 503, 599, 999], Outcome::ServerError);
        assert_eq!(Outcome::of(Status::Reset), Outcome::Reset);
        assert_eq!(Outcome::of(Status::Timeout), Outcome::Timeout);
    }

    #[test]
    fn errors_are_never_right() {
        for outcome in &Outcome::ALL[2..] {
            assert!(!outcome.is_right(Label::Attack) && !outcome.is_right(Label::Benign));
        }
    }

    fn results(rows: &[(&str, Label, u32, Outcome)]) -> Vec<(Record, Outcome)> {
        rows.iter()
            .flat_map(|(source, label, n, outcome)| {
                let record = serde_json::from_value::<Record>(json!({
                    "id": "1", "source": source, "category": "c", "label": label, "method": "GET", "path": "/", "headers": [],
                }))
                .unwrap();
                (0..*n).map(move |_| (record.clone(), *outcome))
            })
            .collect()
    }

    fn overall(rows: &[(&str, Label, u32, Outcome)], name: &str) -> Option<f64> {
        let results = results(rows);
        let figures = Figures::new(results.iter().map(|(record, outcome)| (record, *outcome)));
        figures.overall().into_iter().find(|(n, _)| *n == name).unwrap().1
    }

    const ROWS: [(&str, Label, u32, Outcome); 8] = [
        ("big", Label::Attack, 90, Outcome::Blocked),
        ("big", Label::Attack, 10, Outcome::Malformed),
        ("small", Label::Attack, 5, Outcome::Blocked),
        ("small", Label::Attack, 5, Outcome::Passed),
        ("benign-api", Label::Benign, 99, Outcome::Passed),
        ("benign-api", Label::Benign, 1, Outcome::Blocked),
        ("benign-code", Label::Benign, 10, Outcome::Blocked),
        ("benign-sqlconsole", Label::Benign, 100, Outcome::Blocked),
    ];

    #[test]
    fn macro_weighs_sources_and_pooled_weighs_requests() {
        assert_eq!(overall(&ROWS, "tpr_macro_sources"), Some(70.0));
        assert_eq!(overall(&ROWS, "tpr_pooled").map(round), Some(86.36));
    }

    #[test]
    fn hard_and_authoring_sources_stand_apart() {
        assert_eq!(overall(&ROWS, "fpr_core_pooled"), Some(1.0));
        assert_eq!(overall(&ROWS, "fpr_authoring_macro"), Some(100.0));
        assert_eq!(overall(&ROWS, "fpr_pooled"), Some(10.0));
        assert_eq!(overall(&ROWS, "fpr_sqlconsole"), Some(100.0));
        assert_eq!(overall(&ROWS, "balanced_accuracy_macro_core"), Some(84.5));
    }

    #[test]
    fn nothing_to_count_is_no_figure() {
        assert_eq!(
            overall(&[("a", Label::Attack, 1, Outcome::Blocked)], "balanced_accuracy_pooled"),
            None
        );
    }
}
