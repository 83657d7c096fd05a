//! What is to be done about the certificates: a pure function of what there is and of the time.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

/// Most authorities that are trusted at a time. More come together only when somebody deletes the Secret repeatedly.
pub const MAX_AUTHORITIES: usize = 8;

/// How long certificates last and how fast a new authority becomes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of an authority. It is replaced halfway, and must last several times longer than what it signs.
    pub authority: Duration,
    /// Of a certificate that is served. It is replaced when a third is left.
    pub serving: Duration,
    /// From the announcement of an authority to the first certificate that needs it. API servers learn of a changed
    /// webhook configuration within seconds.
    pub settle: Duration,
}

/// A fingerprint: SHA-256 of the certificate.
pub type Id = [u8; 32];

/// From when to when a certificate may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: SystemTime,
    /// The last moment.
    pub not_after: SystemTime,
}

/// A trusted authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its fingerprint.
    pub id: Id,
    /// When it may be used.
    pub validity: Validity,
}

/// The certificate that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Its fingerprint.
    pub id: Id,
    /// When it may be used.
    pub validity: Validity,
    /// The trusted authority that signed it, if one did.
    pub issuer: Option<Id>,
    /// Host names and addresses that it is for.
    pub names: BTreeSet<String>,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Trusted authorities, newest first.
    pub authorities: Vec<Authority>,
    /// Whether the key of the newest authority is there.
    pub can_sign: bool,
    /// None: there is none, or its key is not its own.
    pub serving: Option<Serving>,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing works: a new authority, a new certificate by it, and nothing that was there before.
    Start,
    /// A new authority, trusted from now on. The old ones stay, and so does the certificate that is served.
    AddAuthority,
    /// A new certificate by the newest authority.
    IssueServing,
    /// Expired authorities are forgotten.
    Prune,
    /// Nothing until then.
    Wait {
        /// When to ask again, if nothing changes before.
        until: SystemTime,
    },
}

/// What is to be done next.
///
/// `announced_since` tells since when the newest authority is known to be trusted by the API server; `names` are those
/// that the certificate must be for.
pub fn next(
    now: SystemTime,
    facts: &Facts,
    announced_since: Option<SystemTime>,
    names: &BTreeSet<String>,
    lifetimes: &Lifetimes,
) -> Step {
    let newest = facts.authorities.first();
    let signs_until = newest
        .filter(|newest| facts.can_sign && newest.validity.contains(now))
        .map(|newest| newest.renewal(lifetimes));
    let working = facts.serving.as_ref().filter(|serving| facts.works(serving, now));
    let Some(serving) = working else {
        // Admissions fail at this moment, so nobody waits for an announcement.
        let can_sign = signs_until.is_some_and(|until| now < until);
        return if can_sign { Step::IssueServing } else { Step::Start };
    };
    let authority_ends = match signs_until {
        Some(until) if now < until => until,
        _ => return Step::AddAuthority,
    };
    if facts
        .authorities
        .iter()
        .any(|authority| authority.validity.not_after <= now)
    {
        return Step::Prune;
    }
    let serving_ends = serving.renewal(lifetimes);
    let is_by_newest = newest.is_some_and(|newest| serving.issuer == Some(newest.id));
    let is_wanted = now < serving_ends && is_by_newest && serving.names.is_superset(names);
    let next_expiry = facts
        .authorities
        .iter()
        .map(|authority| authority.validity.not_after)
        .min();
    // What stops working on its own, and what this function would do then.
    let wakes = [Some(authority_ends), next_expiry, Some(serving.validity.not_after)];
    if is_wanted {
        return wait(wakes.into_iter().chain([Some(serving_ends)]));
    }
    let settled = announced_since.map(|since| since + lifetimes.settle);
    if is_by_newest || settled.is_some_and(|settled| settled <= now) {
        Step::IssueServing
    } else {
        wait(wakes.into_iter().chain([settled]))
    }
}

/// Until the earliest moment.
fn wait(wakes: impl Iterator<Item = Option<SystemTime>>) -> Step {
    Step::Wait {
        until: wakes.flatten().min().unwrap_or(SystemTime::UNIX_EPOCH),
    }
}

/// Up to `longest`, always the same for one certificate: replicas agree, clusters do not.
fn jitter(id: &Id, longest: Duration) -> Duration {
    longest.mul_f64(f64::from(id[0]) / 256.0)
}

// === impl Lifetimes ===

impl Default for Lifetimes {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 24 * 60 * 60);
        Lifetimes {
            authority: days(730),
            serving: days(90),
            settle: Duration::from_secs(5 * 60),
        }
    }
}

// === impl Validity ===

impl Validity {
    fn contains(self, time: SystemTime) -> bool {
        self.not_before <= time && time < self.not_after
    }
}

// === impl Authority ===

impl Authority {
    fn renewal(&self, lifetimes: &Lifetimes) -> SystemTime {
        let left = lifetimes.authority / 2 + jitter(&self.id, lifetimes.authority / 10);
        self.validity
            .not_after
            .checked_sub(left)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

// === impl Serving ===

impl Serving {
    fn renewal(&self, lifetimes: &Lifetimes) -> SystemTime {
        let left = lifetimes.serving / 3 + jitter(&self.id, lifetimes.serving / 10);
        self.validity
            .not_after
            .checked_sub(left)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

// === impl Facts ===

impl Facts {
    /// Whether a client that trusts the authorities accepts this certificate now, whatever name it asks for.
    fn works(&self, serving: &Serving, now: SystemTime) -> bool {
        let issuer = |authority: &&Authority| Some(authority.id) == serving.issuer;
        let issuer = self.authorities.iter().find(issuer);
        serving.validity.contains(now) && issuer.is_some_and(|issuer| issuer.validity.contains(now))
    }
}

#[cfg(test)]
mod tests;
