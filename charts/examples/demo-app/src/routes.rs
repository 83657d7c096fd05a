//! Which path is what. The last route takes everything, so no request is ever rejected by accident.

use std::convert::Infallible;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::watch;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, Method, StatusCode};
use warp::multipart::FormData;
use warp::path::FullPath;
use warp::reply::{Reply, Response};
use warp::ws::Ws;

use crate::api::{self, Items};
use crate::body::{self, BodyError, MAX_BODY_BYTES};
use crate::{pages, streams};

/// Most parts of one upload.
const MAX_PARTS: usize = 100;

/// The whole application. `stopping` turns true when open streams should end.
pub(crate) fn routes(stopping: watch::Receiver<bool>) -> BoxedFilter<(Response,)> {
    let healthz = warp::path!("healthz").map(|| "ok\n".into_response());
    html()
        .or(items(Items::new()))
        .unify()
        .or(anything())
        .unify()
        .or(upload())
        .unify()
        .or(events(stopping.clone()))
        .unify()
        .or(web_socket(stopping))
        .unify()
        .or(healthz)
        .unify()
        .or(rest())
        .unify()
        .boxed()
}

fn html() -> BoxedFilter<(Response,)> {
    let home = warp::path::end().and(warp::get()).map(pages::home);
    let form = warp::path!("login").and(warp::get()).map(pages::login_form);
    let login = warp::path!("login")
        .and(warp::post())
        .and(body::whole())
        .map(|body: Result<Bytes, BodyError>| match body {
            Ok(body) => pages::welcome(&field(&body, "name")),
            Err(error) => pages::error(error.status()),
        });
    let search = warp::path!("search")
        .and(warp::get())
        .and(query())
        .map(|query: String| pages::search(&field(query.as_bytes(), "q")));
    let upload = warp::path!("upload").and(warp::get()).map(pages::upload_form);
    home.or(form)
        .unify()
        .or(login)
        .unify()
        .or(search)
        .unify()
        .or(upload)
        .unify()
        .boxed()
}

fn items(items: Items) -> BoxedFilter<(Response,)> {
    let with_items = warp::any().map(move || items.clone());
    let all = || warp::path!("api" / "items").and(with_items.clone());
    let one = || warp::path!("api" / "items" / u32).and(with_items.clone());
    let list = all().and(warp::get()).map(|items: Items| items.list());
    let create = all()
        .and(warp::post())
        .and(body::whole())
        .map(|items: Items, body| items.create(body));
    let get = one().and(warp::get()).map(|id, items: Items| items.get(id));
    let replace = one()
        .and(warp::put())
        .and(body::whole())
        .map(|id, items: Items, body| items.replace(id, body));
    let delete = one().and(warp::delete()).map(|id, items: Items| items.delete(id));
    list.or(create)
        .unify()
        .or(get)
        .unify()
        .or(replace)
        .unify()
        .or(delete)
        .unify()
        .boxed()
}

fn anything() -> BoxedFilter<(Response,)> {
    warp::path("anything")
        .and(warp::method())
        .and(warp::path::full())
        .and(query())
        .and(warp::header::headers_cloned())
        .and(body::whole())
        .map(
            |method: Method, path: FullPath, query: String, headers: HeaderMap, body: Result<Bytes, BodyError>| {
                api::echo(&method, path.as_str(), &query, &headers, body)
            },
        )
        .boxed()
}

fn upload() -> BoxedFilter<(Response,)> {
    warp::path!("upload")
        .and(warp::post())
        // The length header is not asked for: parts are counted as they come.
        .and(warp::multipart::form().max_length(None))
        .then(receive)
        .boxed()
}

/// Reads every part to its end and tells names and sizes; nothing is stored.
async fn receive(mut form: FormData) -> Response {
    let (mut parts, mut total) = (Vec::new(), 0);
    while let Some(part) = form.next().await {
        let Ok(mut part) = part else {
            return api::error(StatusCode::BAD_REQUEST, "broken multipart body");
        };
        let mut n_bytes = 0;
        while let Some(chunk) = part.data().await {
            let Ok(chunk) = chunk else {
                return api::error(StatusCode::BAD_REQUEST, "broken multipart body");
            };
            n_bytes += chunk.remaining();
            total += chunk.remaining();
            if total > MAX_BODY_BYTES {
                return api::error(StatusCode::PAYLOAD_TOO_LARGE, "too much");
            }
        }
        if parts.len() == MAX_PARTS {
            return api::error(StatusCode::PAYLOAD_TOO_LARGE, "too many parts");
        }
        parts.push(json!({ "name": part.name(), "filename": part.filename(), "bytes": n_bytes }));
    }
    api::json(StatusCode::OK, &json!({ "parts": parts }))
}

fn events(stopping: watch::Receiver<bool>) -> BoxedFilter<(Response,)> {
    warp::path!("events")
        .and(warp::get())
        .map(move || warp::sse::reply(streams::ticks(stopping.clone())).into_response())
        .boxed()
}

fn web_socket(stopping: watch::Receiver<bool>) -> BoxedFilter<(Response,)> {
    warp::path!("ws")
        .and(warp::ws())
        .map(move |ws: Ws| {
            let stopping = stopping.clone();
            ws.max_message_size(streams::MAX_MESSAGE_BYTES)
                .on_upgrade(|socket| streams::echo(socket, stopping))
                .into_response()
        })
        .boxed()
}

fn rest() -> BoxedFilter<(Response,)> {
    warp::path::full()
        // Read to its end: a connection with an unread body could not be used again.
        .and(body::whole())
        .map(|path: FullPath, body: Result<Bytes, BodyError>| match body {
            Ok(_) => pages::anything_else(path.as_str()),
            Err(error) => pages::error(error.status()),
        })
        .boxed()
}

