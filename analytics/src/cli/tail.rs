//! Shows hits as they come.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    time::Duration,
};

use anyhow::Context;
use waf_proto::v1;

use super::{
    Output, Tail,
    client::{Client, Hit},
    table,
};
use crate::escape;

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// How far each look goes back, in seconds: filters send in batches and may have to send again, so hits come late.
const LOOK_BACK_S: u32 = 60;
/// Most hits seen in one look.
const MAX_HITS: usize = 5000;
/// Hits shown that were there before.
const BEFORE: usize = 10;

/// Prints hits until nobody reads any more, or the service fails.
pub(super) async fn run(tail: Tail) -> anyhow::Result<()> {
    let Tail { server, filter } = tail;
    let mut client = Client::connect(&server).await?;
    let filter = v1::Filter {
        // By the clock of the service.
        text: format!("{} since:{LOOK_BACK_S}s", filter.join(" ")),
        ..v1::Filter::default()
    };
    let mut seen: Option<BTreeSet<String>> = None;
    loop {
        let (mut hits, more) = client.hits(&filter, "", MAX_HITS).await?;
        let found: BTreeSet<String> = hits.iter().map(|hit| hit.id.clone()).collect();
        match &seen {
            None => hits.truncate(BEFORE),
            Some(seen) => hits.retain(|hit| !seen.contains(&hit.id)),
        }
        if more && seen.is_some() {
            // Without a standard error the remark has no reader.
            let _ = writeln!(io::stderr(), "More hits than can be shown: narrow the filter.");
        }
        seen = Some(found);
        // The newest come first, and last on a screen.
        for hit in hits.iter().rev() {
            let line = match server.output {
                Output::Table => table::line(hit),
                Output::Json => escape::json(&serde_json::to_string(&Hit::from(hit)).context("writing JSON")?),
            };
            match writeln!(io::stdout().lock(), "{line}") {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                other => other.context("writing hits")?,
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
