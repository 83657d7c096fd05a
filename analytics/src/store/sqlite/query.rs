//! Questions to `store.db`.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter};

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
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    /// Adds a condition, which holds one `?` per value.
    fn and(&mut self, sql: &str, values: impl IntoIterator<Item = Box<dyn ToSql>>) {
        let word = if self.sql.is_empty() { " WHERE " } else { " AND " };
        self.sql.push_str(word);
        self.sql.push_str(sql);
        self.values.extend(values);
    }

    fn and_attack_key(&mut self, filter: &Filter) {
        if !filter.attack_types.is_empty() {
            let marks = vec!["?"; filter.attack_types.len()].join(",");
            let values = filter.attack_types.iter();
            self.and(
                &format!("a.attack_type IN ({marks})"),
                values.map(|code| Box::new(code.to_string()) as _),
            );
        }
        if !filter.not_attack_types.is_empty() {
            let marks = vec!["?"; filter.not_attack_types.len()].join(",");
            let values = filter.not_attack_types.iter();
            self.and(
                &format!("a.attack_type NOT IN ({marks})"),
                values.map(|code| Box::new(code.to_string()) as _),
            );
        }
        if let Some(host) = &filter.host {
            self.and("a.host = ?", [Box::new(host.clone()) as _]);
        }
    }
}

/// The bounds of a network, as they stand in columns.
fn range(network: Network) -> [Box<dyn ToSql>; 2] {
    [network.first(), network.last()].map(|address| Box::new(column::address(address)) as _)
}

pub(super) fn attacks(
    connection: &Connection,
    filter: &Filter,
    after: Option<AttackCursor>,
    limit: usize,
) -> Result<Paged<Attack, AttackCursor>, StoreError> {
    let mut conditions = Conditions::default();
    conditions.and_attack_key(filter);
    if let Some(network) = filter.source {
        conditions.and(
            "EXISTS (SELECT 1 FROM attack_source s WHERE s.attack = a.id AND s.address BETWEEN ? AND ?)",
            range(network),
        );
    }
    if let Some(blocked) = filter.blocked {
        conditions.and(
            if blocked {
                "a.blocked_hits > 0"
            } else {
                "a.blocked_hits = 0"
            },
            [],
        );
    }
    if let Some(since) = filter.since {
        conditions.and("a.last >= ?", [Box::new(since.as_microsecond()) as _]);
    }
    if let Some(until) = filter.until {
        conditions.and("a.first < ?", [Box::new(until.as_microsecond()) as _]);
    }
    if let Some(AttackCursor { last, id: AttackId(id) }) = after {
        conditions.and(
            "(a.last, a.id) < (?, ?)",
            [
                Box::new(last.as_microsecond()) as Box<dyn ToSql>,
                Box::new(id.as_row()) as _,
            ],
        );
    }
    let Conditions { sql, mut values } = conditions;
    let sql = format!("SELECT {ATTACK_COLUMNS} FROM attack a{sql} ORDER BY a.last DESC, a.id DESC LIMIT ?");
    values.push(Box::new(limit as i64 + 1));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut page = Page::new(limit);
    while let Some(row) = rows.next()? {
        if page.is_full() {
            break;
        }
        let attack = attack_from(row)?;
        let bytes = attack_bytes(&attack);
        page.push(attack, bytes);
    }
    Ok(page.end(|attack| AttackCursor {
        last: attack.last,
        id: attack.id,
    }))
}

pub(super) fn attack(connection: &Connection, id: AttackId) -> Result<Option<Attack>, StoreError> {
    let sql = format!("SELECT {ATTACK_COLUMNS} FROM attack a WHERE a.id = ?");
    let attack = connection
        .prepare_cached(&sql)?
        .query_row([id.0.as_row()], |row| Ok(attack_from(row)))
        .optional()?;
    attack.transpose()
}

pub(super) fn hits(
    connection: &Connection,
    filter: &Filter,
    attack: Option<AttackId>,
    after: Option<HitId>,
    limit: usize,
) -> Result<Paged<StoredHit, HitId>, StoreError> {
    let mut conditions = Conditions::default();
    conditions.and_attack_key(filter);
    let joins_attack = !conditions.sql.is_empty();
    if let Some(AttackId(id)) = attack {
        conditions.and("h.attack = ?", [Box::new(id.as_row()) as _]);
    }
    if let Some(network) = filter.source {
        conditions.and("h.remote_addr BETWEEN ? AND ?", range(network));
    }
    if let Some(blocked) = filter.blocked {
        conditions.and("h.blocked = ?", [Box::new(blocked) as _]);
    }
    if let Some(since) = filter.since {
        let first = Slot::nearest(since).first_id();
        conditions.and("h.id >= ?", [Box::new(first.as_row()) as _]);
    }
    if let Some(until) = filter.until {
        let first = Slot::nearest(until).first_id();
        conditions.and("h.id < ?", [Box::new(first.as_row()) as _]);
    }
    if let Some(id) = after {
        conditions.and("h.id < ?", [Box::new(id.as_row()) as _]);
    }
    let Conditions { sql, mut values } = conditions;
    // CROSS JOIN keeps the order of the tables: hits from the end, without sorting.
    let join = if joins_attack {
        " CROSS JOIN attack a ON a.id = h.attack"
    } else {
        ""
    };
    let sql = format!(
        "SELECT h.id, h.attack, b.content FROM hit h{join} CROSS JOIN body b ON b.id = h.id{sql} \
         ORDER BY h.id DESC LIMIT ?"
    );
    values.push(Box::new(limit as i64 + 1));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut page = Page::new(limit);
    while let Some(row) = rows.next()? {
        if page.is_full() {
            break;
        }
        let id = HitId::from_row(row.get(0)?).ok_or_else(|| column::damaged("hit id"))?;
        let attack = column::attack_id_from(row.get(1)?)?;
        let content = row.get_ref(2)?.as_bytes().map_err(|_| column::damaged("hit"))?;
        let (stored, bytes) = column::body_from(id, attack, content)?;
        page.push(stored, bytes);
    }
    Ok(page.end(|stored| stored.id))
}

fn attack_from(row: &Row<'_>) -> Result<Attack, StoreError> {
    let point: Vec<u8> = row.get(5)?;
    let attack_type: String = row.get(2)?;
    Ok(Attack {
        id: column::attack_id_from(row.get(0)?)?,
        key: AttackKey {
            application: row.get(1)?,
            attack_type: AttackTypeCode::new(&attack_type).map_err(|_| column::damaged("attack type"))?,
            host: row.get(3)?,
            path: row.get(4)?,
            point: column::point_from(&point)?,
        },
        first: column::time_from(row.get(6)?)?,
        last: column::time_from(row.get(7)?)?,
        hits: row.get::<_, i64>(8)?.max(0) as u64,
        blocked_hits: row.get::<_, i64>(9)?.max(0) as u64,
        n_sources: row.get::<_, i64>(10)?.clamp(0, i64::from(u32::MAX)) as u32,
        payload: row.get(11)?,
        counted_hits: row.get::<_, i64>(12)?.max(0) as u64,
    })
}
