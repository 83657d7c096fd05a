//! The paths.

use std::{sync::Arc, time::Instant};

use bytes::{Buf, BufMut, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{
    StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};
use tokio::time::timeout;
use tracing::warn;
use warp::{
    Filter, Rejection,
    reply::{Reply, Response, with_header, with_status},
};

use super::{Health, Inputs, Limits};
use crate::{
    admission,
    metrics::{self, Metrics},
};

/// A request to `/inject` that is no review.
struct Refusal {
    status: StatusCode,
    reason: String,
}

pub(super) fn routes(
    inputs: Inputs,
    health: Health,
    metrics: Arc<Metrics>,
    limits: Limits,
) -> impl Filter<Extract = impl Reply, Error = Rejection> + Clone {
    let status = status(health.clone(), metrics.clone());
    let inject = warp::path!("inject")
        .and(warp::post())
        .and(warp::header::optional(CONTENT_TYPE.as_str()))
        .and(warp::header::optional(CONTENT_LENGTH.as_str()))
        .and(warp::body::stream())
        .then(move |content_type: Option<String>, length: Option<u64>, body| {
            let (inputs, health, metrics) = (inputs.clone(), health.clone(), metrics.clone());
            async move {
                let answer = inject(content_type.as_deref(), length, body, &inputs, &metrics, limits).await;
                let mut response = answer.unwrap_or_else(|Refusal { status, reason }| {
                    warn!(%status, reason, "Refused a request.");
                    metrics.refused_request(status.as_u16());
                    with_status(reason + "\n", status).into_response()
                });
                if health.is_draining() {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                response
            }
        });
    status.or(inject)
}

/// What kubelets and Prometheus ask.
pub(super) fn status(
    health: Health,
    metrics: Arc<Metrics>,
) -> impl Filter<Extract = impl Reply, Error = Rejection> + Clone {
    let alive = warp::path!("healthz").and(warp::get()).map(|| "OK\n");
    let ready = warp::path!("readyz")
        .and(warp::get())
        .map(move || match health.unready() {
            None => with_status("OK\n".to_owned(), StatusCode::OK),
            Some(reason) => with_status(format!("{reason}\n"), StatusCode::SERVICE_UNAVAILABLE),
        });
    let page = move || with_header(metrics.encode(), CONTENT_TYPE, metrics::CONTENT_TYPE);
    let prometheus = warp::path!("metrics").and(warp::get()).map(page);
    alive.or(ready).or(prometheus)
}

async fn inject(
    content_type: Option<&str>,
    announced_length: Option<u64>,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    inputs: &Inputs,
    metrics: &Metrics,
    limits: Limits,
) -> Result<Response, Refusal> {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            reason: "the content type must be application/json".to_owned(),
        });
    }
    if announced_length.is_some_and(|length| length > limits.max_body_bytes as u64) {
        return Err(Refusal::too_large(limits));
    }
    let body = match timeout(limits.body_timeout, read(body, limits)).await {
        Ok(body) => body?,
        Err(_) => {
            return Err(Refusal {
                status: StatusCode::REQUEST_TIMEOUT,
                reason: "the body took too long".to_owned(),
            });
        }
    };
    let started = Instant::now();
    let (settings, cluster) = (inputs.settings.borrow().clone(), *inputs.cluster.borrow());
    let answer = admission::answer(&body, &settings, cluster).map_err(|malformed| Refusal {
        status: StatusCode::BAD_REQUEST,
        reason: malformed.to_string(),
    })?;
    metrics.admission(answer.decision, started.elapsed());
    if let (Some(notices), Some(notice)) = (&inputs.notices, answer.notice) {
        notices.hand_in(notice);
    }
    Ok(warp::reply::json(&answer.review).into_response())
}

/// The whole body, whether its length was announced or not.
async fn read(body: impl Stream<Item = Result<impl Buf, warp::Error>>, limits: Limits) -> Result<BytesMut, Refusal> {
    let mut body = std::pin::pin!(body);
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| Refusal {
            status: StatusCode::BAD_REQUEST,
            reason: format!("the body cannot be read: {error}"),
        })?;
        if bytes.len() + chunk.remaining() > limits.max_body_bytes {
            return Err(Refusal::too_large(limits));
        }
        bytes.put(chunk);
    }
    Ok(bytes)
}

// === impl Refusal ===

impl Refusal {
    fn too_large(limits: Limits) -> Self {
        Refusal {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            reason: format!("the body is longer than {} bytes", limits.max_body_bytes),
        }
    }
}
