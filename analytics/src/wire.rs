//! The border between `waf.v1` messages and domain types.
//!
//! Messages come from other programs and other versions. A hit that lacks what makes it one is refused; a part that is
//! too long is cut; both are told to the caller, who counts them. Messages are taken apart exhaustively: a field added
//! to the wire format does not compile until it is dealt with here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use waf_proto::v1;

use crate::{
    attack::{Attack, AttackKey, Status},
    hit::{Action, AttackTypeCode, Batch, Finding, Hit, Key, Point, Producer, StoredHit, limits},
    id::{AttackId, Slot},
    sample::Stage,
};

/// Why a hit is refused: it names the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Refused {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Counts parts that were cut or left out, by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts(pub BTreeMap<&'static str, u64>);

impl Cuts {
    fn note(&mut self, field: &'static str) {
        *self.0.entry(field).or_default() += 1;
    }

    fn bytes(&mut self, field: &'static str, mut bytes: Vec<u8>, max: usize) -> Vec<u8> {
        if bytes.len() > max {
            bytes.truncate(max);
            self.note(field);
        }
        bytes
    }

    fn text(&mut self, field: &'static str, mut text: String, max: usize) -> String {
        if text.len() > max {
            text.truncate(text.floor_char_boundary(max));
            self.note(field);
        }
        text
    }

    fn list<T>(&mut self, field: &'static str, mut list: Vec<T>, max: usize) -> Vec<T> {
        if list.len() > max {
            list.truncate(max);
            self.note(field);
        }
        list
    }

    fn names(&mut self, field: &'static str, names: Vec<String>) -> Vec<String> {
        let names = self.list(field, names, limits::LIST);
        let mut short = Vec::with_capacity(names.len());
        for name in names {
            short.push(self.text(field, name, limits::NAME));
        }
        short
    }
}

/// A hit from its message.
pub fn hit_from(message: v1::Hit, cuts: &mut Cuts) -> Result<Hit, Refused> {
    let v1::Hit {
        attack_type,
        time,
        request_id,
        application,
        remote_addr,
        method,
        host,
        path,
        mode,
        action,
        response_status,
        findings,
        limits: limits_reached,
    } = message;
    let attack_type = AttackTypeCode::new(&attack_type).map_err(|_| Refused {
        field: "attack_type",
        problem: "must be 1 to 64 characters of a-z, 0-9 and _",
    })?;
    let time = time.and_then(time_from).ok_or(Refused {
        field: "time",
        problem: "must be set, between 2020 and 2091",
    })?;
    let mut findings = cuts
        .list("findings", findings, limits::FINDINGS)
        .into_iter()
        .map(|finding| finding_from(finding, cuts))
        .collect::<Vec<_>>()
        .into_iter();
    let finding = findings.next().ok_or(Refused {
        field: "findings",
        problem: "must hold at least one",
    })?;
    let address = remote_addr.parse().ok();
    if address.is_none() && !remote_addr.is_empty() {
        cuts.note("remote_addr");
    }
    Ok(Hit {
        attack_type,
        time,
        request_id: cuts.text("request_id", request_id, limits::REQUEST_ID),
        application,
        remote_addr: address,
        method: cuts.bytes("method", method, limits::METHOD),
        host: cuts.bytes("host", host, limits::HOST),
        path: cuts.bytes("path", path, limits::PATH),
        mode: cuts.text("mode", mode, limits::NAME),
        action: action_from(action),
        response_status,
        finding,
        other_findings: findings.collect(),
        limits: cuts.names("limits", limits_reached),
    })
}

/// A message from a hit.
pub fn hit_to(hit: Hit) -> v1::Hit {
    let Hit {
        attack_type,
        time,
        request_id,
        application,
        remote_addr,
        method,
        host,
        path,
        mode,
        action,
        response_status,
        finding,
        other_findings,
        limits,
    } = hit;
    v1::Hit {
        attack_type: attack_type.to_string(),
        time: Some(time_to(time)),
        request_id,
        application,
        remote_addr: remote_addr.map(|address| address.to_string()).unwrap_or_default(),
        method,
        host,
        path,
        mode,
        action: match action {
            Action::Monitored => v1::Action::Monitored.into(),
            Action::Blocked => v1::Action::Blocked.into(),
            Action::Other(number) => number,
        },
        response_status,
        findings: std::iter::once(finding).chain(other_findings).map(finding_to).collect(),
        limits,
    }
}

/// A batch as the journal keeps it.
pub fn batch_to(batch: Batch) -> v1::ReportHitsRequest {
    let Batch {
        producer: Producer { node, boot },
        sequence,
        hits,
        dropped_total,
    } = batch;
    v1::ReportHitsRequest {
        producer: Some(v1::Producer { node, boot }),
        sequence,
        hits: hits.into_iter().map(hit_to).collect(),
        dropped_total,
    }
}

