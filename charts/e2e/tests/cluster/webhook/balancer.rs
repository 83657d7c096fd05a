//! What kube-proxy does for a Service: new connections go to replicas that are ready, open ones stay where they are.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

/// How often the readiness of replicas is asked for, as a kubelet does.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where one replica listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) webhook: SocketAddr,
    pub(super) status: SocketAddr,
}

/// A running balancer; ends when dropped.
pub(super) struct Balancer {
    address: SocketAddr,
    endpoints: Arc<Mutex<Vec<Endpoint>>>,
    _tasks: JoinSet<()>,
}

impl Balancer {
    pub(super) async fn start() -> anyhow::Result<Balancer> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (endpoints, ready) = (Arc::default(), Arc::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(probe(Arc::clone(&endpoints), Arc::clone(&ready)));
        tasks.spawn(forward(listener, ready));
        Ok(Balancer {
            address,
            endpoints,
            _tasks: tasks,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn add(&self, endpoint: Endpoint) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.push(endpoint);
    }

    pub(super) fn remove(&self, endpoint: Endpoint) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.retain(|other| *other != endpoint);
    }
}

type Endpoints = Arc<Mutex<Vec<Endpoint>>>;

async fn probe(endpoints: Endpoints, ready: Endpoints) {
    loop {
        let all = endpoints.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut now = Vec::new();
        for endpoint in all {
            if get(endpoint.status, "/readyz")
                .await
                .is_ok_and(|(status, _)| status == 200)
            {
                now.push(endpoint);
            }
        }
        *ready.lock().unwrap_or_else(PoisonError::into_inner) = now;
        sleep(PROBE_INTERVAL).await;
    }
}

async fn forward(listener: TcpListener, ready: Endpoints) {
    let mut connections = JoinSet::new();
    for turn in 0_usize.. {
        let Ok((mut client, _)) = listener.accept().await else {
            return;
        };
        let endpoint = {
            let ready = ready.lock().unwrap_or_else(PoisonError::into_inner);
            ready.get(turn % ready.len().max(1)).copied()
        };
        // Without an endpoint the connection is closed, as a Service without endpoints refuses it.
        if let Some(endpoint) = endpoint {
            connections.spawn(async move {
                if let Ok(mut server) = TcpStream::connect(endpoint.webhook).await {
                    // Either side may hang up as it likes.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Status and body of a plain GET.
pub(super) async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: status\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = timeout(PROBE_TIMEOUT, exchange).await??;
    let status = answer.split(' ').nth(1).unwrap_or_default().parse()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}
