//! The named cases of `testdata/*.toml` as requests.
//!
//! The corpus test runs them through the engine, the live test through a real Envoy, and the fuzzers begin with them.
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
//! place = "query"                  # default; one of `PLACES`. The other places and all encodings are tried as well: an
//!                                  # attack with a place must be found there and where values are less free, a
//!                                  # look-alike be clean there and where they are freer; without, they hold everywhere
//! except = [{ places = ["cookie"], encodings = ["percent"], why = "..." }]   # where it does not hold all the same
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

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};

/// Where a value can be put into a request.
pub const PLACES: &[&str] = &[
    "query",
    "query-random-name",
    "path",
    "path-segment",
    "path-last",
    "body",
    "form-random-name",
    "json",
    "json-deep",
    "json-string",
    "json-undeclared",
    "multipart",
    "file",
    "raw",
    "raw-undeclared",
    "raw-as-json",
    "raw-as-form",
    "header",
    "user-agent",
    "referer",
    "referer-query",
    "cookie",
];

/// Further places, inside of structures with a format of their own. How a value is read there depends on its length, too.
pub const STRUCTURED_PLACES: &[&str] = &["token", "graphql", "graphql-in-json", "grpc", "protobuf", "view-state"];

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

/// One named case, as written.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The file without its extension. Together with `name` it is unique.
    #[serde(skip)]
    pub file: String,
    /// Unique within the file.
    pub name: String,
    /// Where the fact comes from.
    pub source: String,
    /// What it must be judged.
    pub kind: Kind,
    /// The code of the attack type that must be found, or of a look-alike that must not.
    pub r#type: Option<String>,
    /// What the application would see, not encoded. Absent when the case is a whole request.
    pub value: Option<String>,
    /// Where the value stands; "query" when absent.
    pub place: Option<String>,
    /// Where else the value does not mean the same.
    #[serde(default)]
    pub except: Vec<Exception>,
    method: Option<String>,
    target: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

/// Places and encodings in which a case does not hold.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Places; empty for all.
    #[serde(default)]
    pub places: Vec<String>,
    /// Encodings; empty for all.
    #[serde(default)]
    pub encodings: Vec<String>,
    /// The reason, for people.
    pub why: String,
}

/// What a case must be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Found, as its type.
    Attack,
    /// Clean, or at least not of its type.
    Lookalike,
}

/// A request to be inspected or sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body, empty for none.
    pub body: Vec<u8>,
}

/// Reads all cases, in order of files.
///
/// # Errors
///
/// A file that is not as the module says; the message names file and case.
pub fn load() -> Result<Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    let mut paths = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let File { case } = toml::from_str(&fs::read_to_string(&path)?).with_context(|| file.clone())?;
        let mut names = BTreeSet::new();
        for case in case {
            ensure!(names.insert(case.name.clone()), "{file} {}: repeated name", case.name);
            let case = Case {
                file: file.clone(),
                ..case
            };
            case.check().with_context(|| case.to_string())?;
            cases.push(case);
        }
    }
    ensure!(!cases.is_empty(), "no cases in {}", folder.display());
    Ok(cases)
}

// === impl Case ===

impl Case {
    fn check(&self) -> Result<()> {
        ensure!(!self.source.is_empty(), "no source");
        ensure!(
            self.kind == Kind::Lookalike || self.r#type.is_some(),
            "an attack without a type"
        );
        let has_request =
            self.method.is_some() || self.target.is_some() || self.body.is_some() || !self.headers.is_empty();
        match &self.value {
            Some(_) => ensure!(!has_request, "both value and request"),
            None => ensure!(self.place.is_none(), "place without value"),
        }
        for exception in &self.except {
            ensure!(!exception.why.is_empty(), "an exception without a reason");
            let is_known = |place: &str| PLACES.contains(&place) || STRUCTURED_PLACES.contains(&place);
            let unknown = exception.places.iter().find(|place| !is_known(place));
            ensure!(unknown.is_none(), "unknown place {unknown:?} in an exception");
        }
        self.request().map(|_| ())
    }

    /// The case as a request.
    ///
    /// # Errors
    ///
    /// A place that is none of [`PLACES`].
    pub fn request(&self) -> Result<Request> {
        if let Some(value) = &self.value {
            return place(value, self.place.as_deref().unwrap_or("query"));
        }
        let body = self.body.clone().unwrap_or_default();
        let method = if body.is_empty() { "GET" } else { "POST" };
        Ok(Request {
            method: self.method.clone().unwrap_or_else(|| method.to_owned()),
            target: self.target.clone().unwrap_or_else(|| "/".to_owned()),
            headers: self.headers.clone().into_iter().collect(),
            body: body.into_bytes(),
        })
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.file, self.name)
    }
}

