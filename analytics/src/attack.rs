//! Attacks: hits that belong together.

use std::{collections::BTreeSet, net::IpAddr};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    hit::{AttackTypeCode, Hit, Key, Point},
    id::AttackId,
};

/// What the hits of an attack have in common.
///
/// Source: Wallarm documentation, "Grouping and sampling of hits": attack type, parameter with the payload and target
/// address; payload and source address may differ. The application is ours: one address may serve several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttackKey {
    /// Application id.
    pub application: i32,
    /// Attack type.
    pub attack_type: AttackTypeCode,
    /// Where the strongest payload stands.
    pub point: Point,
    /// Host, lower-case.
    pub host: Vec<u8>,
    /// Path.
    pub path: Vec<u8>,
}

/// A short stand-in for an [`AttackKey`]: stores index it instead of paths of 4 KiB.
///
/// 128 bits of SHA-256, stable across versions. Clients cannot find two keys with one digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(pub [u8; 16]);

/// How far an attack got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Every hit was passed on.
    Monitored,
    /// Some hits were blocked.
    PartiallyBlocked,
    /// Every hit was blocked.
    Blocked,
}

/// A set of source addresses that keeps at most [`Sources::MAX`].
///
/// Of more it keeps the smallest, so that neither the set nor its size depends on the order in which addresses came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(BTreeSet<IpAddr>);

/// An attack as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attack {
    /// Identifier.
    pub id: AttackId,
    /// What its hits have in common.
    pub key: AttackKey,
    /// Time of the first hit.
    pub first: Timestamp,
    /// Time of the last hit.
    pub last: Timestamp,
    /// Hits in all, those included that are no longer kept.
    pub hits: u64,
    /// Hits that were blocked.
    pub blocked_hits: u64,
    /// Hits that were only counted, see [`crate::sample`].
    pub counted_hits: u64,
    /// Different source addresses, at most [`Sources::MAX`].
    pub n_sources: u32,
    /// Payload of the latest hit.
    pub payload: Vec<u8>,
}

// === impl AttackKey ===

impl AttackKey {
    /// The key of the attack that a hit belongs to.
    pub fn of(hit: &Hit) -> AttackKey {
        AttackKey {
            application: hit.application,
            attack_type: hit.attack_type.clone(),
            point: hit.finding.point.clone(),
            host: hit.host.to_ascii_lowercase(),
            path: hit.path.clone(),
        }
    }

    /// The digest. Every part goes in with its length, so that no two keys spell the same bytes.
    pub fn digest(&self) -> KeyDigest {
        let AttackKey {
            application,
            attack_type,
            point,
            host,
            path,
        } = self;
        let mut sha = Sha256::new();
        let mut part = |bytes: &[u8]| {
            sha.update((bytes.len() as u64).to_le_bytes());
            sha.update(bytes);
        };
        part(&application.to_le_bytes());
        part(attack_type.as_str().as_bytes());
        part(host);
        part(path);
        for (element, key) in &point.0 {
            part(element.as_bytes());
            match key {
                Key::None => part(b"-"),
                Key::Name(name) => {
                    part(b"name");
                    part(name);
                }
                Key::Index(index) => {
                    part(b"index");
                    part(&index.to_le_bytes());
                }
            }
        }
        let hash = sha.finalize();
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash[..16]);
        KeyDigest(digest)
    }
}

// === impl Attack ===

impl Attack {
    /// How far it got.
    pub fn status(&self) -> Status {
        match self.blocked_hits {
            0 => Status::Monitored,
            blocked if blocked < self.hits => Status::PartiallyBlocked,
            _ => Status::Blocked,
        }
    }
}

// === impl Status ===

impl Status {
    /// The name shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Monitored => "monitored",
            Status::PartiallyBlocked => "partially blocked",
            Status::Blocked => "blocked",
        }
    }
}

// === impl Sources ===

impl Sources {
    /// Addresses told apart per attack.
    pub const MAX: usize = 1000;

    /// Adds an address.
    pub fn insert(&mut self, address: IpAddr) {
        if self.0.len() >= Sources::MAX && self.0.last().is_some_and(|last| address >= *last) {
            return;
        }
        self.0.insert(address);
        if self.0.len() > Sources::MAX {
            self.0.pop_last();
        }
    }

    /// Adds the addresses of another set.
    pub fn merge(&mut self, other: &Sources) {
        other.0.iter().for_each(|address| self.insert(*address));
    }

    /// The addresses, in order.
    pub fn iter(&self) -> impl Iterator<Item = &IpAddr> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the address is kept.
    pub fn contains(&self, address: &IpAddr) -> bool {
        self.0.contains(address)
    }
}
