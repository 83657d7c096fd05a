//! The JSON API: items in memory, and an echo of whatever was sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::{self, Reply, Response};

use crate::body::BodyError;

/// Most items kept.
const MAX_ITEMS: usize = 1000;

/// Longest name of an item, in bytes.
const MAX_NAME_BYTES: usize = 4096;

/// A thing in the shop.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Item {
    #[serde(default, skip_deserializing)]
    id: u32,
    name: String,
    /// In cents. Unset: 0.
    #[serde(default)]
    price: u32,
}

/// All items, shared by all requests.
#[derive(Clone, Debug)]
pub(crate) struct Items(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    items: BTreeMap<u32, Item>,
    last_id: u32,
}

// === impl Items ===

impl Items {
    pub(crate) fn new() -> Items {
        let tea = Item {
            id: 1,
            name: "Tea".to_owned(),
            price: 350,
        };
        Items(Arc::new(Mutex::new(State {
            items: BTreeMap::from([(1, tea)]),
            last_id: 1,
        })))
    }

    pub(crate) fn list(&self) -> Response {
        json(StatusCode::OK, &self.lock().items.values().collect::<Vec<_>>())
    }

    pub(crate) fn get(&self, id: u32) -> Response {
        match self.lock().items.get(&id) {
            Some(item) => json(StatusCode::OK, item),
            None => error(StatusCode::NOT_FOUND, "no such item"),
        }
    }

    pub(crate) fn create(&self, body: Result<Bytes, BodyError>) -> Response {
        let mut item = match parse(body) {
            Ok(item) => item,
            Err((status, reason)) => return error(status, &reason),
        };
        let mut state = self.lock();
        if state.items.len() >= MAX_ITEMS {
            return error(StatusCode::INSUFFICIENT_STORAGE, "too many items");
        }
        state.last_id = state.last_id.wrapping_add(1);
        item.id = state.last_id;
        state.items.insert(item.id, item.clone());
        json(StatusCode::CREATED, &item)
    }

    pub(crate) fn replace(&self, id: u32, body: Result<Bytes, BodyError>) -> Response {
        let mut item = match parse(body) {
            Ok(item) => item,
            Err((status, reason)) => return error(status, &reason),
        };
        match self.lock().items.get_mut(&id) {
            Some(old) => {
                item.id = id;
                *old = item.clone();
                json(StatusCode::OK, &item)
            }
            None => error(StatusCode::NOT_FOUND, "no such item"),
        }
    }

    pub(crate) fn delete(&self, id: u32) -> Response {
        match self.lock().items.remove(&id) {
            Some(_) => StatusCode::NO_CONTENT.into_response(),
            None => error(StatusCode::NOT_FOUND, "no such item"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held left a whole map behind all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads an item, or tells what to answer instead.
fn parse(body: Result<Bytes, BodyError>) -> Result<Item, (StatusCode, String)> {
    let body = body.map_err(|e| (e.status(), "no body".to_owned()))?;
    let item = serde_json::from_slice::<Item>(&body).map_err(|e| (StatusCode::BAD_REQUEST, e.to_string()))?;
    if item.name.len() > MAX_NAME_BYTES {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "the name is too long".to_owned()));
    }
    Ok(item)
}

/// What was sent, as seen by the application. Bytes are shown as Latin-1: one character is one byte.
pub(crate) fn echo(
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BodyError>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(e) => return error(e.status(), "no body"),
    };
    let headers = headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), latin1(value.as_bytes())]))
        .collect::<Vec<_>>();
    json(
        StatusCode::OK,
        &json!({
            "method": method.as_str(),
            "path": path,
            "query": query,
            "headers": headers,
            "body_bytes": body.len(),
            "body": latin1(&body),
        }),
    )
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    reply::with_status(reply::json(value), status).into_response()
}

pub(crate) fn error(status: StatusCode, reason: &str) -> Response {
    json(status, &json!({ "error": reason }))
}

fn latin1(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into()
}
