//! Runs every case of `testdata/*.toml`: attacks must be found as their type, look-alikes must be clean in every type.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use waf_cases::{Case, Kind};
use waf_engine::{Body, Engine, Inspection, Request, Scratch, Settings, Verdict};
use waf_policy::AttackType;

fn inspect(engine: &Engine, scratch: &mut Scratch, case: &Case) -> Verdict {
    let waf_cases::Request {
        method,
        target,
        headers,
        body,
    } = case.request().unwrap();
    let headers: Vec<(&[u8], &[u8])> = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let request = Request {
        method: method.as_bytes(),
        scheme: b"https",
        authority: b"example.com",
        target: target.as_bytes(),
        headers: &headers,
    };
    let mut inspection = Inspection::default();
    engine.inspect_head(&request, scratch, &mut inspection);
    let body = Body {
        bytes: &body,
        is_complete: true,
    };
    engine.inspect_body(body, scratch, &mut inspection);
    inspection.verdict().clone()
}

#[test]
fn attacks_are_found_and_lookalikes_are_clean() {
    let engine = Engine::new(Settings::default());
    let mut scratch = Scratch::default();
    let mut failures = String::new();
    for case in waf_cases::load().unwrap() {
        let verdict = inspect(&engine, &mut scratch, &case);
        let attack_type = case.r#type.as_ref().map(|code| code.parse::<AttackType>().unwrap());
        let is_found = attack_type.is_some_and(|attack_type| {
            let mut findings = verdict.findings.iter();
            findings.any(|finding| finding.attack_type == attack_type)
        });
        let is_right = match case.kind {
            Kind::Attack => is_found,
            Kind::Lookalike => !is_found && (attack_type.is_some() || verdict.is_clean()),
        };
        if !is_right {
            let _ = writeln!(failures, "{case}: found {verdict:?}\n{verdict}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn prefilter_changes_no_verdict_of_the_corpus() {
    let with = Engine::new(Settings::default());
    let without = Engine::new(Settings::default()).without_prefilter();
    let mut scratch = Scratch::default();
    for case in waf_cases::load().unwrap() {
        assert_eq!(
            inspect(&with, &mut scratch, &case),
            inspect(&without, &mut scratch, &case),
            "{case}"
        );
    }
}
