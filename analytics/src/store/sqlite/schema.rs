//! Tables of `store.db`.

use crate::database::Schema;

/// Tables of the store. Times are microseconds since 1970; addresses are [`super::column::address`]es.
pub(super) const SCHEMA: Schema = Schema {
    // "WAst"
    application_id: 0x5741_7374,
    steps: &[
        "
        -- How far each journal has been written.
        CREATE TABLE journal(id BLOB PRIMARY KEY, applied INTEGER NOT NULL) STRICT, WITHOUT ROWID;

        CREATE TABLE attack(
            id INTEGER PRIMARY KEY,
            digest BLOB NOT NULL,
            application INTEGER NOT NULL,
            attack_type TEXT NOT NULL,
            host BLOB NOT NULL,
            path BLOB NOT NULL,
            point BLOB NOT NULL,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            hits INTEGER NOT NULL,
            blocked_hits INTEGER NOT NULL,
            n_sources INTEGER NOT NULL,
            payload BLOB NOT NULL
        ) STRICT;
        CREATE INDEX attack_digest ON attack(digest, last);
        CREATE INDEX attack_last ON attack(last);
        CREATE INDEX attack_type ON attack(attack_type, last);
        CREATE INDEX attack_host ON attack(host, last);

        CREATE TABLE attack_source(
            attack INTEGER NOT NULL,
            address BLOB NOT NULL,
            PRIMARY KEY(attack, address)
        ) STRICT, WITHOUT ROWID;

        -- What conditions ask for. The id is the time.
        CREATE TABLE hit(
            id INTEGER PRIMARY KEY,
            attack INTEGER NOT NULL,
            remote_addr BLOB
        ) STRICT;
        CREATE INDEX hit_attack ON hit(attack);

        -- The whole hit, compressed.
        CREATE TABLE body(id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;
    ",
        "
        ALTER TABLE attack ADD COLUMN counted_hits INTEGER NOT NULL DEFAULT 0;
    ",
        "
        CREATE TABLE state(revision INTEGER NOT NULL) STRICT;
        INSERT INTO state VALUES (0);
    ",
        "
        ALTER TABLE hit ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;
    ",
    ],
};
