//! Asks the service and makes the answer readable.

use std::io::{self, Write};

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;
use tonic::{Code, transport::Channel};
use waf_proto::v1::{self, query_service_client::QueryServiceClient};

use super::{List, ListHits, Output, Server, Show, table};
use crate::{escape, wire};

/// Entries asked for at once.
const PAGE: usize = 200;
/// Hits shown with an attack.
const HITS_OF_ATTACK: usize = 10;

/// What goes to standard output, and a remark for standard error.
#[derive(Debug)]
pub(super) struct Answer {
    text: String,
    remark: Option<String>,
}

// === impl Answer ===

impl Answer {
    /// Prints it. A reader that has seen enough is no error.
    pub(super) fn print(self) -> anyhow::Result<()> {
        let Answer { text, remark } = self;
        let written = writeln!(io::stdout().lock(), "{}", text.trim_end());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other.context("writing the answer")?,
        }
        if let Some(remark) = remark {
            // Without a standard error the remark has no reader.
            let _ = writeln!(io::stderr(), "{remark}");
        }
        Ok(())
    }
}

pub(super) async fn attacks(list: List) -> anyhow::Result<Answer> {
    let mut client = Client::connect(&list.server).await?;
    let now = Timestamp::now();
    let filter = filter(&list, now);
    let mut attacks = Vec::new();
    let mut page_token = String::new();
    let more = loop {
        let request = v1::ListAttacksRequest {
            filter: Some(filter.clone()),
            page_size: (list.limit - attacks.len()).clamp(1, PAGE) as u32,
            page_token,
        };
        let response = client.service.list_attacks(request).await;
        let v1::ListAttacksResponse {
            attacks: page,
            next_page_token,
        } = response.map_err(|status| client.explain(&status))?.into_inner();
        attacks.extend(page);
        page_token = next_page_token;
        if page_token.is_empty() || attacks.len() >= list.limit {
            break !page_token.is_empty() || attacks.len() > list.limit;
        }
    };
    attacks.truncate(list.limit);
    let text = match list.server.output {
        Output::Table => table::attacks(&attacks, now),
        Output::Json => json(&attacks.iter().map(Attack::from).collect::<Vec<_>>())?,
    };
    Ok(Answer {
        text,
        remark: remark(more, "attacks"),
    })
}

pub(super) async fn hits(list: ListHits) -> anyhow::Result<Answer> {
    let ListHits { list, attack } = list;
    let mut client = Client::connect(&list.server).await?;
    let now = Timestamp::now();
    let filter = filter(&list, now);
    let attack = attack.unwrap_or_default();
    let (hits, more) = client.hits(&filter, &attack, list.limit).await?;
    let text = match list.server.output {
        Output::Table => table::hits(&hits, now),
        Output::Json => json(&hits.iter().map(Hit::from).collect::<Vec<_>>())?,
    };
    Ok(Answer {
        text,
        remark: remark(more, "hits"),
    })
}

pub(super) async fn attack(show: Show) -> anyhow::Result<Answer> {
    let Show { server, id } = show;
    let mut client = Client::connect(&server).await?;
    let request = v1::GetAttackRequest { id: id.clone() };
    let response = client.service.get_attack(request).await;
    let response = response.map_err(|status| client.explain(&status))?.into_inner();
    let attack = response.attack.context("the service answered without an attack")?;
    let (hits, _) = client.hits(&v1::Filter::default(), &id, HITS_OF_ATTACK).await?;
    let text = match server.output {
        Output::Table => table::attack(&attack, &hits, Timestamp::now()),
        Output::Json => {
            #[derive(Serialize)]
            struct WithHits {
                attack: Attack,
                latest_hits: Vec<Hit>,
            }
            json(&WithHits {
                attack: (&attack).into(),
                latest_hits: hits.iter().map(Hit::from).collect(),
            })?
        }
    };
    Ok(Answer { text, remark: None })
}

/// A connection to the service.
pub(super) struct Client {
    service: QueryServiceClient<Channel>,
    server: String,
}

// === impl Client ===

impl Client {
    pub(super) async fn connect(server: &Server) -> anyhow::Result<Client> {
        let address = &server.server;
        let endpoint = Channel::from_shared(address.clone())
            .ok()
            .filter(|endpoint| endpoint.uri().scheme_str() == Some("http") && endpoint.uri().authority().is_some())
            .with_context(|| format!("--server {address:?} is not an address such as http://127.0.0.1:3313"))?;
        let endpoint = endpoint
            .connect_timeout(std::time::Duration::from_secs(5))
            .timeout(std::time::Duration::from_secs(20));
        let channel = endpoint.connect().await.with_context(|| {
            format!("cannot reach postanalytics at {address}: start it, or give its address with --server")
        })?;
        Ok(Client {
            service: QueryServiceClient::new(channel),
            server: address.clone(),
        })
    }

