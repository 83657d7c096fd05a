//! The durable queue between acknowledging a batch and storing its hits: the SQLite file `spool.db`.
//!
//! One thread writes. Whatever batches wait when a commit ends go into the next one, so that the cost of a flush is
//! shared and throughput does not depend on it. A batch is acknowledged after the commit that holds it, never before.
//! The journal knows which batches of each producer it has taken, and takes each once.

mod window;
mod writer;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use prost::Message;
use rusqlite::{Connection, params};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use uuid::Uuid;
use waf_proto::v1;

use crate::{
    database::{self, OpenError, Schema},
    hit::{Batch, Producer},
    id::{JournalId, Position},
    metrics::Metrics,
    wire::{self, Cuts},
};

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is durable now.
    Now,
    /// It was durable already.
    Already,
}

/// Why a batch was not taken. Nothing of it is stored; it may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Too many bytes wait to be written.
    #[error("too many batches are waiting to be written")]
    Busy,
    /// The spool has reached its size limit.
    #[error("the spool is full")]
    Full,
    /// The spool could not be written.
    #[error("the spool cannot be written")]
    Unavailable,
}

/// An entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub position: Position,
    /// The batch; `None` when the bytes are damaged.
    pub batch: Option<Batch>,
}

/// Bounds on a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of batches on disk that are not yet in the store.
    pub max_bytes: u64,
    /// Bytes of batches in memory that wait to be written.
    pub max_waiting_bytes: usize,
}

/// A journal. Clones share it.
#[derive(Clone, Debug)]
pub struct Journal {
    id: JournalId,
    commands: mpsc::Sender<writer::Command>,
    reader: Arc<Mutex<Connection>>,
    room: Arc<Semaphore>,
    stored_bytes: Arc<AtomicU64>,
    max_bytes: u64,
    appended: Arc<Notify>,
    writable: watch::Receiver<bool>,
}

/// The thread that writes a journal.
#[derive(Debug)]
pub struct Writer(JoinHandle<()>);

