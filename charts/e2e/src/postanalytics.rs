//! The real postanalytics service as a process of its own.

use std::{
    fs::File,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::Context;
use waf_proto::v1::{
    Attack, Filter, ListAttacksRequest, ListHitsRequest, StoredHit, query_service_client::QueryServiceClient,
};

use crate::{module::analytics_binary, poll};

/// A running service; killed (as by `kill -9`) when dropped.
#[derive(Debug)]
pub struct Postanalytics {
    address: SocketAddr,
    child: Child,
}

impl Postanalytics {
    /// Starts it on an address with the data of a folder, and waits until it answers.
    pub async fn start(address: SocketAddr, data: &Path) -> anyhow::Result<Postanalytics> {
        let child = Command::new(analytics_binary()?)
            .args([
                "serve",
                "--metrics-listen",
                "127.0.0.1:0",
                "--listen",
                &address.to_string(),
            ])
            .arg("--data")
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(data.join("log"))?)
            .spawn()
            .context("starting analytics")?;
        let running = Postanalytics { address, child };
        poll::until("postanalytics", async || Ok(running.client().await.ok())).await?;
        Ok(running)
    }

    /// Where reports and questions go.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Attacks on a host.
    pub async fn attacks(&self, host: &str) -> anyhow::Result<Vec<Attack>> {
        let request = ListAttacksRequest {
            filter: Some(on_host(host)),
            ..ListAttacksRequest::default()
        };
        let answer = self.client().await?.list_attacks(request).await?;
        Ok(answer.into_inner().attacks)
    }

    /// Hits on a host; at most a page of 1000.
    pub async fn hits(&self, host: &str) -> anyhow::Result<Vec<StoredHit>> {
        let request = ListHitsRequest {
            filter: Some(on_host(host)),
            page_size: 1000,
            ..ListHitsRequest::default()
        };
        let answer = self.client().await?.list_hits(request).await?;
        Ok(answer.into_inner().hits)
    }

    async fn client(&self) -> anyhow::Result<QueryServiceClient<tonic::transport::Channel>> {
        Ok(QueryServiceClient::connect(format!("http://{}", self.address)).await?)
    }
}

impl Drop for Postanalytics {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn on_host(host: &str) -> Filter {
    Filter {
        host: host.to_owned(),
        ..Filter::default()
    }
}