/// A message from an attack.
pub fn attack_to(attack: Attack) -> v1::Attack {
    let status = match attack.status() {
        Status::Monitored => v1::AttackStatus::Monitored,
        Status::PartiallyBlocked => v1::AttackStatus::PartiallyBlocked,
        Status::Blocked => v1::AttackStatus::Blocked,
    };
    let Attack {
        id,
        key:
            AttackKey {
                application,
                attack_type,
                point,
                host,
                path,
            },
        first,
        last,
        hits,
        blocked_hits,
        counted_hits,
        n_sources,
        payload,
    } = attack;
    v1::Attack {
        id: id.to_string(),
        attack_type: attack_type.to_string(),
        point: point_to(point),
        host,
        path,
        application,
        first_time: Some(time_to(first)),
        last_time: Some(time_to(last)),
        hits,
        blocked_hits,
        status: status.into(),
        sources: n_sources,
        payload,
        counted_hits,
    }
}

/// The number of a stage on the wire.
pub fn stage_to(stage: Stage) -> v1::SamplingStage {
    match stage {
        Stage::Full => v1::SamplingStage::Full,
        Stage::Regular => v1::SamplingStage::Regular,
        Stage::Extreme => v1::SamplingStage::Extreme,
        Stage::Counts => v1::SamplingStage::Counts,
    }
}

/// A message from a stored hit.
pub fn stored_hit_to(stored: StoredHit) -> v1::StoredHit {
    let StoredHit { id, attack, node, hit } = stored;
    v1::StoredHit {
        id: id.to_string(),
        attack_id: AttackId::to_string(&attack),
        node,
        hit: Some(hit_to(hit)),
    }
}

/// A time from its message, in whole microseconds; `None` when it is malformed or outside of what ids can express.
pub fn time_from(time: prost_types::Timestamp) -> Option<Timestamp> {
    let prost_types::Timestamp { seconds, nanos } = time;
    if !(0..1_000_000_000).contains(&nanos) {
        return None;
    }
    let exact = Timestamp::new(seconds, nanos).ok()?;
    Some(Slot::of(exact)?.first_id().time())
}

/// A message from a time.
pub fn time_to(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.as_second(),
        nanos: time.subsec_nanosecond(),
    }
}

/// A point from its message.
pub fn point_from(elements: Vec<v1::PointElement>, cuts: &mut Cuts) -> Point {
    let elements = cuts.list("point", elements, limits::POINT_ELEMENTS);
    let mut point = Vec::with_capacity(elements.len());
    for v1::PointElement { element, key } in elements {
        let key = match key {
            None => Key::None,
            Some(v1::point_element::Key::Name(name)) => Key::Name(cuts.bytes("point", name, limits::POINT_KEY)),
            Some(v1::point_element::Key::Index(index)) => Key::Index(index),
        };
        point.push((cuts.text("point", element, limits::NAME), key));
    }
    Point(point)
}

/// A message from a point.
pub fn point_to(point: Point) -> Vec<v1::PointElement> {
    let element = |(element, key)| v1::PointElement {
        element,
        key: match key {
            Key::None => None,
            Key::Name(name) => Some(v1::point_element::Key::Name(name)),
            Key::Index(index) => Some(v1::point_element::Key::Index(index)),
        },
    };
    point.0.into_iter().map(element).collect()
}

fn finding_from(message: v1::Finding, cuts: &mut Cuts) -> Finding {
    let v1::Finding {
        point,
        payload,
        stamps,
        reason,
        span_start,
        span_end,
        decoders,
    } = message;
    Finding {
        point: point_from(point, cuts),
        payload: cuts.bytes("payload", payload, limits::PAYLOAD),
        stamps: cuts.list("stamps", stamps, limits::LIST),
        reason: cuts.text("reason", reason, limits::REASON),
        span_start,
        span_end,
        decoders: cuts.names("decoders", decoders),
    }
}

fn finding_to(finding: Finding) -> v1::Finding {
    let Finding {
        point,
        payload,
        stamps,
        reason,
        span_start,
        span_end,
        decoders,
    } = finding;
    v1::Finding {
        point: point_to(point),
        payload,
        stamps,
        reason,
        span_start,
        span_end,
        decoders,
    }
}

fn action_from(number: i32) -> Action {
    match v1::Action::try_from(number) {
        Ok(v1::Action::Monitored) => Action::Monitored,
        Ok(v1::Action::Blocked) => Action::Blocked,
        Ok(v1::Action::Unspecified) | Err(_) => Action::Other(number),
    }
}
