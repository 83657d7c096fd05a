//! Runs every case of `testdata/*.toml`: attacks must be found as their type, look-alikes must be clean in every type.
//!
//! A file holds cases like these:
//!
//! ```toml
//! [[case]]
//! name = "union-select"            # unique within the file
//! source = "CWE-89; MySQL manual, UNION clause"   # where the fact comes from: CVE, manual, documentation, "own"
//! kind = "attack"                  # or "lookalike"
//! type = "sqli"                    # of attacks: the type that must be found (others may be found too); of a look-alike
//!                                  # that is rightly an attack of another type: the only type that it must not be
//! value = "1' union select 1,2-- " # what the application would see, not encoded
//! place = "query"                  # default; or path, body, json, header, user-agent, referer, cookie, raw, file
//!
//! [[case]]                         # or a whole request instead of value and place
//! name = "cookie-traversal"
//! source = "CWE-22"
//! kind = "attack"
//! type = "ptrav"
//! method = "POST"                  # default: GET, or POST when there is a body
//! target = "/a?b=c"                # default: /
//! headers = { Cookie = "lang=../../../../etc/passwd" }
//! body = "x"                       # default: none
//! ```

#![allow(clippy::panic, clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::PathBuf};

use waf_engine::{Body, Engine, Inspection, Request, Scratch, Verdict};
use waf_policy::{AttackType, Limits};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    source: String,
    kind: Kind,
    r#type: Option<String>,
    value: Option<String>,
    place: Option<String>,
    method: Option<String>,
    target: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

#[derive(Clone, Copy, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Attack,
    Lookalike,
}

/// A request ready to be inspected.
#[derive(Clone, Default)]
struct Wire {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Case {
    fn request(&self) -> Wire {
        let Some(value) = &self.value else {
            assert!(self.place.is_none(), "{}: place without value", self.name);
            let body = self.body.clone().unwrap_or_default();
            let method = if body.is_empty() { "GET" } else { "POST" };
            return Wire {
                method: self.method.clone().unwrap_or_else(|| method.to_owned()),
                target: self.target.clone().unwrap_or_else(|| "/".to_owned()),
                headers: self.headers.clone().into_iter().collect(),
                body,
            };
        };
        let has_request = self.method.is_some() || self.target.is_some() || self.body.is_some();
        assert!(
            !has_request && self.headers.is_empty(),
            "{}: both value and request",
            self.name
        );
        let get = |target: String, headers: &[(&str, &str)]| Wire {
            method: "GET".to_owned(),
            target,
            headers: owned(headers),
            body: String::new(),
        };
        let post = |content_type: &str, body: String| Wire {
            method: "POST".to_owned(),
            target: "/submit".to_owned(),
            headers: owned(&[("Content-Type", content_type)]),
            body,
        };
        match self.place.as_deref().unwrap_or("query") {
            "query" => get(format!("/search?q={}", encode(value, b"")), &[]),
            "path" => get(format!("/{}", encode(value, b"/")), &[]),
            "body" => post(
                "application/x-www-form-urlencoded",
                format!("text={}", encode(value, b"")),
            ),
            "json" => post("application/json", serde_json::json!({ "text": value }).to_string()),
            "raw" => post("text/plain", value.clone()),
            "file" => post(
                "multipart/form-data; boundary=b",
                format!(
                    "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f.txt\"\r\n\r\n{value}\r\n--b--\r\n"
                ),
            ),
            "header" => get("/".to_owned(), &[("X-Custom", value)]),
            "user-agent" => get("/".to_owned(), &[("User-Agent", value)]),
            "referer" => get("/".to_owned(), &[("Referer", value)]),
            "cookie" => get("/".to_owned(), &[("Cookie", &format!("c={}", encode(value, b"")))]),
            other => panic!("{}: unknown place {other:?}", self.name),
        }
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    headers.iter().map(owned).collect()
}

fn encode(value: &str, keep: &[u8]) -> String {
    value
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => (b as char).to_string(),
            b if keep.contains(&b) => (b as char).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

fn inspect(engine: &Engine, scratch: &mut Scratch, wire: &Wire) -> Verdict {
    let headers: Vec<(&[u8], &[u8])> = wire
        .headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let request = Request {
        method: wire.method.as_bytes(),
        scheme: b"https",
        authority: b"example.com",
        target: wire.target.as_bytes(),
        headers: &headers,
    };
    let mut inspection = Inspection::default();
    engine.inspect_head(&request, scratch, &mut inspection);
    let body = Body {
        bytes: wire.body.as_bytes(),
        is_complete: true,
    };
    engine.inspect_body(body, scratch, &mut inspection);
    inspection.verdict().clone()
}

fn files() -> Vec<(String, File)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let file = toml::from_str(&fs::read_to_string(&path).unwrap());
            (name.clone(), file.unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect()
}

#[test]
fn attacks_are_found_and_lookalikes_are_clean() {
    let engine = Engine::new(Limits::default());
    let mut scratch = Scratch::default();
    let mut failures = String::new();
    for (file, File { case: cases }) in files() {
        for (position, case) in cases.iter().enumerate() {
            let name = format!("{file} {}", case.name);
            assert!(!case.source.is_empty(), "{name}: no source");
            assert!(
                cases.iter().take(position).all(|other| other.name != case.name),
                "{name}: repeated name"
            );
            let verdict = inspect(&engine, &mut scratch, &case.request());
            let is_found = |kind: &String| {
                let kind: AttackType = kind.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
                verdict.findings.iter().any(|finding| finding.attack_type == kind)
            };
            let is_right = match (case.kind, &case.r#type) {
                (Kind::Lookalike, None) => verdict.is_clean(),
                (Kind::Lookalike, Some(kind)) => !is_found(kind),
                (Kind::Attack, Some(kind)) => is_found(kind),
                (Kind::Attack, None) => panic!("{name}: an attack without a type"),
            };
            if !is_right {
                failures += &format!("{name}: found {verdict:?}\n{verdict}\n");
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn prefilter_changes_no_verdict_of_the_corpus() {
    let with = Engine::new(Limits::default());
    let without = Engine::new(Limits::default()).without_prefilter();
    let mut scratch = Scratch::default();
    for (file, File { case: cases }) in files() {
        for case in &cases {
            let wire = case.request();
            assert_eq!(
                inspect(&with, &mut scratch, &wire),
                inspect(&without, &mut scratch, &wire),
                "{file} {}",
                case.name
            );
        }
    }
}
