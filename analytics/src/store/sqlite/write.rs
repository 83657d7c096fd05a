//! What changes `store.db`, and what grouping asks before it does.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::super::column;
use crate::{
    aggregate::{AttackDelta, Merge, Span, Wanted},
    attack::{KeyDigest, Sources},
    hit::Action,
    id::{AttackId, HitId, JournalId, Position, Slot},
    store::{Applied, Retained, Retention, Revision, StoreError, WriteUnit},
};

/// Rows deleted per call of [`retain`].
const RETAIN_ROWS: i64 = 5000;
/// Free pages given back to the file system per call of [`retain`].
const RETAIN_PAGES: i64 = 4000;

pub(super) fn applied(connection: &Connection, journal: JournalId) -> Result<Position, rusqlite::Error> {
    let applied: Option<i64> = connection
        .prepare_cached("SELECT applied FROM journal WHERE id = ?")?
        .query_row([journal.0.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(Position(applied.unwrap_or(0) as u64))
}

pub(super) fn revision(connection: &Connection) -> Result<Revision, rusqlite::Error> {
    let revision: i64 = connection
        .prepare_cached("SELECT revision FROM state")?
        .query_row([], |row| row.get(0))?;
    Ok(Revision(revision as u64))
}

pub(super) fn taken(connection: &Connection, slots: &[Slot]) -> Result<Vec<Option<HitId>>, rusqlite::Error> {
    let mut greatest = connection.prepare_cached("SELECT max(id) FROM hit WHERE id BETWEEN ? AND ?")?;
    let mut ids = Vec::with_capacity(slots.len());
    for slot in slots {
        let range = [slot.first_id().as_row(), slot.last_id().as_row()];
        let id: Option<i64> = greatest.query_row(range, |row| row.get(0))?;
        ids.push(id.and_then(HitId::from_row));
    }
    Ok(ids)
}

pub(super) fn spans(connection: &Connection, wanted: &[Wanted]) -> Result<Vec<Span>, StoreError> {
    let mut overlapping = connection
        .prepare_cached("SELECT id, first, last FROM attack WHERE digest = ?1 AND last >= ?2 AND first <= ?3")?;
    let mut spans = Vec::new();
    for Wanted { key, from, until } in wanted {
        let mut rows = overlapping.query(params![key.0, from.as_microsecond(), until.as_microsecond()])?;
        while let Some(row) = rows.next()? {
            spans.push(Span {
                id: column::attack_id_from(row.get(0)?)?,
                key: *key,
                first: column::time_from(row.get(1)?)?,
                last: column::time_from(row.get(2)?)?,
            });
        }
    }
    Ok(spans)
}

pub(super) fn apply(connection: &mut Connection, unit: &WriteUnit) -> Result<Applied, StoreError> {
    let WriteUnit {
        basis,
        journal,
        after,
        through,
        merges,
        deltas,
        hits,
    } = unit;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let applied = applied(&transaction, *journal)?;
    if applied >= *through {
        return Ok(Applied::Already);
    }
    if applied != *after {
        return Err(StoreError::Gap { after: *after, applied });
    }
    let advanced = transaction
        .prepare_cached("UPDATE state SET revision = revision + 1 WHERE revision = ?")?
        .execute([basis.0 as i64])?;
    if advanced == 0 {
        return Err(StoreError::Outdated);
    }
    for merge in merges {
        carry_out(&transaction, *merge)?;
    }
    for delta in deltas {
        add(&transaction, delta)?;
    }
    {
        let mut hit_row =
            transaction.prepare_cached("INSERT INTO hit(id, attack, remote_addr, blocked) VALUES (?, ?, ?, ?)")?;
        let mut body_row = transaction.prepare_cached("INSERT INTO body(id, content) VALUES (?, ?)")?;
        for stored in hits {
            let id = stored.id.as_row();
            let address = stored.hit.remote_addr.map(column::address);
            let blocked = stored.hit.action == Action::Blocked;
            hit_row.execute(params![id, stored.attack.0.as_row(), address, blocked])?;
            body_row.execute(params![id, column::body(&stored.node, &stored.hit)])?;
        }
    }
    transaction
        .prepare_cached(
            "INSERT INTO journal(id, applied) VALUES (?, ?) ON CONFLICT(id) DO UPDATE SET applied = excluded.applied",
        )?
        .execute(params![journal.0.as_bytes(), through.0 as i64])?;
    transaction.commit()?;
    Ok(Applied::Now)
}

/// Makes two attacks one.
fn carry_out(transaction: &Transaction<'_>, merge: Merge) -> Result<(), StoreError> {
    let Merge { from, into } = merge;
    let (from, into) = (from.0.as_row(), into.0.as_row());
    transaction
        .prepare_cached("UPDATE hit SET attack = ?2 WHERE attack = ?1")?
        .execute([from, into])?;
    transaction
        .prepare_cached(
            "UPDATE attack SET
                 payload = CASE WHEN (o.last, o.payload) > (attack.last, attack.payload)
                     THEN o.payload ELSE attack.payload END,
                 first = min(attack.first, o.first),
                 last = max(attack.last, o.last),
                 hits = attack.hits + o.hits,
                 blocked_hits = attack.blocked_hits + o.blocked_hits,
                 counted_hits = attack.counted_hits + o.counted_hits
             FROM attack AS o WHERE o.id = ?1 AND attack.id = ?2",
        )?
        .execute([from, into])?;
    let mut sources = Sources::default();
    {
        let mut statement = transaction.prepare_cached("SELECT address FROM attack_source WHERE attack = ?")?;
        let mut rows = statement.query([from])?;
        while let Some(row) = rows.next()? {
            let bytes: Vec<u8> = row.get(0)?;
            sources.insert(column::address_from(&bytes).ok_or_else(|| column::damaged("address"))?);
        }
    }
    add_sources(transaction, into, &sources)?;
    transaction
        .prepare_cached("DELETE FROM attack_source WHERE attack = ?")?
        .execute([from])?;
    transaction
        .prepare_cached("DELETE FROM attack WHERE id = ?")?
        .execute([from])?;
    Ok(())
}

/// Adds to an attack; opens it where there is none.
fn add(transaction: &Transaction<'_>, delta: &AttackDelta) -> Result<(), StoreError> {
    let AttackDelta {
        id: AttackId(id),
        key,
        first,
        last,
        hits,
        blocked_hits,
        counted_hits,
        sources,
        payload,
    } = delta;
    let KeyDigest(digest) = key.digest();
    transaction
        .prepare_cached(
            "INSERT INTO attack(id, digest, application, attack_type, host, path, point,
                                first, last, hits, blocked_hits, counted_hits, n_sources, payload)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)
             ON CONFLICT(id) DO UPDATE SET
                 payload = CASE WHEN (excluded.last, excluded.payload) > (last, payload)
                     THEN excluded.payload ELSE payload END,
                 first = min(first, excluded.first),
                 last = max(last, excluded.last),
                 hits = hits + excluded.hits,
                 blocked_hits = blocked_hits + excluded.blocked_hits,
                 counted_hits = counted_hits + excluded.counted_hits",
        )?
        .execute(params![
            id.as_row(),
            digest,
            key.application,
            key.attack_type.as_str(),
            key.host,
            key.path,
            column::point(&key.point),
            first.as_microsecond(),
            last.as_microsecond(),
            *hits as i64,
            *blocked_hits as i64,
            *counted_hits as i64,
            payload,
        ])?;
    add_sources(transaction, id.as_row(), sources)
}

