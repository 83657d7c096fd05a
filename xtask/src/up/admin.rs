//! Envoy's admin interface, over the socket that only the sidecar's user may open.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::http;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How often Envoy took or refused a filter configuration from the file that it watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FilterUpdates {
    pub(super) taken: u64,
    pub(super) refused: u64,
}

/// A running Envoy.
#[derive(Clone, Debug)]
pub(super) struct Admin {
    socket: PathBuf,
}

// === impl Admin ===

impl Admin {
    pub(super) fn new(socket: &Path) -> Admin {
        Admin {
            socket: socket.to_owned(),
        }
    }

    pub(super) fn filter_updates(&self) -> Result<FilterUpdates> {
        let stats = self.get("/stats?filter=extension_config_discovery")?;
        Ok(parse_updates(&stats))
    }

    fn get(&self, path: &str) -> Result<String> {
        let mut stream =
            UnixStream::connect(&self.socket).with_context(|| format!("connecting to {}", self.socket.display()))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let response = http::exchange(&mut stream, &http::get_request(path, "admin"), false)
            .with_context(|| format!("asking Envoy for {path}"))?;
        ensure!(response.status == 200, "Envoy answers {} for {path}", response.status);
        Ok(String::from_utf8_lossy(&response.body).into_owned())
    }
}

fn parse_updates(stats: &str) -> FilterUpdates {
    let mut updates = FilterUpdates::default();
    for line in stats.lines() {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        let value = value.trim().parse().unwrap_or(0);
        match name.rsplit('.').next() {
            Some("config_reload") => updates.taken += value,
            Some("config_fail" | "config_conflict" | "update_rejected") => updates.refused += value,
            _ => {}
        }
    }
    updates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_counted_over_all_listeners() {
        let stats = "\
extension_config_discovery.http_filter.wallarm.config_reload: 3
extension_config_discovery.http_filter.wallarm.update_rejected: 1
extension_config_discovery.http_filter.wallarm.update_success: 9
extension_config_discovery.http_filter.other.config_reload: 2
extension_config_discovery.http_filter.wallarm.update_time: 1700000000000
extension_config_discovery.http_filter.wallarm.update_duration: P0(nan,1)
";
        assert_eq!(parse_updates(stats), FilterUpdates { taken: 5, refused: 1 });
    }
}
