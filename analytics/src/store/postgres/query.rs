//! Questions to PostgreSQL.

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::{
    Client, Row,
    types::{ToSql, Type},
};

use super::super::{
    column::{self, ATTACK_COLUMNS},
    page::{Page, attack_bytes},
};
use crate::{
    attack::{Attack, AttackKey},
    hit::{AttackTypeCode, StoredHit},
    id::{AttackId, HitId, Slot},
    network::Network,
    store::{AttackCursor, Filter, Paged, StoreError},
};

/// Conditions with their values.
#[derive(Default)]
struct Conditions {
    sql: String,
    values: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Conditions {
    /// Keeps a value; how to name it in a condition.
    fn bind(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    fn and(&mut self, sql: &str) {
        let word = if self.sql.is_empty() { " WHERE " } else { " AND " };
        self.sql.push_str(word);
        self.sql.push_str(sql);
    }

    fn and_attack_key(&mut self, filter: &Filter) {
        if !filter.attack_types.is_empty() {
            let types: Vec<String> = filter.attack_types.iter().map(ToString::to_string).collect();
            let types = self.bind(types);
            self.and(&format!("a.attack_type = ANY({types})"));
        }
        if !filter.not_attack_types.is_empty() {
            let types: Vec<String> = filter.not_attack_types.iter().map(ToString::to_string).collect();
            let types = self.bind(types);
            self.and(&format!("a.attack_type <> ALL({types})"));
        }
        if let Some(host) = &filter.host {
            let host = self.bind(host.clone());
            self.and(&format!("a.host = {host}"));
        }
    }

    /// Holds for addresses of a network.
    fn and_between(&mut self, before: &str, column: &str, network: Network, after: &str) {
        let first = self.bind(column::address(network.first()));
        let last = self.bind(column::address(network.last()));
        self.and(&format!("{before}{column} BETWEEN {first} AND {last}{after}"));
    }

    fn values(&self) -> impl ExactSizeIterator<Item = &(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync))
    }
}

pub(super) async fn attacks(
    client: &Client,
    filter: &Filter,
    after: Option<AttackCursor>,
    limit: usize,
) -> Result<Paged<Attack, AttackCursor>, StoreError> {
    let mut conditions = Conditions::default();
    conditions.and_attack_key(filter);
    if let Some(network) = filter.source {
        let before = "EXISTS (SELECT 1 FROM attack_source s WHERE s.shard = a.shard AND s.attack = a.id AND ";
        conditions.and_between(before, "s.address", network, ")");
    }
    if let Some(blocked) = filter.blocked {
        conditions.and(if blocked {
            "a.blocked_hits > 0"
        } else {
            "a.blocked_hits = 0"
        });
    }
    if let Some(since) = filter.since {
        let since = conditions.bind(since.as_microsecond());
        conditions.and(&format!("a.last >= {since}"));
    }
    if let Some(until) = filter.until {
        let until = conditions.bind(until.as_microsecond());
        conditions.and(&format!("a.first < {until}"));
    }
    if let Some(AttackCursor { last, id: AttackId(id) }) = after {
        let (last, id) = (conditions.bind(last.as_microsecond()), conditions.bind(id.as_row()));
        conditions.and(&format!("(a.last, a.id) < ({last}, {id})"));
    }
    let limit_value = conditions.bind(row_limit(limit));
    let sql = format!(
        "SELECT {ATTACK_COLUMNS} FROM attack a{} ORDER BY a.last DESC, a.id DESC LIMIT {limit_value}",
        conditions.sql
    );
    let statement = client.prepare(&sql).await?;
    let mut rows = pin!(client.query_raw(&statement, conditions.values()).await?);
    let mut page = Page::new(limit);
    while let Some(row) = rows.try_next().await? {
        if page.is_full() {
            break;
        }
        let attack = attack_from(&row)?;
        let bytes = attack_bytes(&attack);
        page.push(attack, bytes);
    }
    Ok(page.end(|attack| AttackCursor {
        last: attack.last,
        id: attack.id,
    }))
}

pub(super) async fn attack(client: &Client, id: AttackId) -> Result<Option<Attack>, StoreError> {
    let sql = format!("SELECT {ATTACK_COLUMNS} FROM attack a WHERE a.id = $1");
    let rows = client.query_typed(&sql, &[(&id.0.as_row(), Type::INT8)]).await?;
    rows.first().map(attack_from).transpose()
}

pub(super) async fn hits(
    client: &Client,
    filter: &Filter,
    attack: Option<AttackId>,
    after: Option<HitId>,
    limit: usize,
) -> Result<Paged<StoredHit, HitId>, StoreError> {
    let mut conditions = Conditions::default();
    conditions.and_attack_key(filter);
    let join = if conditions.sql.is_empty() {
        ""
    } else {
        " JOIN attack a ON a.shard = h.shard AND a.id = h.attack"
    };
    if let Some(AttackId(id)) = attack {
        let id = conditions.bind(id.as_row());
        conditions.and(&format!("h.attack = {id}"));
    }
    if let Some(network) = filter.source {
        conditions.and_between("", "h.remote_addr", network, "");
    }
    if let Some(blocked) = filter.blocked {
        let blocked = conditions.bind(blocked);
        conditions.and(&format!("h.blocked = {blocked}"));
    }
    if let Some(since) = filter.since {
        let first = conditions.bind(Slot::nearest(since).first_id().as_row());
        conditions.and(&format!("h.id >= {first}"));
    }
    let until = filter.until.map(|until| Slot::nearest(until).first_id());
    for bound in [until, after].into_iter().flatten() {
        let bound = conditions.bind(bound.as_row());
        conditions.and(&format!("h.id < {bound}"));
    }
    let limit_value = conditions.bind(row_limit(limit));
    let sql = format!(
        "SELECT h.id, h.attack, h.content FROM hit h{join}{} ORDER BY h.id DESC LIMIT {limit_value}",
        conditions.sql
    );
    let statement = client.prepare(&sql).await?;
    let mut rows = pin!(client.query_raw(&statement, conditions.values()).await?);
    let mut page = Page::new(limit);
    while let Some(row) = rows.try_next().await? {
        if page.is_full() {
            break;
        }
        let id = HitId::from_row(row.try_get(0)?).ok_or_else(|| column::damaged("hit id"))?;
        let attack = column::attack_id_from(row.try_get(1)?)?;
        let (stored, bytes) = column::body_from(id, attack, row.try_get(2)?)?;
        page.push(stored, bytes);
    }
    Ok(page.end(|stored| stored.id))
}

/// One more than asked, to see whether there are more.
fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

fn attack_from(row: &Row) -> Result<Attack, StoreError> {
    let count = |at: usize| Ok::<u64, StoreError>(row.try_get::<_, i64>(at)?.max(0) as u64);
    Ok(Attack {
        id: column::attack_id_from(row.try_get(0)?)?,
        key: AttackKey {
            application: row.try_get(1)?,
            attack_type: AttackTypeCode::new(row.try_get(2)?).map_err(|_| column::damaged("attack type"))?,
            host: row.try_get(3)?,
            path: row.try_get(4)?,
            point: column::point_from(row.try_get(5)?)?,
        },
        first: column::time_from(row.try_get(6)?)?,
        last: column::time_from(row.try_get(7)?)?,
        hits: count(8)?,
        blocked_hits: count(9)?,
        n_sources: row.try_get::<_, i32>(10)?.max(0) as u32,
        payload: row.try_get(11)?,
        counted_hits: count(12)?,
    })
}