/// Adds sources to an attack: of more than [`Sources::MAX`] the smallest stay.
fn add_sources(transaction: &Transaction<'_>, attack: i64, sources: &Sources) -> Result<(), StoreError> {
    let mut insert =
        transaction.prepare_cached("INSERT OR IGNORE INTO attack_source(attack, address) VALUES (?, ?)")?;
    let mut added = 0;
    for address in sources.iter() {
        added += insert.execute(params![attack, column::address(*address)])?;
    }
    if added == 0 {
        return Ok(());
    }
    let n: i64 = transaction
        .prepare_cached("UPDATE attack SET n_sources = n_sources + ?2 WHERE id = ?1 RETURNING n_sources")?
        .query_row(params![attack, added as i64], |row| row.get(0))?;
    let max = Sources::MAX as i64;
    if n > max {
        transaction
            .prepare_cached(
                "DELETE FROM attack_source WHERE attack = ?1 AND address IN
                     (SELECT address FROM attack_source WHERE attack = ?1 ORDER BY address DESC LIMIT ?2)",
            )?
            .execute(params![attack, n - max])?;
        transaction
            .prepare_cached("UPDATE attack SET n_sources = ?2 WHERE id = ?1")?
            .execute(params![attack, max])?;
    }
    Ok(())
}