const SCHEMA: Schema = Schema {
    // "WAsp"
    application_id: 0x5741_7370,
    steps: &["
        CREATE TABLE meta(id BLOB NOT NULL, probe INTEGER NOT NULL) STRICT;
        CREATE TABLE entry(position INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL) STRICT;
        CREATE TABLE producer(
            node TEXT NOT NULL,
            boot INTEGER NOT NULL,
            -- The greatest sequence number taken, and which of the 64 up to it were.
            last INTEGER NOT NULL,
            taken INTEGER NOT NULL,
            dropped_total INTEGER NOT NULL,
            -- Hour of the last batch; coarse, so that the index seldom changes.
            hour INTEGER NOT NULL,
            PRIMARY KEY(node, boot)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX producer_hour ON producer(hour);
    "],
};

// === impl Journal ===

impl Journal {
    /// Opens the file, creating it where it is missing, and starts the thread that writes.
    pub fn open(path: &Path, bounds: Bounds, metrics: Metrics) -> Result<(Journal, Writer), OpenError> {
        let connection = database::open(path, SCHEMA)?;
        let reader = database::open_reader(path)?;
        let start = || {
            let fresh = Uuid::new_v4();
            connection.execute(
                "INSERT INTO meta(id, probe) SELECT ?, 0 WHERE NOT EXISTS (SELECT 1 FROM meta)",
                [fresh.as_bytes()],
            )?;
            let id: [u8; 16] = connection.query_row("SELECT id FROM meta", [], |row| row.get(0))?;
            let bytes: i64 =
                connection.query_row("SELECT coalesce(sum(length(body)), 0) FROM entry", [], |row| row.get(0))?;
            Ok((JournalId(Uuid::from_bytes(id)), bytes as u64))
        };
        let (id, bytes) = start().map_err(|source| OpenError::Sqlite {
            path: path.to_owned(),
            source,
        })?;
        metrics.spool_bytes.set(bytes);
        let stored_bytes = Arc::new(AtomicU64::new(bytes));
        let appended = Arc::new(Notify::new());
        let (commands, received) = mpsc::channel();
        let (writable_sender, writable) = watch::channel(true);
        let writer = writer::Loop {
            connection,
            commands: received,
            stored_bytes: stored_bytes.clone(),
            appended: appended.clone(),
            writable: writable_sender,
            metrics,
        };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::Sqlite {
                path: path.to_owned(),
                source: rusqlite::Error::ToSqlConversionFailure(Box::new(error)),
            })?;
        let journal = Journal {
            id,
            commands,
            reader: Arc::new(Mutex::new(reader)),
            room: Arc::new(Semaphore::new(bounds.max_waiting_bytes.min(Semaphore::MAX_PERMITS))),
            stored_bytes,
            max_bytes: bounds.max_bytes,
            appended,
            writable,
        };
        Ok((journal, Writer(thread)))
    }

    /// Identity of the file.
    pub fn id(&self) -> JournalId {
        self.id
    }

    /// Adds a batch and returns once it is durable.
    ///
    /// A batch counts as sent before when its producer and sequence number are known; of each producer the last 64
    /// numbers are told apart, and older ones count as known.
    pub async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        let Batch {
            ref producer,
            sequence,
            ref hits,
            dropped_total,
        } = batch;
        let (producer, n_hits) = (producer.clone(), hits.len() as u64);
        let body = wire::batch_to(batch).encode_to_vec();
        let permits = u32::try_from(body.len() + 256).unwrap_or(u32::MAX);
        let Ok(permit) = self.room.clone().try_acquire_many_owned(permits) else {
            return Err(AppendError::Busy);
        };
        if self.stored_bytes.load(Ordering::Relaxed) + body.len() as u64 > self.max_bytes {
            return Err(AppendError::Full);
        }
        let (reply, answer) = oneshot::channel();
        let append = writer::Append {
            producer,
            sequence,
            dropped_total,
            n_hits,
            body,
            reply,
            _permit: permit,
        };
        let sent = self.commands.send(writer::Command::Append(append));
        if sent.is_err() {
            return Err(AppendError::Unavailable);
        }
        answer.await.unwrap_or(Err(AppendError::Unavailable))
    }

    /// Entries after a position, in order: at least one where there is one, then as many as fit `max_bytes`.
    pub async fn read(&self, after: Position, max_bytes: usize) -> Result<Vec<Entry>, rusqlite::Error> {
        let reader = self.reader.clone();
        let read = move || {
            let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let mut statement =
                reader.prepare_cached("SELECT position, body FROM entry WHERE position > ? ORDER BY position")?;
            let mut rows = statement.query(params![after.0 as i64])?;
            let mut entries = Vec::new();
            let mut bytes = 0;
            while let Some(row) = rows.next()? {
                let position = Position(row.get::<_, i64>(0)? as u64);
                let body = row.get_ref(1)?.as_bytes().unwrap_or_default();
                bytes += body.len();
                let batch = decode(body);
                entries.push(Entry { position, batch });
                if bytes >= max_bytes {
                    break;
                }
            }
            Ok(entries)
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(entries) => entries,
            Err(error) => Err(rusqlite::Error::ToSqlConversionFailure(Box::new(error))),
        }
    }

    /// Deletes entries that are in the store. Happens with the next commit; may be lost in a crash, and then the same
    /// entries are read again.
    pub fn trim(&self, through: Position) {
        // Without a writer the process is ending, and the entries are trimmed after the next start.
        let _ = self.commands.send(writer::Command::Trim(through));
    }

    /// Ends the thread that writes, after everything sent so far. Batches that come later are not taken.
    pub fn close(&self) {
        // Without a writer there is nothing to end.
        let _ = self.commands.send(writer::Command::Close);
    }

    /// Returns when a batch was added since the last call.
    pub async fn appended(&self) {
        self.appended.notified().await;
    }

    /// Part of the room on disk that is in use, from 0 to 1.
    pub fn fill(&self) -> f64 {
        self.stored_bytes.load(Ordering::Relaxed) as f64 / self.max_bytes.max(1) as f64
    }

    /// Whether the last attempt to write worked.
    pub fn writable(&self) -> watch::Receiver<bool> {
        self.writable.clone()
    }
}

fn decode(body: &[u8]) -> Option<Batch> {
    let v1::ReportHitsRequest {
        producer,
        sequence,
        hits,
        dropped_total,
    } = v1::ReportHitsRequest::decode(body).ok()?;
    let v1::Producer { node, boot } = producer?;
    // What is in the journal was checked and cut before.
    let mut cuts = Cuts::default();
    let hits: Result<_, _> = hits.into_iter().map(|hit| wire::hit_from(hit, &mut cuts)).collect();
    Some(Batch {
        producer: Producer { node, boot },
        sequence,
        hits: hits.ok()?,
        dropped_total,
    })
}

// === impl Writer ===

impl Writer {
    /// Waits until the thread has ended, see [`Journal::close`].
    pub fn join(self) {
        // A panic of the thread has been reported already, and every append since has failed.
        let _ = self.0.join();
    }
}
