//! Kubernetes Events about pods that were denied, or injected with reservations.
//!
//! Only who creates a pod directly reads the answer of the webhook. Most pods are created by a controller, so what we
//! have to say is said in an Event on the pod's owner, where `kubectl describe` and `kubectl get events` show it.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::{sync::mpsc, time::sleep};
use tracing::warn;

use crate::{
    admission::{Notice, Subject},
    metrics::Metrics,
};

/// Most notices that wait to be published. More are dropped and counted: a controller that retries would fill memory.
const MAX_WAITING: usize = 256;

/// Between two Events. The API server limits Events as well.
const PAUSE: Duration = Duration::from_millis(100);

/// Longest text of an Event, in bytes. Source: validation of `note` in events.k8s.io/v1.
const MAX_NOTE_BYTES: usize = 1024;

/// Where notices are handed in. Never waits.
#[derive(Clone, Debug)]
pub struct Notices {
    queue: mpsc::Sender<Notice>,
    metrics: Arc<Metrics>,
}

/// The queue of notices, and the task that publishes them, which ends when the last [`Notices`] is gone.
pub fn publisher(
    client: Client,
    instance: String,
    metrics: Arc<Metrics>,
) -> (Notices, impl Future<Output = ()> + Send) {
    let (queue, waiting) = mpsc::channel(MAX_WAITING);
    let notices = Notices {
        queue,
        metrics: metrics.clone(),
    };
    (notices, publish(client, instance, waiting, metrics))
}

async fn publish(client: Client, instance: String, mut waiting: mpsc::Receiver<Notice>, metrics: Arc<Metrics>) {
    let reporter = Reporter {
        controller: "wallarm-sidecar-injector".to_owned(),
        instance: Some(instance),
    };
    let recorder = Recorder::new(client, reporter);
    while let Some(notice) = waiting.recv().await {
        let event = Event {
            type_: EventType::Warning,
            reason: notice.reason.to_owned(),
            note: Some(cut(notice.text, MAX_NOTE_BYTES)),
            action: "InjectSidecar".to_owned(),
            secondary: None,
        };
        match recorder.publish(&event, &reference(notice.subject)).await {
            Ok(()) => metrics.event("published"),
            Err(error) => {
                warn!(%error, "Cannot publish an Event.");
                metrics.event("failed");
            }
        }
        sleep(PAUSE).await;
    }
}

fn reference(subject: Subject) -> ObjectReference {
    let Subject {
        api_version,
        kind,
        namespace,
        name,
        uid,
    } = subject;
    ObjectReference {
        api_version: Some(api_version),
        kind: Some(kind),
        namespace: Some(namespace),
        name: Some(name),
        uid,
        ..ObjectReference::default()
    }
}

/// At most so many bytes, with an ellipsis where something is missing.
fn cut(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        let room = max_bytes - '…'.len_utf8();
        text.truncate(text.floor_char_boundary(room));
        text.push('…');
    }
    text
}

// === impl Notices ===

impl Notices {
    /// Has the notice published, if there is room.
    pub fn hand_in(&self, notice: Notice) {
        if self.queue.try_send(notice).is_err() {
            self.metrics.event("dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_cut_between_characters() {
        assert_eq!(cut("äöü".to_owned(), 6), "äöü");
        assert_eq!(cut("äöüä".to_owned(), 7), "äö…");
        assert_eq!(cut("äöüä".to_owned(), 6), "ä…");
    }
}
