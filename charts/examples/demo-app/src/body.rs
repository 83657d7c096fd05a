//! Request bodies, bounded while they are read.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, pin_mut};
use warp::http::StatusCode;
use warp::{Filter, Rejection};

/// Longest body that any route takes, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 8 << 20;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Longer than [`MAX_BODY_BYTES`].
    TooLong,
    /// The client stopped in the middle.
    Broken,
}

// === impl BodyError ===

impl BodyError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            BodyError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// The whole body. Never rejects: an error must not fall through to the next route.
///
/// A limit on the length header alone would refuse chunked bodies, so bytes are counted as they come.
pub(crate) fn whole() -> impl Filter<Extract = (Result<Bytes, BodyError>,), Error = Rejection> + Clone {
    warp::body::stream().then(collect)
}

async fn collect<B: Buf>(stream: impl Stream<Item = Result<B, warp::Error>>) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    pin_mut!(stream);
    while let Some(chunk) = stream.next().await {
        let mut chunk = chunk.map_err(|_| BodyError::Broken)?;
        if body.len() + chunk.remaining() > MAX_BODY_BYTES {
            return Err(BodyError::TooLong);
        }
        while chunk.has_remaining() {
            let part = chunk.chunk();
            body.extend_from_slice(part);
            let n = part.len();
            chunk.advance(n);
        }
    }
    Ok(body.freeze())
}
