//! What changes the tables, and what grouping asks before it does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::{Client, GenericClient, Transaction};

use super::super::column;
use crate::{
    aggregate::{AttackDelta, Merge, Span, Wanted},
    attack::{KeyDigest, Sources},
    hit::{Action, StoredHit},
    id::{AttackId, HitId, JournalId, Position, Slot},
    store::{Applied, Retained, Retention, Revision, StoreError, WriteUnit},
};

/// Rows deleted per call of [`retain`].
const RETAIN_ROWS: i64 = 5000;
/// Bytes of a hit besides its content: row header, columns and entries of three indexes, roughly.
const ROW_BYTES: i64 = 180;

/// Where attacks of a key are kept.
fn shard(digest: KeyDigest) -> i16 {
    i16::from(digest.0[0])
}

pub(super) async fn applied(client: &impl GenericClient, journal: JournalId) -> Result<Position, StoreError> {
    let sql = "SELECT applied FROM journal WHERE id = $1";
    let row = client.query_opt(sql, &[&journal.0.as_bytes().as_slice()]).await?;
    let applied: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
    Ok(Position(applied as u64))
}

pub(super) async fn revision(client: &Client) -> Result<Revision, StoreError> {
    let row = client
        .query_one("SELECT revision FROM state WHERE one = 1", &[])
        .await?;
    Ok(Revision(row.try_get::<_, i64>(0)? as u64))
}

pub(super) async fn taken(client: &Client, slots: &[Slot]) -> Result<Vec<Option<HitId>>, StoreError> {
    let first: Vec<i64> = slots.iter().map(|slot| slot.first_id().as_row()).collect();
    let last: Vec<i64> = slots.iter().map(|slot| slot.last_id().as_row()).collect();
    let sql = "SELECT (SELECT max(id) FROM hit WHERE id BETWEEN s.first AND s.last) \
               FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS s(first, last, n) ORDER BY s.n";
    let rows = client.query(sql, &[&first, &last]).await?;
    let id = |row: tokio_postgres::Row| Ok(row.try_get::<_, Option<i64>>(0)?.and_then(HitId::from_row));
    rows.into_iter().map(id).collect()
}

pub(super) async fn spans(client: &Client, wanted: &[Wanted]) -> Result<Vec<Span>, StoreError> {
    let shards: Vec<i16> = wanted.iter().map(|wanted| shard(wanted.key)).collect();
    let digests: Vec<&[u8]> = wanted.iter().map(|wanted| wanted.key.0.as_slice()).collect();
    let from: Vec<i64> = wanted.iter().map(|wanted| wanted.from.as_microsecond()).collect();
    let until: Vec<i64> = wanted.iter().map(|wanted| wanted.until.as_microsecond()).collect();
    let sql = "SELECT a.id, a.digest, a.first, a.last FROM attack a \
               JOIN unnest($1::smallint[], $2::bytea[], $3::bigint[], $4::bigint[]) AS w(shard, digest, since, until) \
               ON a.shard = w.shard AND a.digest = w.digest AND a.last >= w.since AND a.first <= w.until";
    let rows = client.query(sql, &[&shards, &digests, &from, &until]).await?;
    let mut spans = Vec::with_capacity(rows.len());
    for row in rows {
        let digest: &[u8] = row.try_get(1)?;
        spans.push(Span {
            id: column::attack_id_from(row.try_get(0)?)?,
            key: KeyDigest(digest.try_into().map_err(|_| column::damaged("digest"))?),
            first: column::time_from(row.try_get(2)?)?,
            last: column::time_from(row.try_get(3)?)?,
        });
    }
    Ok(spans)
}

