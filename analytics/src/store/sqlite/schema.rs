//! Tables of `store.db` and how values stand in them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use prost::Message;
use waf_proto::v1;

use crate::{
    database::Schema,
    hit::{Hit, Point, StoredHit},
    id::{AttackId, HitId},
    store::StoreError,
    wire::{self, Cuts},
};

/// Tables of the store. Times are microseconds since 1970; addresses are [`address`]es.
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
    ],
};

/// An address as it stands in a column: orders like [`IpAddr`].
pub(super) fn address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => [&[4], v4.octets().as_slice()].concat(),
        IpAddr::V6(v6) => [&[6], v6.octets().as_slice()].concat(),
    }
}

/// An address from its column; `None` when damaged.
pub(super) fn address_from(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.split_first()? {
        (4, rest) => Some(Ipv4Addr::from(<[u8; 4]>::try_from(rest).ok()?).into()),
        (6, rest) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(rest).ok()?).into()),
        _ => None,
    }
}

/// A time from its column.
pub(super) fn time_from(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|_| damaged("time"))
}

/// The id of an attack from its column.
pub(super) fn attack_id_from(row: i64) -> Result<AttackId, StoreError> {
    HitId::from_row(row).map(AttackId).ok_or_else(|| damaged("attack id"))
}

/// The content of `body`: a `StoredHit` message without ids, compressed with lz4.
pub(super) fn body(node: &str, hit: &Hit) -> Vec<u8> {
    let message = v1::StoredHit {
        id: String::new(),
        attack_id: String::new(),
        node: node.to_owned(),
        hit: Some(wire::hit_to(hit.clone())),
    };
    lz4_flex::compress_prepend_size(&message.encode_to_vec())
}

/// A hit from the content of `body`, and its size in bytes.
pub(super) fn body_from(id: HitId, attack: AttackId, content: &[u8]) -> Result<(StoredHit, usize), StoreError> {
    let bytes = lz4_flex::decompress_size_prepended(content).map_err(|_| damaged("compressed hit"))?;
    let message = v1::StoredHit::decode(bytes.as_slice()).map_err(|_| damaged("hit"))?;
    let v1::StoredHit {
        id: _,
        attack_id: _,
        node,
        hit,
    } = message;
    let hit = hit.ok_or_else(|| damaged("hit"))?;
    let hit = wire::hit_from(hit, &mut Cuts::default()).map_err(|_| damaged("hit"))?;
    Ok((StoredHit { id, attack, node, hit }, bytes.len()))
}

/// A point as it stands in a column: a `Finding` message with nothing but the point.
pub(super) fn point(point: &Point) -> Vec<u8> {
    let message = v1::Finding {
        point: wire::point_to(point.clone()),
        ..v1::Finding::default()
    };
    message.encode_to_vec()
}

/// A point from its column.
pub(super) fn point_from(bytes: &[u8]) -> Result<Point, StoreError> {
    let message = v1::Finding::decode(bytes).map_err(|_| damaged("point"))?;
    Ok(wire::point_from(message.point, &mut Cuts::default()))
}

/// The file holds what this program does not write.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Fatal(format!("{what} is damaged").into())
}
