//! Pods that are created one after another, while something happens to the webhook.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use anyhow::ensure;
use e2e::poll;
use tokio::task::JoinSet;

use super::installation::Installation;

/// Creators that run side by side.
const N_CREATORS: usize = 2;

/// Running creators. They end at the first failure.
pub(super) struct Load {
    n_admissions: Arc<AtomicUsize>,
    is_ended: Arc<AtomicBool>,
    failures: Arc<std::sync::Mutex<Vec<String>>>,
    creators: JoinSet<()>,
}

impl Load {
    pub(super) fn start(installation: &Installation) -> Load {
        let mut load = Load {
            n_admissions: Arc::default(),
            is_ended: Arc::default(),
            failures: Arc::default(),
            creators: JoinSet::new(),
        };
        for _ in 0..N_CREATORS {
            let (client, namespace) = (installation.client(), installation.application_namespace().to_owned());
            let (n_admissions, is_ended) = (load.n_admissions.clone(), load.is_ended.clone());
            let failures = load.failures.clone();
            load.creators.spawn(async move {
                while !is_ended.load(Ordering::Relaxed) {
                    match Installation::admit(client.clone(), &namespace).await {
                        Ok(()) => {
                            n_admissions.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            if let Ok(mut failures) = failures.lock() {
                                failures.push(format!("{error:#}"));
                            }
                            return;
                        }
                    }
                }
            });
        }
        load
    }

    /// How it goes.
    pub(super) fn report(&self) -> String {
        let n_admissions = self.n_admissions.load(Ordering::Relaxed);
        let failures = self.failures.lock().map(|failures| failures.join("\n"));
        format!("{n_admissions} admissions, failures: {}", failures.unwrap_or_default())
    }

    /// Waits for so many more admissions.
    pub(super) async fn wait_for_more(&self, more: usize) -> anyhow::Result<()> {
        let enough = self.n_admissions.load(Ordering::Relaxed) + more;
        poll::until("more admissions", async || {
            ensure!(
                self.failures.lock().is_ok_and(|failures| failures.is_empty()),
                self.report()
            );
            Ok((self.n_admissions.load(Ordering::Relaxed) >= enough).then_some(()))
        })
        .await
    }

    /// Ends the creators. Returns the number of admissions, none of which failed.
    pub(super) async fn end(self) -> anyhow::Result<usize> {
        self.is_ended.store(true, Ordering::Relaxed);
        let report = self.failures.clone();
        self.creators.join_all().await;
        let failures = report.lock().map(|failures| failures.join("\n")).unwrap_or_default();
        ensure!(failures.is_empty(), failures);
        Ok(self.n_admissions.load(Ordering::Relaxed))
    }
}
