//! The thread that writes the journal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot, watch};
use tracing::{error, info};

use super::{
    AppendError, Appended, Position,
    window::{Admission, Window},
};
use crate::{hit::Producer, metrics::Metrics};

/// Bytes after which a group is closed.
const GROUP_BYTES: usize = 4 * 1024 * 1024;
/// Commands after which a group is closed.
const GROUP_COMMANDS: usize = 512;
/// Pause between attempts to write after a failure.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Producers remembered. Beyond that the ones that were silent longest are forgotten.
const MAX_PRODUCERS: u64 = 100_000;

/// A batch to be written.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) producer: Producer,
    pub(super) sequence: u64,
    pub(super) dropped_total: u64,
    pub(super) n_hits: u64,
    pub(super) body: Vec<u8>,
    pub(super) reply: oneshot::Sender<Result<Appended, AppendError>>,
    /// Gives the room in memory back.
    pub(super) _permit: OwnedSemaphorePermit,
}

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Append(Append),
    Trim(Position),
    /// Write what was sent before, then end.
    Close,
}

/// The thread's state.
pub(super) struct Loop {
    pub(super) connection: Connection,
    pub(super) commands: Receiver<Command>,
    pub(super) stored_bytes: Arc<AtomicU64>,
    pub(super) appended: Arc<Notify>,
    pub(super) writable: watch::Sender<bool>,
    pub(super) metrics: Metrics,
}

/// What a transaction did.
#[derive(Default)]
struct Outcome {
    /// For each append, in order.
    appended: Vec<Appended>,
    bytes_added: u64,
    bytes_removed: u64,
    hits: u64,
    skipped: u64,
    dropped: u64,
}

// === impl Loop ===

