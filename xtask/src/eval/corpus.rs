//! Labelled requests: one JSON object a line, read whole and turned into bytes.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest line of a data file, in bytes.
const MAX_LINE_BYTES: usize = 64 << 20;

/// Characters of a request that are shown with a miss.
const SUMMARY_CHARS: usize = 300;

/// What a person said about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Label {
    Attack,
    Benign,
}

/// One labelled request. Strings are wire bytes read as Latin-1: one character is one byte.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) category: String,
    pub(super) label: Label,
    pub(super) method: String,
    path: String,
    headers: Vec<(String, String)>,
    /// Absent, null and empty all mean no body.
    #[serde(default)]
    body_b64: Option<String>,
}

// === impl Record ===

impl Record {
    /// The request as it goes over the wire, with the one header that is added: `Content-Length`.
    pub(super) fn wire(&self) -> Result<Vec<u8>> {
        let body = self.body()?;
        let mut wire = Vec::with_capacity(self.path.len() + body.len() + 512);
        push_latin1(&mut wire, &self.method)?;
        wire.push(b' ');
        push_latin1(&mut wire, &self.path)?;
        wire.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in &self.headers {
            push_latin1(&mut wire, name)?;
            wire.extend_from_slice(b": ");
            push_latin1(&mut wire, value)?;
            wire.extend_from_slice(b"\r\n");
        }
        if !body.is_empty() || matches!(&*self.method, "POST" | "PUT" | "PATCH") {
            wire.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&body);
        Ok(wire)
    }

    fn body(&self) -> Result<Vec<u8>> {
        STANDARD
            .decode(self.body_b64.as_deref().unwrap_or_default())
            .with_context(|| format!("request {}: body_b64", self.id))
    }

    /// The start of the request for a person to read, on one line.
    pub(super) fn summary(&self) -> String {
        let mut summary = format!("{} {}", self.method, self.path);
        let body = self.body().unwrap_or_default();
        if !body.is_empty() {
            summary.push_str(" | ");
            summary.extend(body.iter().take(SUMMARY_CHARS).map(|byte| char::from(*byte)));
        }
        for (name, value) in &self.headers {
            if !matches!(
                &*name.to_ascii_lowercase(),
                "host" | "accept" | "accept-language" | "accept-encoding"
            ) {
                // Writing to a string does not fail.
                let _ = write!(summary, " | {name}: {value}");
            }
        }
        summary.chars().take(SUMMARY_CHARS).collect()
    }

    /// Orders requests so that every source is spread over the run, the same in every run.
    fn order(&self) -> [u8; 32] {
        Sha256::digest(self.id.as_bytes()).into()
    }
}

fn push_latin1(wire: &mut Vec<u8>, text: &str) -> Result<()> {
    for char in text.chars() {
        match u8::try_from(char) {
            Ok(byte) => wire.push(byte),
            Err(_) => bail!("{char:?} in a request is no byte: strings are Latin-1"),
        }
    }
    Ok(())
}

