//! How values stand in the columns of SQL stores: the same in each of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use prost::Message;
use waf_proto::v1;

use super::StoreError;
use crate::{
    hit::{Hit, Point, StoredHit},
    id::{AttackId, HitId},
    wire::{self, Cuts},
};

/// Columns of an attack, in the order in which rows are read. The table goes by the name `a`.
pub(super) const ATTACK_COLUMNS: &str = "a.id, a.application, a.attack_type, a.host, a.path, a.point, \
                              a.first, a.last, a.hits, a.blocked_hits, a.n_sources, a.payload, a.counted_hits";

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
