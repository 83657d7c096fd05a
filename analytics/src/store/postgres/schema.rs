//! Tables in PostgreSQL, and the steps that lead to them.

use tokio_postgres::Client;

use super::ConnectError;

/// Steps from an empty database to the current version, each a list of statements; run once, in order.
///
/// Times are microseconds since 1970. `shard` is the first byte of the digest of an attack's key: an attack, its sources
/// and its hits have the same.
const STEPS: &[&[&str]] = &[
    &[
        // How far each journal has been written.
        "CREATE TABLE journal(id bytea PRIMARY KEY, applied bigint NOT NULL)",
        // One row: the revision, and the bytes that hits take.
        "CREATE TABLE state(one smallint PRIMARY KEY, revision bigint NOT NULL, bytes bigint NOT NULL)",
        "INSERT INTO state VALUES (1, 0, 0)",
        "CREATE TABLE attack(
        shard smallint NOT NULL,
        id bigint NOT NULL,
        digest bytea NOT NULL,
        application integer NOT NULL,
        attack_type text NOT NULL,
        host bytea NOT NULL,
        path bytea NOT NULL,
        point bytea NOT NULL,
        first bigint NOT NULL,
        last bigint NOT NULL,
        hits bigint NOT NULL,
        blocked_hits bigint NOT NULL,
        counted_hits bigint NOT NULL,
        n_sources integer NOT NULL,
        payload bytea NOT NULL,
        PRIMARY KEY(shard, id)
    )",
        "CREATE INDEX attack_id ON attack(id)",
        "CREATE INDEX attack_digest ON attack(shard, digest, last)",
        "CREATE INDEX attack_last ON attack(last, id)",
        "CREATE INDEX attack_type ON attack(attack_type, last, id)",
        "CREATE INDEX attack_host ON attack(host, last, id)",
        "CREATE TABLE attack_source(
        shard smallint NOT NULL,
        attack bigint NOT NULL,
        address bytea NOT NULL,
        PRIMARY KEY(shard, attack, address)
    )",
        // The id is the time. The content is compressed here, not by the server, whose builds differ in what they can do.
        "CREATE TABLE hit(
        shard smallint NOT NULL,
        id bigint NOT NULL,
        attack bigint NOT NULL,
        remote_addr bytea,
        content bytea NOT NULL,
        PRIMARY KEY(shard, id)
    )",
        "CREATE INDEX hit_id ON hit(id)",
        "CREATE INDEX hit_attack ON hit(attack, id)",
    ],
    &["ALTER TABLE hit ADD COLUMN blocked boolean NOT NULL DEFAULT false"],
];

/// Brings the tables to the current version. Several processes may do so at the same time: one does, the others wait.
pub(super) async fn migrate(client: &mut Client) -> Result<(), ConnectError> {
    let known = STEPS.len() as i32;
    let create = "CREATE TABLE IF NOT EXISTS schema_version(one smallint PRIMARY KEY, version integer NOT NULL)";
    if let Err(error) = client.execute(create, &[]).await {
        // Two that create at the same time may get in each other's way; the table is there then.
        client
            .query("SELECT version FROM schema_version", &[])
            .await
            .map_err(|_| error)?;
    }
    client
        .execute("INSERT INTO schema_version VALUES (1, 0) ON CONFLICT DO NOTHING", &[])
        .await?;
    let transaction = client.transaction().await?;
    let row = transaction
        .query_one("SELECT version FROM schema_version WHERE one = 1 FOR UPDATE", &[])
        .await?;
    let found: i32 = row.get(0);
    if found > known {
        return Err(ConnectError::Newer { found, known });
    }
    for statement in STEPS.iter().skip(found as usize).copied().flatten() {
        transaction.execute(*statement, &[]).await?;
    }
    transaction
        .execute("UPDATE schema_version SET version = $1 WHERE one = 1", &[&known])
        .await?;
    transaction.commit().await?;
    Ok(())
}