/// Reads every data file of a folder. `sources` empty means all; `limit` is per source.
pub(super) fn load(folder: &Path, sources: &[String], limit: Option<usize>) -> Result<Vec<Record>> {
    let mut files = fs::read_dir(folder)
        .with_context(|| format!("--data {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>>>()?;
    files.retain(|path| stem(path).is_some_and(|stem| sources.is_empty() || sources.iter().any(|s| s == stem)));
    files.sort();
    let mut records = Vec::new();
    for file in &files {
        read_file(file, &mut records).with_context(|| format!("reading {}", file.display()))?;
    }
    ensure!(
        !records.is_empty(),
        "no labelled requests in {} (files named *.jsonl.gz or *.jsonl)",
        folder.display()
    );
    records.sort_by_cached_key(Record::order);
    if let Some(limit) = limit {
        let mut taken = HashMap::<String, usize>::new();
        records.retain(|record| {
            let n = taken.entry(record.source.clone()).or_default();
            *n += 1;
            *n <= limit
        });
    }
    Ok(records)
}

fn stem(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".jsonl.gz").or_else(|| name.strip_suffix(".jsonl"))
}

fn read_file(path: &Path, records: &mut Vec<Record>) -> Result<()> {
    let file = File::open(path)?;
    let plain: Box<dyn Read> = if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut reader = BufReader::new(plain);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let n = (&mut reader)
            .take(MAX_LINE_BYTES as u64 + 1)
            .read_until(b'\n', &mut line)?;
        if n == 0 {
            break;
        }
        ensure!(
            n <= MAX_LINE_BYTES,
            "line {number} is longer than {MAX_LINE_BYTES} bytes"
        );
        if line.trim_ascii().is_empty() {
            continue;
        }
        records.push(serde_json::from_slice(&line).with_context(|| format!("line {number}"))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn record(json: &str) -> Record {
        serde_json::from_str(json).unwrap()
    }

    fn check_wire(json: &str, expected: &[u8]) {
        let wire = record(json).wire().unwrap();
        assert_eq!(
            wire,
            expected,
            "{:?} against {:?}",
            wire.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }

    #[test]
    fn wire_is_byte_exact() {
        check_wire(
            r#"{"id":"a:1","source":"a","category":"c","label":"attack","method":"GET","path":"/x?q=\u00ff%27 or","headers":[["Host","h"],["X-A"," \u0080 "]],"body_b64":"","meta":{}}"#,
            b"GET /x?q=\xff%27 or HTTP/1.1\r\nHost: h\r\nX-A:  \x80 \r\n\r\n",
        );
    }

    #[test]
    fn content_length_is_added_where_a_body_may_be() {
        check_wire(
            r#"{"id":"a:1","source":"a","category":"c","label":"benign","method":"POST","path":"/","headers":[],"body_b64":"AAH/"}"#,
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n\x00\x01\xff",
        );
        check_wire(
            r#"{"id":"a:1","source":"a","category":"c","label":"benign","method":"PUT","path":"/","headers":[],"body_b64":null}"#,
            b"PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        );
        check_wire(
            r#"{"id":"a:1","source":"a","category":"c","label":"benign","method":"DELETE","path":"/","headers":[]}"#,
            b"DELETE / HTTP/1.1\r\n\r\n",
        );
        check_wire(
            r#"{"id":"a:1","source":"a","category":"c","label":"benign","method":"DELETE","path":"/","headers":[],"body_b64":"eA=="}"#,
            b"DELETE / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
        );
    }

    #[test]
    fn characters_that_are_no_bytes_are_refused() {
        let record = record(
            r#"{"id":"a:1","source":"a","category":"c","label":"benign","method":"GET","path":"/\u0100","headers":[]}"#,
        );
        assert!(record.wire().is_err());
    }

    #[test]
    fn folder_is_read_in_a_stable_order_and_limited_by_source() {
        let folder = tempfile::tempdir().unwrap();
        let line = |id: &str, source: &str| {
            format!(
                r#"{{"id":"{id}","source":"{source}","category":"c","label":"benign","method":"GET","path":"/","headers":[]}}"#
            )
        };
        let mut gz = flate2::write::GzEncoder::new(
            File::create(folder.path().join("a.jsonl.gz")).unwrap(),
            flate2::Compression::fast(),
        );
        writeln!(gz, "{}\n\n{}\n{}", line("a:1", "a"), line("a:2", "a"), line("a:3", "a")).unwrap();
        gz.finish().unwrap();
        fs::write(folder.path().join("b.jsonl"), line("b:1", "b")).unwrap();
        fs::write(folder.path().join("README.md"), "no data").unwrap();

        let ids = |sources: &[String], limit| {
            load(folder.path(), sources, limit)
                .unwrap()
                .iter()
                .map(|record| record.id.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&[], None).len(), 4);
        assert_eq!(ids(&[], None), ids(&[], None));
        assert_eq!(ids(&["b".to_owned()], None), ["b:1"]);
        assert_eq!(ids(&[], Some(2)).len(), 3);
        assert!(load(folder.path(), &["c".to_owned()], None).is_err());
    }
}
