//! Answers questions about attacks and hits.

mod grammar;
mod token;

use std::sync::Arc;

use jiff::Timestamp;
use tonic::{Request, Response, Status};
use waf_proto::v1::{self, query_service_server::QueryService};

use crate::{
    hit::{AttackTypeCode, limits},
    id::{AttackId, HitId},
    metrics::Metrics,
    network::{InvalidNetwork, Network},
    query::token::Token,
    status,
    store::{AttackCursor, Filter, Store},
    wire,
};

/// Entries of a page unless asked otherwise.
const DEFAULT_PAGE: usize = 50;
/// Most entries of a page.
const MAX_PAGE: usize = 1000;
/// Most attack types in one filter.
const MAX_TYPES: usize = 64;

/// The service that answers queries.
#[derive(Debug)]
pub struct Query<S> {
    store: Arc<S>,
    metrics: Metrics,
}

// === impl Query ===

impl<S: Store> Query<S> {
    /// A service that reads from a store.
    pub fn new(store: Arc<S>, metrics: Metrics) -> Self {
        Query { store, metrics }
    }

    async fn attacks(&self, request: v1::ListAttacksRequest) -> Result<v1::ListAttacksResponse, Status> {
        let v1::ListAttacksRequest {
            filter,
            page_size,
            page_token,
        } = request;
        let limit = page_size_from(page_size)?;
        // As asked: what it says about the time until now changes from page to page.
        let scope = format!("attacks {filter:?}");
        let filter = filter_from(filter.unwrap_or_default(), Timestamp::now())?;
        let after = Token::read(&page_token, &scope)?.map(|Token { time, id }| AttackCursor {
            last: time,
            id: AttackId(id),
        });
        let page = self.store.attacks(filter, after, limit).await;
        let page = page.map_err(|error| status::of_store(&error))?;
        Ok(v1::ListAttacksResponse {
            attacks: page.entries.into_iter().map(wire::attack_to).collect(),
            next_page_token: Token::write(
                page.next
                    .map(|AttackCursor { last, id: AttackId(id) }| Token { time: last, id }),
                &scope,
            ),
        })
    }

    async fn attack(&self, request: v1::GetAttackRequest) -> Result<v1::GetAttackResponse, Status> {
        let v1::GetAttackRequest { id: text } = request;
        let id = attack_id_from("id", &text)?;
        let attack = self.store.attack(id).await.map_err(|error| status::of_store(&error))?;
        let attack = attack.ok_or_else(|| status::not_found("attack", &text))?;
        Ok(v1::GetAttackResponse {
            attack: Some(wire::attack_to(attack)),
        })
    }

    async fn hits(&self, request: v1::ListHitsRequest) -> Result<v1::ListHitsResponse, Status> {
        let v1::ListHitsRequest {
            filter,
            attack_id,
            page_size,
            page_token,
        } = request;
        let limit = page_size_from(page_size)?;
        let attack = if attack_id.is_empty() {
            None
        } else {
            Some(attack_id_from("attack_id", &attack_id)?)
        };
        let scope = format!("hits {attack:?} {filter:?}");
        let filter = filter_from(filter.unwrap_or_default(), Timestamp::now())?;
        let after = Token::read(&page_token, &scope)?.map(|Token { time: _, id }| id);
        let page = self.store.hits(filter, attack, after, limit).await;
        let page = page.map_err(|error| status::of_store(&error))?;
        let token = |id: HitId| Token { time: id.time(), id };
        Ok(v1::ListHitsResponse {
            hits: page.entries.into_iter().map(wire::stored_hit_to).collect(),
            next_page_token: Token::write(page.next.map(token), &scope),
        })
    }

    fn answer<T>(&self, method: &'static str, result: Result<T, Status>) -> Result<Response<T>, Status> {
        let code = result.as_ref().map_or_else(Status::code, |_| tonic::Code::Ok);
        self.metrics.query(method, code);
        result.map(Response::new)
    }
}

#[tonic::async_trait]
impl<S: Store> QueryService for Query<S> {
    async fn list_attacks(
        &self,
        request: Request<v1::ListAttacksRequest>,
    ) -> Result<Response<v1::ListAttacksResponse>, Status> {
        let result = self.attacks(request.into_inner()).await;
        self.answer("ListAttacks", result)
    }

    async fn get_attack(
        &self,
        request: Request<v1::GetAttackRequest>,
    ) -> Result<Response<v1::GetAttackResponse>, Status> {
        let result = self.attack(request.into_inner()).await;
        self.answer("GetAttack", result)
    }

    async fn list_hits(&self, request: Request<v1::ListHitsRequest>) -> Result<Response<v1::ListHitsResponse>, Status> {
        let result = self.hits(request.into_inner()).await;
        self.answer("ListHits", result)
    }
}

fn filter_from(message: v1::Filter, now: Timestamp) -> Result<Filter, Status> {
    let v1::Filter {
        attack_types,
        host,
        remote_addr,
        since,
        until,
        not_attack_types,
        blocked,
        text,
    } = message;
    let codes = |field: &str, texts: &[String]| {
        if texts.len() > MAX_TYPES {
            let found = format!("{} of them", texts.len());
            return Err(status::invalid(field, &found, "must hold at most 64"));
        }
        let code = |text: &String| {
            let allowed = "must be codes such as sqli: 1 to 64 characters of a-z, 0-9 and _";
            AttackTypeCode::new(text).map_err(|_| status::invalid(field, text, allowed))
        };
        texts.iter().map(code).collect::<Result<Vec<_>, _>>()
    };
    let network = |text: &str| {
        let network: Result<Network, InvalidNetwork> = text.parse();
        network.map_err(|error| status::invalid("filter.remote_addr", text, &error.to_string()))
    };
    let time = |field: &str, time: Option<prost_types::Timestamp>| match time {
        None => Ok(None),
        Some(time) => {
            let found = format!("{} s {} ns", time.seconds, time.nanos);
            match wire::time_from(time) {
                Some(time) => Ok(Some(time)),
                None => Err(status::invalid(field, &found, "must be a time between 2020 and 2091")),
            }
        }
    };
    if host.len() > limits::HOST {
        let found = format!("{} bytes", host.len());
        return Err(status::invalid("filter.host", &found, "must have at most 300 bytes"));
    }
    let mut filter = Filter {
        attack_types: codes("filter.attack_types", &attack_types)?,
        not_attack_types: codes("filter.not_attack_types", &not_attack_types)?,
        host: Some(host.to_ascii_lowercase().into_bytes()).filter(|host| !host.is_empty()),
        source: Some(remote_addr.as_str())
            .filter(|text| !text.is_empty())
            .map(network)
            .transpose()?,
        blocked,
        since: time("filter.since", since)?,
        until: time("filter.until", until)?,
    };
    grammar::add(&mut filter, &text, now)
        .map_err(|mistake| status::invalid("filter.text", &mistake.word, mistake.problem))?;
    Ok(filter)
}

fn page_size_from(number: u32) -> Result<usize, Status> {
    match number as usize {
        0 => Ok(DEFAULT_PAGE),
        size if size <= MAX_PAGE => Ok(size),
        _ => Err(status::invalid(
            "page_size",
            &number.to_string(),
            "must be 1 to 1000, or 0 for the default of 50",
        )),
    }
}

fn attack_id_from(field: &str, text: &str) -> Result<AttackId, Status> {
    text.parse()
        .map_err(|_| status::invalid(field, text, "must be 16 hexadecimal digits"))
}