    pub(super) async fn hits(
        &mut self,
        filter: &v1::Filter,
        attack_id: &str,
        limit: usize,
    ) -> anyhow::Result<(Vec<v1::StoredHit>, bool)> {
        let mut hits = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListHitsRequest {
                filter: Some(filter.clone()),
                attack_id: attack_id.to_owned(),
                page_size: (limit - hits.len()).clamp(1, PAGE) as u32,
                page_token,
            };
            let response = self.service.list_hits(request).await;
            let v1::ListHitsResponse {
                hits: page,
                next_page_token,
            } = response.map_err(|status| self.explain(&status))?.into_inner();
            hits.extend(page);
            page_token = next_page_token;
            if page_token.is_empty() || hits.len() >= limit {
                let more = !page_token.is_empty() || hits.len() > limit;
                hits.truncate(limit);
                return Ok((hits, more));
            }
        }
    }

    /// What a failed call means to people.
    fn explain(&self, status: &tonic::Status) -> anyhow::Error {
        let message = escape::message(status.message(), 500);
        match status.code() {
            Code::InvalidArgument | Code::NotFound | Code::DeadlineExceeded => anyhow::anyhow!("{message}"),
            Code::Unimplemented => anyhow::anyhow!("{} is not postanalytics, check --server", self.server),
            code => anyhow::anyhow!("{} answered {code:?}: {message}", self.server),
        }
    }
}

fn filter(list: &List, now: Timestamp) -> v1::Filter {
    v1::Filter {
        attack_types: list.types.clone(),
        host: list.host.clone().unwrap_or_default(),
        remote_addr: list.ip.clone().unwrap_or_default(),
        since: list.since(now).map(wire::time_to),
        until: None,
        text: list.filter.join(" "),
        ..v1::Filter::default()
    }
}

fn remark(more: bool, what: &str) -> Option<String> {
    more.then(|| format!("There are more {what}, see --limit."))
}

fn json(value: &impl Serialize) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value).context("writing JSON")?;
    Ok(escape::json(&text))
}

/// An attack in JSON.
#[derive(Serialize)]
struct Attack {
    id: String,
    attack_type: String,
    status: &'static str,
    hits: u64,
    blocked_hits: u64,
    counted_hits: u64,
    sources: u32,
    application: i32,
    host: String,
    path: String,
    point: serde_json::Value,
    payload: String,
    first_time: String,
    last_time: String,
}

impl From<&v1::Attack> for Attack {
    fn from(attack: &v1::Attack) -> Self {
        let v1::Attack {
            id,
            attack_type,
            point,
            host,
            path,
            application,
            first_time,
            last_time,
            hits,
            blocked_hits,
            status: _,
            sources,
            payload,
            counted_hits,
        } = attack;
        Attack {
            id: id.clone(),
            attack_type: attack_type.clone(),
            status: table::status(attack.status()),
            hits: *hits,
            blocked_hits: *blocked_hits,
            counted_hits: *counted_hits,
            sources: *sources,
            application: *application,
            host: lossy(host),
            path: lossy(path),
            point: point_json(point),
            payload: lossy(payload),
            first_time: time(*first_time),
            last_time: time(*last_time),
        }
    }
}

/// A hit in JSON.
#[derive(Serialize)]
pub(super) struct Hit {
    id: String,
    attack_id: String,
    node: String,
    attack_type: String,
    time: String,
    request_id: String,
    application: i32,
    remote_addr: String,
    method: String,
    host: String,
    path: String,
    mode: String,
    action: &'static str,
    response_status: u32,
    findings: Vec<Finding>,
    limits: Vec<String>,
}

/// A finding in JSON.
#[derive(Serialize)]
struct Finding {
    point: serde_json::Value,
    payload: String,
    reason: String,
    stamps: Vec<u32>,
    span: [u32; 2],
    decoders: Vec<String>,
}

impl From<&v1::StoredHit> for Hit {
    fn from(stored: &v1::StoredHit) -> Self {
        let v1::StoredHit {
            id,
            attack_id,
            node,
            hit,
        } = stored.clone();
        let hit = hit.unwrap_or_default();
        let action = table::action(hit.action());
        let v1::Hit {
            attack_type,
            time: at,
            request_id,
            application,
            remote_addr,
            method,
            host,
            path,
            mode,
            action: _,
            response_status,
            findings,
            limits,
        } = hit;
        let finding = |finding: v1::Finding| {
            let v1::Finding {
                point,
                payload,
                stamps,
                reason,
                span_start,
                span_end,
                decoders,
            } = finding;
            Finding {
                point: point_json(&point),
                payload: lossy(&payload),
                reason,
                stamps,
                span: [span_start, span_end],
                decoders,
            }
        };
        Hit {
            id,
            attack_id,
            node,
            attack_type,
            time: time(at),
            request_id,
            application,
            remote_addr,
            method: lossy(&method),
            host: lossy(&host),
            path: lossy(&path),
            mode,
            action,
            response_status,
            findings: findings.into_iter().map(finding).collect(),
            limits,
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A point in Wallarm notation, which is JSON.
fn point_json(point: &[v1::PointElement]) -> serde_json::Value {
    let text = table::point(point);
    serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
}

fn time(time: Option<prost_types::Timestamp>) -> String {
    table::instant(time).map_or_else(String::new, |time| time.to_string())
}