pub(super) async fn apply(client: &mut Client, unit: &WriteUnit) -> Result<Applied, StoreError> {
    let WriteUnit {
        basis,
        journal,
        after,
        through,
        merges,
        deltas,
        hits,
    } = unit;
    let transaction = client.transaction().await?;
    let applied = applied(&transaction, *journal).await?;
    if applied >= *through {
        return Ok(Applied::Already);
    }
    if applied != *after {
        return Err(StoreError::Gap { after: *after, applied });
    }
    let contents: Vec<Vec<u8>> = hits
        .iter()
        .map(|stored| column::body(&stored.node, &stored.hit))
        .collect();
    let bytes: i64 = contents.iter().map(|content| content.len() as i64 + ROW_BYTES).sum();
    // Holds the row until the end: whoever decided from the same revision waits here, and then finds it outdated.
    let sql = "UPDATE state SET revision = revision + 1, bytes = bytes + $2 WHERE one = 1 AND revision = $1";
    if transaction.execute(sql, &[&(basis.0 as i64), &bytes]).await? == 0 {
        return Err(StoreError::Outdated);
    }
    for merge in merges {
        carry_out(&transaction, *merge).await?;
    }
    let shards = add(&transaction, deltas).await?;
    insert(&transaction, hits, contents, &shards).await?;
    let sql = "INSERT INTO journal(id, applied) VALUES ($1, $2) \
               ON CONFLICT (id) DO UPDATE SET applied = excluded.applied";
    let values: (&[u8], i64) = (journal.0.as_bytes(), through.0 as i64);
    transaction.execute(sql, &[&values.0, &values.1]).await?;
    transaction.commit().await?;
    Ok(Applied::Now)
}

/// Makes two attacks one. Rare.
async fn carry_out(transaction: &Transaction<'_>, merge: Merge) -> Result<(), StoreError> {
    let Merge { from, into } = merge;
    let (from, into) = (from.0.as_row(), into.0.as_row());
    transaction
        .execute("UPDATE hit SET attack = $2 WHERE attack = $1", &[&from, &into])
        .await?;
    let sql = "UPDATE attack a SET \
                   payload = CASE WHEN (o.last, o.payload) > (a.last, a.payload) THEN o.payload ELSE a.payload END, \
                   first = least(a.first, o.first), \
                   last = greatest(a.last, o.last), \
                   hits = a.hits + o.hits, \
                   blocked_hits = a.blocked_hits + o.blocked_hits, \
                   counted_hits = a.counted_hits + o.counted_hits \
               FROM attack o WHERE o.id = $1 AND a.id = $2 AND a.shard = o.shard RETURNING a.shard";
    let row = transaction.query_one(sql, &[&from, &into]).await?;
    let shard: i16 = row.try_get(0)?;
    let sql = "DELETE FROM attack_source WHERE shard = $1 AND attack = $2 RETURNING address";
    let mut sources = Sources::default();
    for row in transaction.query(sql, &[&shard, &from]).await? {
        sources.insert(column::address_from(row.try_get(0)?).ok_or_else(|| column::damaged("address"))?);
    }
    transaction
        .execute("DELETE FROM attack WHERE shard = $1 AND id = $2", &[&shard, &from])
        .await?;
    add_sources(transaction, &[(shard, into, &sources)]).await
}

