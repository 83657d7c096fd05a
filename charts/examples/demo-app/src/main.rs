//! A small but real application to stand behind the sidecar in examples and tests.
//!
//! It has what traffic is made of: pages, a form, an API, an echo, an upload, server-sent events and a WebSocket. It
//! trusts nothing it is sent: output is escaped and every body, message and list is bounded, so that what an attack does
//! to it never depends on the sidecar.

mod api;
mod body;
mod pages;
mod routes;
mod streams;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Longest wait for open connections after the signal to stop.
const DRAIN: Duration = Duration::from_secs(3);

/// The application behind the sidecar in examples and tests.
#[derive(Debug, Parser)]
struct Args {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, env = "DEMO_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Args { listen } = Args::parse();
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listening on {listen}"))?;
    announce(listener.local_addr()?);

    let (stop, stopping) = watch::channel(false);
    let routes = routes::routes(stopping.clone());
    let mut until = stopping.clone();
    let server = warp::serve(routes).incoming(listener).graceful(async move {
        // An error means that the sender has gone: stop as well.
        let _ = until.wait_for(|stop| *stop).await;
    });
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut running = tokio::spawn(server.run());
    tokio::select! {
        result = &mut running => return result.context("the server ended"),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.send_replace(true);
    // Whoever keeps a connection open for longer is cut off.
    let _ = tokio::time::timeout(DRAIN, running).await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "tests read the port from standard output")]
fn announce(address: SocketAddr) {
    println!("demo-app listens on http://{address}");
}
