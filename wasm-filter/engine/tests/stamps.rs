//! Every stamp has one number, and `docs/stamps.md` documents it. `UPDATE_EXPECT=1` writes the page anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use waf_engine::detect::{DETECTORS, Stamp};

fn stamps() -> impl Iterator<Item = &'static Stamp> {
    DETECTORS.iter().flat_map(|detector| detector.stamps)
}

#[test]
fn numbers_belong_to_one_stamp_and_tell_its_type() {
    let mut by_id = BTreeMap::new();
    for stamp in stamps() {
        assert_eq!(stamp.id / 1000, stamp.attack_type as u32, "{stamp:?}");
        assert!(stamp.weight > 0, "{stamp:?}");
        assert_eq!(by_id.insert(stamp.id, stamp.name), None, "has the number of {stamp:?}");
    }
}

#[test]
fn the_page_of_stamps_is_current() {
    let mut by_type: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for stamp in stamps() {
        by_type.entry(stamp.attack_type).or_default().push(stamp);
    }
    let mut page = "# Stamps\n\n\
        A stamp is a kind of sign that a detector can find in a value.\n\
        Signs of one attack type in one value add up; at 100 they are a finding.\n\
        The numbers are stable: they stand in hits and access logs.\n\
        A test of `waf-engine` generates this page.\n"
        .to_owned();
    for (attack_type, mut stamps) in by_type {
        stamps.sort_by_key(|stamp| stamp.id);
        let _ = write!(
            page,
            "\n## {} (`{attack_type}`)\n\n| stamp | name | weight | meaning |\n|---|---|---|---|\n",
            attack_type.name()
        );
        for stamp in stamps {
            let reason = stamp.reason.replace('|', "\\|");
            let _ = writeln!(
                page,
                "| {} | `{}` | {} | {reason} |",
                stamp.id, stamp.name, stamp.weight
            );
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/stamps.md");
    if fs::read_to_string(&path).unwrap_or_default() != page {
        assert!(
            env::var_os("UPDATE_EXPECT").is_some(),
            "docs/stamps.md is stale; run the test with UPDATE_EXPECT=1"
        );
        assert!(fs::write(&path, page).is_ok(), "{} cannot be written", path.display());
    }
}
