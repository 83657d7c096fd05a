//! Files that somebody else replaces while the program runs.
//!
//! Kubernetes swaps mounted Secrets and ConfigMaps through a symbolic link, which watches of the file itself miss. So
//! contents are read and compared, every few seconds.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{sync::watch, time::sleep};
use tracing::{error, info, warn};

use crate::{certs::expiry, metrics::Metrics, server::ServingKey, settings::Settings};

/// Files that belong together, and their contents when they were last read.
#[derive(Debug)]
pub struct Watched {
    paths: Vec<PathBuf>,
    seen: Option<Vec<Vec<u8>>>,
}

/// How reading a changed file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The new contents are in force.
    Accepted,
    /// The new contents cannot be used; the old ones stay in force.
    Rejected,
}

// === impl Reload ===

impl Reload {
    /// The name used in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Reload::Accepted => "accepted",
            Reload::Rejected => "rejected",
        }
    }
}

// === impl Watched ===

impl Watched {
    /// Files that nobody has read yet.
    pub fn new(paths: impl Into<Vec<PathBuf>>) -> Self {
        Watched {
            paths: paths.into(),
            seen: None,
        }
    }

    /// The contents, in the order of the paths, when they are others than last time.
    ///
    /// Errors: a file cannot be read; the message names it.
    pub fn changed(&mut self) -> anyhow::Result<Option<&[Vec<u8>]>> {
        let read = |path: &PathBuf| fs::read(path).with_context(|| format!("reading {}", path.display()));
        let contents = self.paths.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if self.seen.as_ref() == Some(&contents) {
            return Ok(None);
        }
        Ok(Some(self.seen.insert(contents)))
    }

    /// Calls `take` with new contents for ever. Files that cannot be read for now change nothing.
    async fn follow(mut self, interval: Duration, mut take: impl FnMut(&[Vec<u8>])) {
        loop {
            sleep(interval).await;
            match self.changed() {
                Ok(Some(contents)) => take(contents),
                Ok(None) => {}
                Err(error) => warn!(error = format!("{error:#}"), "Cannot look for a change."),
            }
        }
    }
}

/// Replaces the settings in force whenever the file holds others that can be used.
pub async fn follow_settings(
    file: Watched,
    interval: Duration,
    settings: watch::Sender<Arc<Settings>>,
    metrics: Arc<Metrics>,
) {
    let take = |contents: &[Vec<u8>]| match parse_settings(contents) {
        Ok(new) => {
            info!("Settings reloaded.");
            settings.send_replace(Arc::new(new));
            metrics.settings_reload(Reload::Accepted);
        }
        Err(error) => {
            error!(
                error = format!("{error:#}"),
                "New settings cannot be used, the old ones stay in force."
            );
            metrics.settings_reload(Reload::Rejected);
        }
    };
    file.follow(interval, take).await;
}

/// Settings from the contents of their file.
///
/// Errors: no UTF-8, or [`crate::settings::InvalidSettings`].
pub fn parse_settings(contents: &[Vec<u8>]) -> anyhow::Result<Settings> {
    let yaml = contents.first().map(Vec::as_slice).unwrap_or_default();
    let yaml = std::str::from_utf8(yaml).context("settings are no UTF-8")?;
    Ok(Settings::from_yaml(yaml)?)
}

/// Serves the certificate in the files, chain and key, whenever they hold another one that can be used.
pub async fn follow_certificate(files: Watched, interval: Duration, serving: ServingKey, metrics: Arc<Metrics>) {
    let take = |contents: &[Vec<u8>]| match serve_certificate(contents, &serving, &metrics) {
        Ok(()) => {
            info!("Certificate reloaded.");
            metrics.certificate_reload(Reload::Accepted);
        }
        // Chain and key may be replaced one after the other; the next look sees both.
        Err(error) => {
            error!(
                error = format!("{error:#}"),
                "New certificate cannot be used, the old one is served on."
            );
            metrics.certificate_reload(Reload::Rejected);
        }
    };
    files.follow(interval, take).await;
}

/// Serves chain and key from the contents of their files.
pub fn serve_certificate(contents: &[Vec<u8>], serving: &ServingKey, metrics: &Metrics) -> anyhow::Result<()> {
    let [chain, key] = contents else {
        anyhow::bail!("chain and key are two files");
    };
    serving.replace_pem(chain, key)?;
    metrics.certificate_expiry("serving", expiry(chain));
    Ok(())
}
