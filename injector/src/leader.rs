//! Which replica writes: the one that holds the Lease.

use std::{sync::Arc, time::Duration};

use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::metrics::Metrics;

/// How long a leader that died without a word keeps the Lease, in seconds.
const LEASE_DURATION_S: u64 = 15;

/// How long before its end the leader renews the Lease, in seconds. Also how much the clocks of nodes may differ.
const LEASE_GRACE_S: u64 = 5;

/// Pause after the API server refused the Lease.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Longest that giving the Lease back may take.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

/// A running candidate.
#[derive(Debug)]
pub struct Candidate {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What is stood for.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Name of this replica, another one than that of any other.
    pub identity: String,
}

/// Stands for leader until [`Candidate::resign`]. The channel tells whether this replica leads.
pub fn stand(client: Client, seat: Seat, metrics: Arc<Metrics>) -> (Candidate, watch::Receiver<bool>) {
    let (leads, observed) = watch::channel(false);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(run(client, seat, leads, stopped, metrics));
    (Candidate { stop, task }, observed)
}

// === impl Candidate ===

impl Candidate {
    /// Gives the Lease back, so that another replica need not wait for its end.
    pub async fn resign(self) {
        // A task that has ended needs no signal.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn run(
    client: Client,
    seat: Seat,
    leads: watch::Sender<bool>,
    mut stopped: oneshot::Receiver<()>,
    metrics: Arc<Metrics>,
) {
    loop {
        let manager = tokio::select! {
            _ = &mut stopped => return,
            manager = manager(client.clone(), &seat) => manager,
        };
        match manager {
            Ok(manager) => {
                let (mut lease, task) = manager.watch().await;
                loop {
                    let changed = tokio::select! {
                        _ = &mut stopped => {
                            // Without a receiver the manager gives the Lease back and ends.
                            drop(lease);
                            if timeout(RELEASE_TIMEOUT, task).await.is_err() {
                                warn!("Cannot give the Lease back in time.");
                            }
                            return;
                        }
                        changed = lease.changed() => changed,
                    };
                    let is_leader = changed.is_ok() && *lease.borrow_and_update();
                    if leads.send_replace(is_leader) != is_leader {
                        info!(is_leader, identity = seat.identity, "Leadership changed.");
                    }
                    metrics.leader(is_leader);
                    if changed.is_err() {
                        break;
                    }
                }
            }
            Err(error) => warn!(%error, lease = seat.lease, "Cannot stand for leader."),
        }
        tokio::select! {
            _ = &mut stopped => return,
            () = sleep(RETRY_PAUSE) => {}
        }
    }
}

async fn manager(client: Client, seat: &Seat) -> kube_lease_manager::Result<LeaseManager> {
    LeaseManagerBuilder::new(client, &seat.lease)
        .with_namespace(&seat.namespace)
        .with_identity(&seat.identity)
        .with_duration(LEASE_DURATION_S)
        .with_grace(LEASE_GRACE_S)
        .build()
        .await
}