/// A request that carries a value at one of [`PLACES`] or [`STRUCTURED_PLACES`], encoded as a client would.
///
/// # Errors
///
/// Another place.
pub fn place(value: &str, place: &str) -> Result<Request> {
    let get = |target: String, headers: &[(&str, &str)]| Request {
        method: "GET".to_owned(),
        target,
        headers: owned(headers),
        body: Vec::new(),
    };
    let post = |content_type: &str, body: String| Request {
        method: "POST".to_owned(),
        target: "/submit".to_owned(),
        headers: match content_type {
            "" => Vec::new(),
            _ => owned(&[("Content-Type", content_type)]),
        },
        body: body.into_bytes(),
    };
    let form = "application/x-www-form-urlencoded";
    let part = |disposition: &str| {
        post(
            "multipart/form-data; boundary=b",
            format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n--b--\r\n"),
        )
    };
    let binary = |content_type: &str, body: Vec<u8>| Request {
        body,
        ..post(content_type, String::new())
    };
    let json = |content_type: &str, value: serde_json::Value| post(content_type, value.to_string());
    Ok(match place {
        "query" => get(format!("/search?q={}", percent_encode(value, b"")), &[]),
        "query-random-name" => get(format!("/?a8f3c1d290={}", percent_encode(value, b"")), &[]),
        "path" => get(format!("/{}", percent_encode(value, b"/")), &[]),
        "path-segment" => get(format!("/items/{}/edit", percent_encode(value, b"")), &[]),
        "path-last" => get(format!("/items/{}", percent_encode(value, b"")), &[]),
        "body" => post(form, format!("text={}", percent_encode(value, b""))),
        "form-random-name" => post(form, format!("id=7&a8f3c1d290={}&x=", percent_encode(value, b""))),
        "json" => json("application/json", serde_json::json!({ "text": value })),
        "json-deep" => json(
            "application/json; charset=utf-8",
            serde_json::json!({ "id": 7, "items": [{ "a8f3c1d290": [value, true] }] }),
        ),
        "json-string" => json("application/json", serde_json::json!(value)),
        "json-undeclared" => json("", serde_json::json!({ "a8f3c1d290": value })),
        "multipart" => part("name=\"a8f3c1d290\""),
        "file" => part("name=\"f\"; filename=\"f.txt\""),
        "raw" => post("text/plain", value.to_owned()),
        "raw-undeclared" => post("", value.to_owned()),
        "raw-as-json" => post("application/json", value.to_owned()),
        "raw-as-form" => post(form, value.to_owned()),
        "header" => get("/".to_owned(), &[("X-Custom", value)]),
        "user-agent" => get("/".to_owned(), &[("User-Agent", value)]),
        "referer" => get("/".to_owned(), &[("Referer", value)]),
        "referer-query" => {
            let url = format!("https://www.example.org/?q={}", percent_encode(value, b""));
            get("/".to_owned(), &[("Referer", &url)])
        }
        "cookie" => get(
            "/".to_owned(),
            &[("Cookie", &format!("c={}", percent_encode(value, b"")))],
        ),
        "token" => {
            let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
            let payload = BASE64_URL_SAFE_NO_PAD.encode(serde_json::json!({ "sub": value }).to_string());
            get(format!("/?token={header}.{payload}."), &[])
        }
        "graphql" => post("application/graphql", graphql(value)),
        "graphql-in-json" => json("application/json", serde_json::json!({ "query": graphql(value) })),
        "grpc" => {
            let message = [&[0x08, 0x07][..], &delimited(2, value.as_bytes())].concat();
            let length = u32::try_from(message.len())?.to_be_bytes();
            binary("application/grpc", [&[0][..], &length, &message].concat())
        }
        "protobuf" => {
            let inner = [delimited(1, b"x"), delimited(2, value.as_bytes())].concat();
            binary("application/x-protobuf", delimited(3, &inner))
        }
        "view-state" => {
            // A pair of a string and the value (tokens 15 and 5 of the format).
            let string = |text: &[u8]| [&[5][..], &varint(text.len()), text].concat();
            let state = [&[0xff, 0x01, 15][..], &string(b"7"), &string(value.as_bytes())].concat();
            let state = percent_encode(&BASE64_STANDARD.encode(state), b"");
            post(form, format!("__VIEWSTATE={state}"))
        }
        other => bail!("unknown place {other:?}, allowed are {}", PLACES.join(", ")),
    })
}

/// A document with a value as an argument. Strings are escaped as in JSON.
fn graphql(value: &str) -> String {
    format!(
        "query Q {{ item(id: 7, text: {}) {{ name }} }}",
        serde_json::json!(value)
    )
}

/// A field of a protocol-buffers message.
fn delimited(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(content.len()), content].concat()
}

/// A number in groups of seven bits.
fn varint(mut number: usize) -> Vec<u8> {
    let mut groups = Vec::new();
    while number >= 0x80 {
        groups.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    groups.push(number as u8);
    groups
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    headers.iter().map(owned).collect()
}

/// Encodes everything but unreserved characters (RFC 3986, section 2.3) and those to keep.
pub fn percent_encode(value: &str, keep: &[u8]) -> String {
    value
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => (b as char).to_string(),
            b if keep.contains(&b) => (b as char).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_a_request() {
        for case in load().unwrap() {
            case.request().unwrap();
        }
    }

    #[test]
    fn places_encode_what_they_must() {
        let check = |at: &str, expected: &str| {
            let request = place("a/'<é", at).unwrap();
            assert!(format!("{request:?}").contains(expected), "{request:?}");
        };
        check("query", "/search?q=a%2F%27%3C%C3%A9");
        check("path", "/a/%27%3C%C3%A9");
        check("header", "a/'<é");
        let other = place("a", "trailer").unwrap_err().to_string();
        assert!(
            other.starts_with("unknown place \"trailer\", allowed are query,"),
            "{other}"
        );
        assert!(
            PLACES
                .iter()
                .chain(STRUCTURED_PLACES)
                .all(|known| place("a", known).is_ok())
        );
    }
}