/// Adds to attacks; opens those that do not exist. Deltas come in the order of ids, so two transactions never wait for
/// each other. Returns the shard of each attack.
async fn add(transaction: &Transaction<'_>, deltas: &[AttackDelta]) -> Result<BTreeMap<AttackId, i16>, StoreError> {
    let digests: Vec<KeyDigest> = deltas.iter().map(|delta| delta.key.digest()).collect();
    let shards: Vec<i16> = digests.iter().map(|digest| shard(*digest)).collect();
    let digests: Vec<&[u8]> = digests.iter().map(|digest| digest.0.as_slice()).collect();
    let numbers = |of: fn(&AttackDelta) -> i64| deltas.iter().map(of).collect::<Vec<i64>>();
    let ids = numbers(|delta| delta.id.0.as_row());
    let applications: Vec<i32> = deltas.iter().map(|delta| delta.key.application).collect();
    let types: Vec<&str> = deltas.iter().map(|delta| delta.key.attack_type.as_str()).collect();
    let hosts: Vec<&[u8]> = deltas.iter().map(|delta| delta.key.host.as_slice()).collect();
    let paths: Vec<&[u8]> = deltas.iter().map(|delta| delta.key.path.as_slice()).collect();
    let points: Vec<Vec<u8>> = deltas.iter().map(|delta| column::point(&delta.key.point)).collect();
    let payloads: Vec<&[u8]> = deltas.iter().map(|delta| delta.payload.as_slice()).collect();
    let sql = "INSERT INTO attack(shard, id, digest, application, attack_type, host, path, point, \
                   first, last, hits, blocked_hits, counted_hits, payload, n_sources) \
               SELECT d.*, 0 FROM unnest($1::smallint[], $2::bigint[], $3::bytea[], $4::integer[], $5::text[], \
                   $6::bytea[], $7::bytea[], $8::bytea[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], \
                   $13::bigint[], $14::bytea[]) AS d \
               ON CONFLICT (shard, id) DO UPDATE SET \
                   payload = CASE WHEN (excluded.last, excluded.payload) > (attack.last, attack.payload) \
                       THEN excluded.payload ELSE attack.payload END, \
                   first = least(attack.first, excluded.first), \
                   last = greatest(attack.last, excluded.last), \
                   hits = attack.hits + excluded.hits, \
                   blocked_hits = attack.blocked_hits + excluded.blocked_hits, \
                   counted_hits = attack.counted_hits + excluded.counted_hits";
    let first = numbers(|delta| delta.first.as_microsecond());
    let last = numbers(|delta| delta.last.as_microsecond());
    let hits = numbers(|delta| delta.hits as i64);
    let blocked_hits = numbers(|delta| delta.blocked_hits as i64);
    let counted_hits = numbers(|delta| delta.counted_hits as i64);
    transaction
        .execute(
            sql,
            &[
                &shards,
                &ids,
                &digests,
                &applications,
                &types,
                &hosts,
                &paths,
                &points,
                &first,
                &last,
                &hits,
                &blocked_hits,
                &counted_hits,
                &payloads,
            ],
        )
        .await?;
    let sources: Vec<(i16, i64, &Sources)> = shards
        .iter()
        .zip(&ids)
        .zip(deltas)
        .map(|((shard, id), delta)| (*shard, *id, &delta.sources))
        .collect();
    add_sources(transaction, &sources).await?;
    Ok(deltas.iter().map(|delta| delta.id).zip(shards).collect())
}

