//! Keeps Secret, served certificate and `caBundle` as the plan wants them.
//!
//! Every replica serves what is in the Secret. Only the leader writes, and each write of the Secret names the version
//! that it was derived from, so that a leader that does not know yet that it is none any more cannot undo anything.

use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use futures_util::{Stream, StreamExt};
use k8s_openapi::api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, watch_object},
    },
};
use serde_json::json;
use tokio::{sync::watch, time::sleep};
use tracing::{error, info, warn};

use super::{
    expiry,
    material::{Material, bundle_ids},
    plan::{self, Id, Lifetimes, Step},
};
use crate::{metrics::Metrics, server::ServingKey};

/// Longest sleep: clocks are set, and what was planned by the old time is planned again.
const MAX_SLEEP: Duration = Duration::from_secs(60 * 60);

/// Pause after the API server refused something.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Name of this program where the API server keeps who changed what.
const FIELD_MANAGER: &str = "wallarm-sidecar-injector";

/// What is kept, and where.
#[derive(Clone, Debug)]
pub struct Place {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the `MutatingWebhookConfiguration`.
    pub webhook: String,
    /// Host names and addresses that API servers call the webhook by.
    pub names: BTreeSet<String>,
    /// How long certificates last.
    pub lifetimes: Lifetimes,
}

/// The objects as they were seen last. The outer `None`: not seen yet; the inner one: there is none.
#[derive(Debug, Default)]
struct Seen {
    secret: Option<Option<Secret>>,
    webhook: Option<Option<MutatingWebhookConfiguration>>,
}

struct Keeper {
    place: Place,
    secrets: Api<Secret>,
    webhooks: Api<MutatingWebhookConfiguration>,
    serving: ServingKey,
    metrics: Arc<Metrics>,
    seen: Seen,
    /// The last usable content of the Secret, for when somebody deletes it.
    held: Option<Material>,
    /// Since when the newest authority is in the `caBundle`.
    announced: Option<(Id, SystemTime)>,
}

/// An object that is watched: every change, none when there is no such object.
type Changes<K> = Pin<Box<dyn Stream<Item = watcher::Result<Option<K>>> + Send>>;

/// Serves what the Secret holds and, while `leader` says so, keeps it fresh. Never ends.
pub async fn keep(
    client: Client,
    place: Place,
    mut leader: watch::Receiver<bool>,
    serving: ServingKey,
    metrics: Arc<Metrics>,
) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &place.namespace);
    let webhooks: Api<MutatingWebhookConfiguration> = Api::all(client);
    let mut secret_changes: Changes<_> = Box::pin(watch_object(secrets.clone(), &place.secret).default_backoff());
    let mut webhook_changes: Changes<_> = Box::pin(watch_object(webhooks.clone(), &place.webhook).default_backoff());
    let mut keeper = Keeper {
        place,
        secrets,
        webhooks,
        serving,
        metrics,
        seen: Seen::default(),
        held: None,
        announced: None,
    };
    let mut pause = MAX_SLEEP;
    loop {
        tokio::select! {
            Some(change) = secret_changes.next() => match change {
                Ok(secret) => keeper.see_secret(secret),
                Err(error) => warn!(%error, "Cannot watch the Secret of the webhook's certificate."),
            },
            Some(change) = webhook_changes.next() => match change {
                Ok(webhook) => keeper.seen.webhook = Some(webhook),
                Err(error) => warn!(%error, "Cannot watch the webhook configuration."),
            },
            // A closed channel means that the program ends.
            Ok(()) = leader.changed() => {}
            () = sleep(pause) => {}
        }
        pause = MAX_SLEEP;
        if *leader.borrow_and_update() {
            pause = match keeper.act().await {
                Ok(pause) => pause.min(MAX_SLEEP),
                // Somebody else wrote in between; the watch tells what.
                Err(error) if is_conflict(&error) => RETRY_PAUSE,
                Err(error) => {
                    error!(error = format!("{error:#}"), "Cannot keep the webhook's certificate.");
                    keeper.metrics.certificate_step("failed");
                    RETRY_PAUSE
                }
            };
        }
    }
}

// === impl Keeper ===

impl Keeper {
    /// The Secret changed, or a write of ours went through.
    fn see_secret(&mut self, secret: Option<Secret>) {
        if let Some(secret) = &secret {
            let material = material_of(secret);
            self.serve(&material);
            self.held = Some(material);
        }
        self.seen.secret = Some(secret);
    }

    fn serve(&self, material: &Material) {
        let Some((chain, key)) = material.serving() else {
            warn!("The Secret holds no certificate that can be served.");
            return;
        };
        match self.serving.replace_pem(chain.as_bytes(), key.as_bytes()) {
            Ok(()) => {
                let ends = expiry(chain.as_bytes());
                self.metrics.certificate_expiry("serving", ends);
                self.metrics
                    .certificate_expiry("authority", expiry(material.bundle().as_bytes()));
                info!(expiry_unix_s = ends, "Serving the certificate of the Secret.");
            }
            Err(error) => error!(%error, "The certificate of the Secret cannot be served."),
        }
    }