/// The query as written; empty when there is none.
fn query() -> impl Filter<Extract = (String,), Error = Infallible> + Clone {
    warp::query::raw().or(warp::any().map(String::new)).unify()
}

/// One field of a form or query, decoded; empty when absent.
fn field(form: &[u8], name: &str) -> String {
    form_urlencoded::parse(form)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn app() -> BoxedFilter<(Response,)> {
        // The sender may go: only streams wait for it, and they end without it.
        routes(watch::channel(false).1)
    }

    async fn check(method: &str, path: &str, body: &str, status: u16, part: &str) {
        let response = warp::test::request()
            .method(method)
            .path(path)
            .body(body)
            .reply(&app())
            .await;
        let text = String::from_utf8_lossy(response.body());
        assert_eq!(response.status(), status, "{method} {path}: {text}");
        assert!(text.contains(part), "{method} {path}: {text}");
    }

    #[tokio::test]
    async fn pages_answer() {
        check("GET", "/", "", 200, "Demo shop").await;
        check("GET", "/healthz", "", 200, "ok").await;
        check("GET", "/login", "", 200, "password").await;
        check("POST", "/login", "name=Ann+B%C3%A9&password=x", 200, "Hello, Ann Bé.").await;
    }

    #[tokio::test]
    async fn every_other_path_is_answered() {
        check(
            "GET",
            "/etc/passwd",
            "",
            200,
            "The application answers for /etc/passwd.",
        )
        .await;
        check("DELETE", "/", "", 200, "answers").await;
        check("GET", "/api/items/99999999999", "", 200, "answers").await;
    }

    #[tokio::test]
    async fn nothing_comes_back_as_markup() {
        check("GET", "/search?q=%3Cscript%3E%22", "", 200, "“&lt;script&gt;&quot;”").await;
        check("POST", "/login", "name=<b>", 200, "Hello, &lt;b&gt;.").await;
    }

    #[tokio::test]
    async fn broken_requests_are_refused() {
        check("POST", "/api/items", "no json", 400, "error").await;
        check("PUT", "/api/items/7", r#"{"name":"x"}"#, 404, "no such item").await;
        let long = "x".repeat(MAX_BODY_BYTES + 1);
        check("POST", "/anything", &long, 413, "error").await;
        // Every route reads the body, also one that does not use it: the connection goes on to the next request.
        check("POST", "/elsewhere", &long, 413, "Sorry").await;
    }

    #[tokio::test]
    async fn items_live_from_creation_to_deletion() {
        let app = app();
        let send = async |method: &str, path: &str, body: &str| {
            let response = warp::test::request()
                .method(method)
                .path(path)
                .body(body)
                .reply(&app)
                .await;
            let json = serde_json::from_slice::<Value>(response.body()).unwrap_or_default();
            (response.status().as_u16(), json)
        };
        assert_eq!(
            send("POST", "/api/items", r#"{"name":"Cup","price":900}"#).await,
            (201, json!({ "id": 2, "name": "Cup", "price": 900 }))
        );
        assert_eq!(
            send("PUT", "/api/items/2", r#"{"name":"Mug"}"#).await,
            (200, json!({ "id": 2, "name": "Mug", "price": 0 }))
        );
        assert_eq!(send("GET", "/api/items", "").await.1.as_array().unwrap().len(), 2);
        assert_eq!(send("DELETE", "/api/items/2", "").await.0, 204);
        assert_eq!(send("GET", "/api/items/2", "").await.0, 404);
    }

    #[tokio::test]
    async fn echo_shows_every_byte() {
        let response = warp::test::request()
            .method("PATCH")
            .path("/anything/a%20b?c=%ff")
            .header("x-test", "1")
            .body([0_u8, 0xff])
            .reply(&app())
            .await;
        let echo = serde_json::from_slice::<Value>(response.body()).unwrap();
        assert_eq!(
            (&echo["method"], &echo["path"], &echo["query"], &echo["body"]),
            (
                &json!("PATCH"),
                &json!("/anything/a%20b"),
                &json!("c=%ff"),
                &json!("\0ÿ")
            )
        );
        assert!(echo["headers"].as_array().unwrap().contains(&json!(["x-test", "1"])));
    }

    #[tokio::test]
    async fn upload_tells_what_arrived() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--b--\r\n";
        let response = warp::test::request()
            .method("POST")
            .path("/upload")
            .header("content-type", "multipart/form-data; boundary=b")
            .body(body)
            .reply(&app())
            .await;
        let seen = serde_json::from_slice::<Value>(response.body()).unwrap();
        assert_eq!(
            seen,
            json!({ "parts": [{ "name": "file", "filename": "a.txt", "bytes": 5 }] })
        );
    }

    #[tokio::test]
    async fn web_socket_echoes_until_the_end() {
        let (stop, stopping) = watch::channel(false);
        let mut client = warp::test::ws().path("/ws").handshake(routes(stopping)).await.unwrap();
        client.send_text("hello").await;
        assert_eq!(client.recv().await.unwrap().to_str(), Ok("hello"));
        stop.send_replace(true);
        client.recv_closed().await.unwrap();
    }

    #[tokio::test]
    async fn events_end_when_the_application_stops() {
        let (stop, stopping) = watch::channel(false);
        stop.send_replace(true);
        // `reply` reads the stream to its end.
        let response = warp::test::request().path("/events").reply(&routes(stopping)).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
    }
}