pub(super) fn retain(
    connection: &mut Connection,
    retention: Retention,
    now: Timestamp,
) -> Result<Retained, rusqlite::Error> {
    let Retention { max_bytes, max_age } = retention;
    let mut retained = Retained::default();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let used = used_bytes(&transaction)?;
    let oldest_kept = Slot::nearest(now.checked_sub(max_age).unwrap_or(Timestamp::MIN)).first_id();
    // The last of the rows to delete: the oldest ones, all of them when there are too many bytes, else those too old.
    let bound = if used > max_bytes {
        i64::MAX
    } else {
        oldest_kept.as_row()
    };
    let last: Option<i64> = transaction
        .prepare_cached("SELECT max(id) FROM (SELECT id FROM hit WHERE id < ? ORDER BY id LIMIT ?)")?
        .query_row([bound, RETAIN_ROWS], |row| row.get(0))?;
    if let Some(last) = last {
        transaction
            .prepare_cached("DELETE FROM body WHERE id <= ?")?
            .execute([last])?;
        let n = transaction
            .prepare_cached("DELETE FROM hit WHERE id <= ?")?
            .execute([last])?;
        retained.hits = n as u64;
    }
    // The oldest hits go first, so an attack whose last hit is older than every kept one has none left.
    let oldest: Option<i64> = transaction
        .prepare_cached("SELECT min(id) FROM hit")?
        .query_row([], |row| row.get(0))?;
    let empty_before = match oldest.and_then(HitId::from_row) {
        Some(id) => id.time().as_microsecond(),
        None => i64::MAX,
    };
    transaction
        .prepare_cached(
            "DELETE FROM attack_source WHERE attack IN
                 (SELECT id FROM attack WHERE last < ? ORDER BY last LIMIT ?)",
        )?
        .execute([empty_before, RETAIN_ROWS])?;
    let n = transaction
        .prepare_cached("DELETE FROM attack WHERE id IN (SELECT id FROM attack WHERE last < ? ORDER BY last LIMIT ?)")?
        .execute([empty_before, RETAIN_ROWS])?;
    retained.attacks = n as u64;
    if retained.attacks > 0 {
        transaction
            .prepare_cached("UPDATE state SET revision = revision + 1")?
            .execute([])?;
    }
    transaction.commit()?;
    if retained.hits > 0 || retained.attacks > 0 {
        // Frees one page per step.
        let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({RETAIN_PAGES})"))?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
    }
    retained.bytes = used_bytes(connection)?;
    let too_much = retained.bytes > max_bytes || retained.hits as i64 == RETAIN_ROWS;
    retained.more = (too_much && retained.hits > 0) || retained.attacks as i64 == RETAIN_ROWS;
    Ok(retained)
}

/// Bytes of pages in use.
fn used_bytes(connection: &Connection) -> Result<u64, rusqlite::Error> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let pages = number("page_count")? - number("freelist_count")?;
    Ok((pages * number("page_size")?).max(0) as u64)
}
