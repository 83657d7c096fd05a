//! HTTP/2 with prior knowledge.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use h2::{SendStream, client::SendRequest};
use http::{HeaderMap, Request, Response};
use tokio::{net::TcpStream, task::JoinHandle};

use crate::poll;

/// A connection that carries many requests.
pub struct Connection {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

/// A request whose body is being sent.
pub struct Exchange {
    /// Takes the body and the trailers.
    pub body: SendStream<Bytes>,
    response: h2::client::ResponseFuture,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = h2::client::handshake(stream).await?;
        // How the connection ends shows in the requests it carries.
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Connection { requests, driver })
    }

    /// Starts a request. `end_of_stream`: there is no body.
    pub async fn start(&self, request: Request<()>, end_of_stream: bool) -> anyhow::Result<Exchange> {
        let mut requests = self.requests.clone().ready().await?;
        let (response, body) = requests.send_request(request, end_of_stream)?;
        Ok(Exchange { body, response })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Exchange {
    /// Sends a part of the body as one frame.
    pub fn send(&mut self, part: &'static [u8], end_of_stream: bool) -> anyhow::Result<()> {
        Ok(self.body.send_data(Bytes::from_static(part), end_of_stream)?)
    }

    /// Ends the body with trailers.
    pub fn send_trailers(&mut self, trailers: HeaderMap) -> anyhow::Result<()> {
        Ok(self.body.send_trailers(trailers)?)
    }

    /// Reads the response.
    pub async fn response(self) -> anyhow::Result<Response<Vec<u8>>> {
        poll::in_time("an HTTP/2 response", async {
            let (head, mut stream) = self.response.await.context("reading the response")?.into_parts();
            let mut body = Vec::new();
            while let Some(part) = stream.data().await {
                let part = part?;
                stream.flow_control().release_capacity(part.len())?;
                body.extend_from_slice(&part);
            }
            Ok(Response::from_parts(head, body))
        })
        .await
    }
}
