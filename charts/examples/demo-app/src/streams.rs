//! What does not end by itself: server-sent events and the WebSocket echo. Both end when the application stops.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::{SinkExt, Stream, StreamExt};
use tokio::sync::watch;
use tokio_stream::wrappers::IntervalStream;
use warp::sse::Event;
use warp::ws::WebSocket;

/// Time between two events.
const TICK: Duration = Duration::from_millis(500);

/// Longest WebSocket message, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// One numbered event at once, then one every [`TICK`].
pub(crate) fn ticks(mut stopping: watch::Receiver<bool>) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    IntervalStream::new(tokio::time::interval(TICK))
        .enumerate()
        .map(|(n, _)| Ok(Event::default().event("tick").data(n.to_string())))
        .take_until(async move {
            let _ = stopping.wait_for(|stop| *stop).await;
        })
}

/// Sends every message back.
pub(crate) async fn echo(mut socket: WebSocket, mut stopping: watch::Receiver<bool>) {
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match message {
            Some(Ok(message)) if message.is_text() || message.is_binary() => {
                if socket.send(message).await.is_err() {
                    break;
                }
            }
            Some(Ok(message)) if message.is_close() => break,
            // Pings are answered below this layer.
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break,
        }
    }
    let _ = socket.close().await;
}
