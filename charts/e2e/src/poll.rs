//! Waiting for something to become true.

use std::time::{Duration, Instant};

use anyhow::bail;

/// Longest that anything may take on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

const INTERVAL: Duration = Duration::from_millis(10);

/// Looks again until there is a value. Fails after [`DEADLINE`], naming what was waited for.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    until_within(DEADLINE, what, look).await
}

/// The same with a deadline of its own, for what takes longer than anything else.
pub async fn until_within<T>(
    deadline: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = look().await? {
            return Ok(value);
        }
        if started.elapsed() > deadline {
            bail!("waited {deadline:?} for {what}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Gives a future [`DEADLINE`] to finish.
pub async fn in_time<T>(what: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(result) => result,
        Err(_) => bail!("waited {DEADLINE:?} for {what}"),
    }
}
