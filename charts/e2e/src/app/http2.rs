//! The application's HTTP/2.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;

use super::Record;

/// Serves requests until the other end closes.
pub(super) async fn serve(stream: TcpStream, record: &Record) -> anyhow::Result<()> {
    let mut connection = h2::server::handshake(stream).await?;
    // Streams are served together with the connection, which has to be polled for any of them to go on.
    let mut streams = futures_util::stream::FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(accepted) => {
                    let (request, respond) = accepted?;
                    streams.push(serve_stream(request, respond, record));
                }
                None => return Ok(()),
            },
            // A stream that was reset is what some tests provoke.
            _ = futures_util::StreamExt::next(&mut streams), if !streams.is_empty() => {}
        }
    }
}

async fn serve_stream(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    record: &Record,
) -> anyhow::Result<()> {
    let (head, mut body) = request.into_parts();
    let target = head
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str())
        .to_owned();
    let place = record.begin(target, lines(&head.headers));
    while let Some(part) = body.data().await {
        let part = part?;
        record.n_bytes.fetch_add(part.len() as u64, Ordering::SeqCst);
        body.flow_control().release_capacity(part.len())?;
        record.change(place, |request| request.body.extend_from_slice(&part));
    }
    if let Some(trailers) = body.trailers().await? {
        record.change(place, |request| request.trailers = lines(&trailers));
    }
    record.change(place, |request| request.is_complete = true);
    let mut answer = respond.send_response(Response::new(()), false)?;
    answer.send_data(Bytes::from_static(b"ok\n"), true)?;
    Ok(())
}

fn lines(fields: &HeaderMap) -> Vec<u8> {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat()
    };
    fields.iter().flat_map(line).collect()
}
