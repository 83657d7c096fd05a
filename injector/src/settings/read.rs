//! From text to settings, with all mistakes at once.

use std::collections::BTreeMap;

use serde_norway::Value;
use serde_path_to_error::{Path, Segment};

use super::{Nginx, Paths, Settings};

/// Most mistakes that one error names.
const MAX_MISTAKES: usize = 32;

/// Settings that cannot be used, with everything that is wrong with them.
#[derive(Debug, thiserror::Error)]
#[error("settings, {}", self
    .mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("; "))]
pub struct InvalidSettings {
    /// At least one, at most 32.
    pub mistakes: Vec<Mistake>,
}

/// One key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {key}: {reason}")]
pub struct Mistake {
    /// Path of the key, `.` for the document itself.
    pub key: String,
    /// What is wrong with its value, and what is allowed.
    pub reason: String,
}

impl Settings {
    /// Reads settings. An empty document means all defaults.
    ///
    /// Errors: text that is no YAML, unknown keys, values that are not allowed; all of them at once.
    pub fn from_yaml(yaml: &str) -> Result<Settings, InvalidSettings> {
        let mut mistakes = Vec::new();
        let settings = read(yaml, &mut mistakes);
        if let Some(settings) = &settings {
            settings.check(&mut mistakes);
        }
        mistakes.truncate(MAX_MISTAKES);
        match settings {
            Some(settings) if mistakes.is_empty() => Ok(settings),
            _ => Err(InvalidSettings { mistakes }),
        }
    }

    /// Rules that span keys or that types do not express.
    fn check(&self, mistakes: &mut Vec<Mistake>) {
        let mut invalid = |key: &str, reason: String| {
            let key = key.to_owned();
            mistakes.push(Mistake { key, reason });
        };
        let Nginx {
            listen_port,
            status_port,
            wallarm_metrics_port,
            ref status_path,
            ref health_path,
            ref wallarm_metrics_path,
            ..
        } = self.nginx;
        if status_port == listen_port {
            invalid("nginx.statusPort", format!("{status_port} is nginx.listenPort too"));
        }
        if wallarm_metrics_port == listen_port || wallarm_metrics_port == status_port {
            invalid(
                "nginx.wallarmMetricsPort",
                format!("{wallarm_metrics_port} is nginx.listenPort or nginx.statusPort too"),
            );
        }
        for (key, path) in [
            ("nginx.statusPath", status_path),
            ("nginx.healthPath", health_path),
            ("nginx.wallarmMetricsPath", wallarm_metrics_path),
        ] {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
            if !path.starts_with('/') || !path.bytes().all(is_plain) {
                let reason = format!("{path:?} is not a path of letters, digits and /-._~ that begins with /");
                invalid(key, reason);
            }
        }
        if self.annotation_prefix.is_empty() || self.annotation_prefix.contains('/') {
            invalid(
                "annotationPrefix",
                format!(
                    "{:?} is not a domain name such as sidecar.wallarm.io",
                    self.annotation_prefix
                ),
            );
        }
        let host = &self.postanalytics.host;
        let host_characters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
        if host.is_empty() || !host.chars().all(host_characters) {
            invalid("postanalytics.host", format!("{host:?} is not a host name or address"));
        }
        let Paths {
            envoy,
            config_dir,
            run_dir,
            module,
        } = &self.sidecar.paths;
        for (key, path) in [
            ("sidecar.paths.envoy", envoy),
            ("sidecar.paths.configDir", config_dir),
            ("sidecar.paths.runDir", run_dir),
            ("sidecar.paths.module", module),
        ] {
            if !path.starts_with('/') || path.ends_with('/') {
                invalid(
                    key,
                    format!("{path:?} is not an absolute path without a slash at its end"),
                );
            }
        }
    }
}

/// Settings without the keys that cannot be read, which become mistakes. None: nothing can be read.
///
/// The reader stops at the first wrong key. So that one is taken out and the rest is read again.
fn read(yaml: &str, mistakes: &mut Vec<Mistake>) -> Option<Settings> {
    let mut document = match serde_norway::from_str(yaml) {
        Ok(Value::Null) => return Some(Settings::default()),
        Ok(document) => document,
        Err(error) => {
            let (key, reason) = (".".to_owned(), error.to_string());
            mistakes.push(Mistake { key, reason });
            return None;
        }
    };
    // By list, the original indices of the items that were taken out, ascending.
    let mut gaps = BTreeMap::new();
    loop {
        let error = match serde_path_to_error::deserialize(document.clone()) {
            Ok(settings) => return Some(settings),
            Err(error) => error,
        };
        let reason = error.inner().to_string();
        let taken_out = take_out(&mut document, error.path(), &mut gaps);
        let is_taken_out = taken_out.is_some();
        let key = taken_out.unwrap_or_else(|| error.path().to_string());
        // A required key that was taken out is named already.
        let is_named = |mistake: &Mistake| {
            let name = mistake.key.strip_prefix(&key).and_then(|rest| rest.strip_prefix('.'));
            name.is_some_and(|name| reason.starts_with(&format!("missing field `{name}`")))
        };
        if !mistakes.iter().any(is_named) {
            mistakes.push(Mistake { key, reason });
        }
        // With nothing taken out the same error would come again.
        if mistakes.len() == MAX_MISTAKES || !is_taken_out {
            return None;
        }
    }
}

/// Removes what `path` leads to; tells its name in the document as it was written. None: the path leads nowhere.
fn take_out(document: &mut Value, path: &Path, gaps: &mut BTreeMap<String, Vec<usize>>) -> Option<String> {
    let mut name = String::new();
    let mut parent = document;
    let mut segments = path.iter().peekable();
    loop {
        let (segment, is_last) = (segments.next()?, segments.peek().is_none());
        match (segment, parent) {
            (Segment::Map { key }, Value::Mapping(members)) => {
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(key);
                if is_last {
                    return members.remove(key.as_str()).map(|_| name);
                }
                parent = members.get_mut(key.as_str())?;
            }
            (Segment::Seq { index }, Value::Sequence(items)) => {
                let taken = gaps.entry(name.clone()).or_default();
                let mut written = *index;
                for gap in &*taken {
                    written += usize::from(*gap <= written);
                }
                name.push_str(&format!("[{written}]"));
                if is_last {
                    let place = taken.partition_point(|gap| *gap < written);
                    taken.insert(place, written);
                    return (*index < items.len()).then(|| {
                        items.remove(*index);
                        name
                    });
                }
                parent = items.get_mut(*index)?;
            }
            _ => return None,
        }
    }
}