    /// Does what is to be done now; tells how long to wait until the next look.
    async fn act(&mut self) -> anyhow::Result<Duration> {
        loop {
            let (Some(secret), Some(_)) = (&self.seen.secret, &self.seen.webhook) else {
                return Ok(MAX_SLEEP);
            };
            let now = SystemTime::now();
            let (material, step) = match secret {
                Some(secret) => {
                    let material = material_of(secret);
                    let facts = material.facts();
                    let newest = facts.authorities.first().map(|authority| authority.id);
                    let announced_since = self.announced_since(newest, now);
                    let place = &self.place;
                    let step = plan::next(now, &facts, announced_since, &place.names, &place.lifetimes);
                    (material, step)
                }
                // Somebody wants a new authority. What is served keeps working meanwhile.
                None => match self.held.clone().filter(|held| held.serving().is_some()) {
                    Some(held) => (held, Step::AddAuthority),
                    None => (Material::default(), Step::Start),
                },
            };
            if let Step::Wait { until } = step {
                if !self.announce(&material).await? {
                    return Ok(until.duration_since(now).unwrap_or(RETRY_PAUSE));
                }
            } else {
                self.take(step, material, now).await?;
            }
        }
    }

    async fn take(&mut self, step: Step, material: Material, now: SystemTime) -> anyhow::Result<()> {
        let Place { names, lifetimes, .. } = &self.place;
        let (name, material) = match step {
            Step::Start => {
                let material = Material::default()
                    .with_authority(now, lifetimes)?
                    .with_serving(now, names, lifetimes)?;
                // Trusted before it is served, as far as that is possible.
                self.announce(&material).await?;
                ("start", material)
            }
            Step::AddAuthority => ("add_authority", material.with_authority(now, lifetimes)?),
            Step::IssueServing => ("issue_serving", material.with_serving(now, names, lifetimes)?),
            Step::Prune => ("prune", material.pruned(now)),
            Step::Wait { .. } => return Ok(()),
        };
        let secret = self.write(&material).await?;
        info!(step = name, "Wrote the Secret of the webhook's certificate.");
        self.metrics.certificate_step(name);
        self.see_secret(Some(secret));
        Ok(())
    }

    /// Writes the Secret, unless it is another one than we have seen.
    async fn write(&self, material: &Material) -> kube::Result<Secret> {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let name = &self.place.secret;
        match self.seen.secret.iter().flatten().next() {
            Some(seen) => {
                let mut secret = seen.clone();
                secret.data = Some(material.write());
                self.secrets.replace(name, &params, &secret).await
            }
            None => {
                let secret = Secret {
                    metadata: ObjectMeta {
                        name: Some(name.clone()),
                        ..ObjectMeta::default()
                    },
                    data: Some(material.write()),
                    type_: Some("kubernetes.io/tls".to_owned()),
                    ..Secret::default()
                };
                self.secrets.create(&params, &secret).await
            }
        }
    }

    /// Since when the authority is in all bundles of the webhook configuration.
    fn announced_since(&mut self, newest: Option<Id>, now: SystemTime) -> Option<SystemTime> {
        let newest = newest?;
        let bundles = self.bundles();
        if bundles.is_empty() || !bundles.iter().all(|bundle| bundle_ids(bundle).contains(&newest)) {
            self.announced = None;
            return None;
        }
        match self.announced {
            Some((id, since)) if id == newest => Some(since.min(now)),
            _ => {
                self.announced = Some((newest, now));
                Some(now)
            }
        }
    }

    /// The bundle of each webhook; empty where there is none.
    fn bundles(&self) -> Vec<&[u8]> {
        let webhooks = self.seen.webhook.iter().flatten().flat_map(|webhook| &webhook.webhooks);
        webhooks
            .flatten()
            .map(|webhook| {
                webhook
                    .client_config
                    .ca_bundle
                    .as_ref()
                    .map_or(&[][..], |bundle| &bundle.0)
            })
            .collect()
    }

    /// Puts the authorities into the webhook configuration. Tells whether there was anything to do.
    async fn announce(&mut self, material: &Material) -> kube::Result<bool> {
        let bundle = material.bundle();
        if self.bundles().iter().all(|seen| *seen == bundle.as_bytes()) {
            return Ok(false);
        }
        let Some(Some(webhook)) = &self.seen.webhook else {
            return Ok(false);
        };
        let bundle = BASE64_STANDARD.encode(bundle);
        let entries: Vec<_> = webhook
            .webhooks
            .iter()
            .flatten()
            .map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": bundle}}))
            .collect();
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        // A webhook that is gone by now would come back incomplete and be refused, and the next look sees that.
        let patch = Patch::Strategic(json!({"webhooks": entries}));
        let webhook = self.webhooks.patch(&self.place.webhook, &params, &patch).await?;
        info!("Wrote the caBundle of the webhook configuration.");
        self.metrics.ca_bundle_patch();
        self.seen.webhook = Some(Some(webhook));
        Ok(true)
    }
}

fn is_conflict(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(kube::Error::Api(status)) if status.code == 409)
}

fn material_of(secret: &Secret) -> Material {
    secret.data.as_ref().map_or_else(Material::default, Material::read)
}