/// Adds sources to attacks: of more than [`Sources::MAX`] the smallest stay.
async fn add_sources(transaction: &Transaction<'_>, added: &[(i16, i64, &Sources)]) -> Result<(), StoreError> {
    let (mut shards, mut attacks, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    for (shard, attack, sources) in added {
        for address in sources.iter() {
            shards.push(*shard);
            attacks.push(*attack);
            addresses.push(column::address(*address));
        }
    }
    let sql = "INSERT INTO attack_source(shard, attack, address) \
               SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) \
               ON CONFLICT DO NOTHING RETURNING shard, attack";
    let mut new: BTreeMap<(i16, i64), i32> = BTreeMap::new();
    for row in transaction.query(sql, &[&shards, &attacks, &addresses]).await? {
        *new.entry((row.try_get(0)?, row.try_get(1)?)).or_default() += 1;
    }
    if new.is_empty() {
        return Ok(());
    }
    let shards: Vec<i16> = new.keys().map(|(shard, _)| *shard).collect();
    let attacks: Vec<i64> = new.keys().map(|(_, attack)| *attack).collect();
    let counts: Vec<i32> = new.into_values().collect();
    let sql = "UPDATE attack a SET n_sources = a.n_sources + n.n \
               FROM unnest($1::smallint[], $2::bigint[], $3::integer[]) AS n(shard, id, n) \
               WHERE a.shard = n.shard AND a.id = n.id RETURNING a.shard, a.id, a.n_sources";
    for row in transaction.query(sql, &[&shards, &attacks, &counts]).await? {
        let (shard, attack, n): (i16, i64, i32) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let max = Sources::MAX as i32;
        if n <= max {
            continue;
        }
        let sql = "DELETE FROM attack_source WHERE shard = $1 AND attack = $2 AND address IN \
                       (SELECT address FROM attack_source WHERE shard = $1 AND attack = $2 \
                        ORDER BY address DESC LIMIT $3)";
        transaction
            .execute(sql, &[&shard, &attack, &i64::from(n - max)])
            .await?;
        let sql = "UPDATE attack SET n_sources = $3 WHERE shard = $1 AND id = $2";
        transaction.execute(sql, &[&shard, &attack, &max]).await?;
    }
    Ok(())
}

async fn insert(
    transaction: &Transaction<'_>,
    hits: &[StoredHit],
    contents: Vec<Vec<u8>>,
    shards: &BTreeMap<AttackId, i16>,
) -> Result<(), StoreError> {
    let shard = |stored: &StoredHit| {
        // Every hit adds to its attack, so there is a delta.
        let shard = shards.get(&stored.attack).copied();
        shard.ok_or_else(|| column::damaged("unit"))
    };
    let shards: Vec<i16> = hits.iter().map(shard).collect::<Result<_, _>>()?;
    let ids: Vec<i64> = hits.iter().map(|stored| stored.id.as_row()).collect();
    let attacks: Vec<i64> = hits.iter().map(|stored| stored.attack.0.as_row()).collect();
    let addresses: Vec<Option<Vec<u8>>> = hits
        .iter()
        .map(|stored| stored.hit.remote_addr.map(column::address))
        .collect();
    let sql = "INSERT INTO hit(shard, id, attack, remote_addr, content, blocked) \
               SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], \
               $6::boolean[])";
    let blocked: Vec<bool> = hits.iter().map(|stored| stored.hit.action == Action::Blocked).collect();
    transaction
        .execute(sql, &[&shards, &ids, &attacks, &addresses, &contents, &blocked])
        .await?;
    Ok(())
}

pub(super) async fn retain(client: &mut Client, retention: Retention, now: Timestamp) -> Result<Retained, StoreError> {
    let Retention { max_bytes, max_age } = retention;
    let mut retained = Retained::default();
    let transaction = client.transaction().await?;
    // Other processes clean up too; one at a time does, and none writes meanwhile.
    let row = transaction
        .query_one("SELECT bytes FROM state WHERE one = 1 FOR UPDATE", &[])
        .await?;
    let used: i64 = row.try_get(0)?;
    let oldest_kept = Slot::nearest(now.checked_sub(max_age).unwrap_or(Timestamp::MIN)).first_id();
    // The last of the rows to delete: the oldest ones, all of them when there are too many bytes, else those too old.
    let bound = if used.max(0) as u64 > max_bytes {
        i64::MAX
    } else {
        oldest_kept.as_row()
    };
    let sql = "WITH gone AS (DELETE FROM hit WHERE id IN (SELECT id FROM hit WHERE id < $1 ORDER BY id LIMIT $2) \
                   RETURNING octet_length(content) AS bytes) \
               SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM gone";
    let row = transaction.query_one(sql, &[&bound, &RETAIN_ROWS]).await?;
    let (n_hits, bytes): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let freed = bytes + n_hits * ROW_BYTES;
    // The oldest hits go first, so an attack whose last hit is older than every kept one has none left.
    let row = transaction.query_one("SELECT min(id) FROM hit", &[]).await?;
    let empty_before = match row.try_get::<_, Option<i64>>(0)?.and_then(HitId::from_row) {
        Some(id) => id.time().as_microsecond(),
        None => i64::MAX,
    };
    let sql = "DELETE FROM attack WHERE (shard, id) IN \
                   (SELECT shard, id FROM attack WHERE last < $1 ORDER BY last LIMIT $2) RETURNING shard, id";
    let rows = transaction.query(sql, &[&empty_before, &RETAIN_ROWS]).await?;
    let (mut shards, mut attacks) = (Vec::new(), Vec::new());
    for row in rows {
        shards.push(row.try_get::<_, i16>(0)?);
        attacks.push(row.try_get::<_, i64>(1)?);
    }
    let sql = "DELETE FROM attack_source s USING unnest($1::smallint[], $2::bigint[]) AS gone(shard, attack) \
               WHERE s.shard = gone.shard AND s.attack = gone.attack";
    transaction.execute(sql, &[&shards, &attacks]).await?;
    // What was decided from attacks that are gone must be decided anew.
    let advance = i64::from(!attacks.is_empty());
    let sql = "UPDATE state SET bytes = bytes - $1, revision = revision + $2 WHERE one = 1";
    transaction.execute(sql, &[&freed, &advance]).await?;
    transaction.commit().await?;
    retained.hits = n_hits.max(0) as u64;
    retained.attacks = attacks.len() as u64;
    retained.bytes = (used - freed).max(0) as u64;
    let too_much = retained.bytes > max_bytes || n_hits == RETAIN_ROWS;
    retained.more = (too_much && retained.hits > 0) || retained.attacks as i64 == RETAIN_ROWS;
    Ok(retained)
}
