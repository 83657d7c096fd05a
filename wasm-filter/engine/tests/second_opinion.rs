//! The second opinion on SQL injection, which Wallarm calls libdetection. The first request is the litmus of its
//! documentation, "libdetection overview".

use waf_engine::{Engine, Inspection, Request, Scratch, Settings};
use waf_policy::AttackType;

fn is_sqli(target: &str, enable_libdetection: bool) -> bool {
    let engine = Engine::new(Settings {
        enable_libdetection,
        ..Settings::default()
    });
    let request = Request {
        target: target.as_bytes(),
        ..Default::default()
    };
    let mut inspection = Inspection::default();
    engine.inspect_head(&request, &mut Scratch::default(), &mut inspection);
    let findings = &inspection.verdict().findings;
    findings.iter().any(|finding| finding.attack_type == AttackType::Sqli)
}

#[test]
fn half_a_query_needs_the_first_opinion_alone() {
    let target = "/?id=1'%20UNION%20SELECT";
    assert!(!is_sqli(target, true), "on");
    assert!(is_sqli(target, false), "off");
}

#[test]
fn whole_queries_are_found_either_way() {
    for target in [
        "/?id=1'%20UNION%20SELECT%20password%20FROM%20users--",
        "/?id=1%20or%201=1--%20",
        "/?id=1;%20drop%20table%20users;--%20",
    ] {
        assert!(is_sqli(target, true), "on: {target}");
        assert!(is_sqli(target, false), "off: {target}");
    }
}

#[test]
fn ordinary_values_are_clean_either_way() {
    for target in [
        "/?q=O'Brien%20and%20sons",
        "/?q=trade%20union%20elections",
        "/?q=it's%20all%20or%20nothing",
        "/?sort=order%20by%20name",
    ] {
        assert!(!is_sqli(target, true), "on: {target}");
        assert!(!is_sqli(target, false), "off: {target}");
    }
}