impl Loop {
    /// Writes until told to end, or until every handle of the journal is gone.
    pub(super) fn run(mut self) {
        self.forget_producers();
        loop {
            match self.commands.recv_timeout(PROBE_INTERVAL) {
                Ok(first) => {
                    let closed = self.write_group(first);
                    if closed {
                        return;
                    }
                }
                // Nobody sends to a service that says it cannot serve, so it must find out by itself when it can.
                Err(RecvTimeoutError::Timeout) if !*self.writable.borrow() => self.probe(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Writes what waits; true when it was told to end.
    fn write_group(&mut self, first: Command) -> bool {
        let mut closed = false;
        let mut appends = Vec::new();
        let mut trim = Position(0);
        let mut bytes = 0;
        let mut next = Some(first);
        let mut n_commands = 0;
        while let Some(command) = next {
            match command {
                Command::Append(append) => {
                    bytes += append.body.len();
                    appends.push(append);
                }
                Command::Trim(through) => trim = trim.max(through),
                Command::Close => closed = true,
            }
            n_commands += 1;
            let full = closed || bytes >= GROUP_BYTES || n_commands >= GROUP_COMMANDS;
            next = if full { None } else { self.commands.try_recv().ok() };
        }
        let start = Instant::now();
        match write(&mut self.connection, &appends, trim) {
            Ok(outcome) => {
                self.metrics.spool_commit.observe(start.elapsed().as_secs_f64());
                self.succeed(appends, outcome);
            }
            Err(error) => {
                self.fail(&error);
                for append in appends {
                    // Whoever asked may be gone; the batch is not stored and will be sent again.
                    let _ = append.reply.send(Err(AppendError::Unavailable));
                }
            }
        }
        closed
    }

    fn succeed(&mut self, appends: Vec<Append>, outcome: Outcome) {
        self.recover();
        let Outcome {
            appended,
            bytes_added,
            bytes_removed,
            hits,
            skipped,
            dropped,
        } = outcome;
        self.stored_bytes.fetch_add(bytes_added, Ordering::Relaxed);
        let before = self.stored_bytes.fetch_sub(bytes_removed, Ordering::Relaxed);
        self.metrics.spool_bytes.set(before.saturating_sub(bytes_removed));
        self.metrics.hits_stored.inc_by(hits);
        self.metrics.batches_missing.inc_by(skipped);
        self.metrics.hits_dropped_by_producers.inc_by(dropped);
        if bytes_added > 0 {
            self.appended.notify_one();
        }
        for (append, appended) in appends.into_iter().zip(appended) {
            // Whoever asked may be gone; the batch is stored, and sent again it will be known.
            let _ = append.reply.send(Ok(appended));
        }
    }

    fn fail(&mut self, error: &rusqlite::Error) {
        self.metrics.spool_failures.inc();
        if self.writable.send_replace(false) {
            error!(%error, "Cannot write the spool; hits are refused until it works again.");
        }
    }

    fn recover(&mut self) {
        if !self.writable.send_replace(true) {
            info!("The spool can be written again.");
        }
    }

    fn probe(&mut self) {
        match self.connection.execute("UPDATE meta SET probe = probe + 1", []) {
            Ok(_) => self.recover(),
            Err(error) => self.fail(&error),
        }
    }

    /// Keeps the table of producers bounded. Done at the start and whenever a transaction finds it too long.
    fn forget_producers(&mut self) {
        if let Err(error) = forget_producers(&self.connection) {
            self.fail(&error);
        }
    }
}

fn forget_producers(connection: &Connection) -> Result<(), rusqlite::Error> {
    let n: i64 = connection.query_row("SELECT count(*) FROM producer", [], |row| row.get(0))?;
    if n as u64 > MAX_PRODUCERS {
        connection.execute(
            "DELETE FROM producer WHERE (node, boot) IN (SELECT node, boot FROM producer ORDER BY hour LIMIT ?)",
            [n - (MAX_PRODUCERS as i64) * 9 / 10],
        )?;
    }
    Ok(())
}

/// One transaction with everything in the group.
fn write(connection: &mut Connection, appends: &[Append], trim: Position) -> Result<Outcome, rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcome = Outcome::default();
    if trim > Position(0) {
        let through = trim.0 as i64;
        let removed: i64 = transaction
            .prepare_cached("SELECT coalesce(sum(length(body)), 0) FROM entry WHERE position <= ?")?
            .query_row([through], |row| row.get(0))?;
        transaction
            .prepare_cached("DELETE FROM entry WHERE position <= ?")?
            .execute([through])?;
        outcome.bytes_removed = removed as u64;
    }
    let hour = Timestamp::now().as_second() / 3600;
    let mut new_producers = false;
    for append in appends {
        let (known, new_producer) = admit(&transaction, append, hour, &mut outcome)?;
        new_producers |= new_producer;
        if known {
            outcome.appended.push(Appended::Already);
            continue;
        }
        if append.n_hits > 0 {
            transaction
                .prepare_cached("INSERT INTO entry(body) VALUES (?)")?
                .execute([&append.body])?;
            outcome.bytes_added += append.body.len() as u64;
            outcome.hits += append.n_hits;
        }
        outcome.appended.push(Appended::Now);
    }
    if new_producers {
        forget_producers(&transaction)?;
    }
    transaction.commit()?;
    Ok(outcome)
}

/// Whether the batch is known, and whether its producer was not.
fn admit(
    transaction: &Transaction<'_>,
    append: &Append,
    hour: i64,
    outcome: &mut Outcome,
) -> Result<(bool, bool), rusqlite::Error> {
    let Producer { node, boot } = &append.producer;
    // SQLite's integers are signed; the bits are what matters.
    let boot = *boot as i64;
    let row = transaction
        .prepare_cached("SELECT last, taken, dropped_total FROM producer WHERE node = ? AND boot = ?")?
        .query_row(params![node, boot], |row| {
            let window = Window {
                last: row.get::<_, i64>(0)? as u64,
                taken: row.get::<_, i64>(1)? as u64,
            };
            Ok((window, row.get::<_, i64>(2)? as u64))
        })
        .optional()?;
    let new_producer = row.is_none();
    let (window, dropped_before) = match row {
        None => (Window::first(append.sequence), 0),
        Some((mut window, dropped_before)) => match window.admit(append.sequence) {
            Admission::Known => return Ok((true, false)),
            Admission::New { skipped } => {
                outcome.skipped = outcome.skipped.saturating_add(skipped);
                (window, dropped_before)
            }
        },
    };
    let dropped_total = append.dropped_total.min(i64::MAX as u64).max(dropped_before);
    outcome.dropped = outcome.dropped.saturating_add(dropped_total - dropped_before);
    transaction
        .prepare_cached(
            "INSERT INTO producer(node, boot, last, taken, dropped_total, hour) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT(node, boot) DO UPDATE SET
                 last = excluded.last, taken = excluded.taken,
                 dropped_total = excluded.dropped_total, hour = excluded.hour",
        )?
        .execute(params![
            node,
            boot,
            window.last as i64,
            window.taken as i64,
            dropped_total as i64,
            hour
        ])?;
    Ok((false, new_producer))
}
