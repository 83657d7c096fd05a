//! The plan by the year: single situations, then years of simulated time with everything that goes wrong.

use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const LIFETIMES: Lifetimes = Lifetimes {
    authority: Duration::from_secs(730 * 24 * 60 * 60),
    serving: Duration::from_secs(90 * 24 * 60 * 60),
    settle: Duration::from_secs(300),
};

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + 20_000 * DAY
}

fn names() -> BTreeSet<String> {
    BTreeSet::from(["webhook.wallarm.svc".to_owned()])
}

fn validity(made: SystemTime, lifetime: Duration) -> Validity {
    Validity {
        not_before: made - DAY,
        not_after: made + lifetime,
    }
}

/// Authorities and certificates as `material` would make them, without keys.
#[derive(Clone, Debug, Default)]
struct World {
    facts: Facts,
    n_made: u8,
    /// Authorities in the `caBundle`, and since when the newest one has been there.
    trusted: Vec<Authority>,
    announced_since: Option<SystemTime>,
}

impl World {
    fn id(&mut self) -> Id {
        self.n_made = self.n_made.wrapping_add(1);
        let mut id = [0; 32];
        id[..2].copy_from_slice(&[self.n_made.wrapping_mul(97), self.n_made]);
        id
    }

    fn add_authority(&mut self, now: SystemTime) {
        let id = self.id();
        let validity = validity(now, LIFETIMES.authority);
        self.facts
            .authorities
            .retain(|authority| now < authority.validity.not_after);
        self.facts.authorities.insert(0, Authority { id, validity });
        self.facts.can_sign = true;
    }

    fn issue(&mut self, now: SystemTime) {
        let id = self.id();
        let newest = self.facts.authorities[0].clone();
        let mut validity = validity(now, LIFETIMES.serving);
        validity.not_after = validity.not_after.min(newest.validity.not_after);
        self.facts.serving = Some(Serving {
            id,
            validity,
            issuer: Some(newest.id),
            names: names(),
        });
    }

    fn next(&self, now: SystemTime) -> Step {
        next(now, &self.facts, self.announced_since, &names(), &LIFETIMES)
    }

    fn take(&mut self, step: Step, now: SystemTime) {
        match step {
            Step::Start => {
                self.facts = Facts::default();
                self.add_authority(now);
                self.issue(now);
            }
            Step::AddAuthority => self.add_authority(now),
            Step::IssueServing => self.issue(now),
            Step::Prune => self
                .facts
                .authorities
                .retain(|authority| now < authority.validity.not_after),
            Step::Wait { .. } => {}
        }
    }

    fn announce(&mut self, now: SystemTime) {
        let is_known = self.trusted.first() == self.facts.authorities.first();
        self.trusted.clone_from(&self.facts.authorities);
        if !is_known || self.announced_since.is_none() {
            self.announced_since = Some(now);
        }
    }

    /// Whether an API server that knows the `caBundle` accepts what is served.
    fn is_accepted(&self, now: SystemTime) -> bool {
        self.facts.serving.as_ref().is_some_and(|serving| {
            serving.validity.contains(now)
                && self
                    .trusted
                    .iter()
                    .any(|authority| Some(authority.id) == serving.issuer && authority.validity.contains(now))
        })
    }

    /// Everything right at `now`.
    fn fresh(now: SystemTime) -> World {
        let mut world = World::default();
        world.take(Step::Start, now);
        world.announce(now);
        world
    }
}

#[test]
fn nothing_or_nothing_useful_is_a_start() {
    assert_eq!(World::default().next(start()), Step::Start);
    // A certificate by nobody we trust, and no key.
    let mut world = World::fresh(start());
    world.facts.authorities.clear();
    world.facts.can_sign = false;
    assert_eq!(world.next(start()), Step::Start);
    // All expired.
    assert_eq!(World::fresh(start()).next(start() + 800 * DAY), Step::Start);
}

#[test]
fn fresh_certificates_are_left_alone() {
    let world = World::fresh(start());
    let Step::Wait { until } = world.next(start()) else {
        panic!("{:?}", world.next(start()));
    };
    // Between 39 % and a third of 90 days are left then.
    assert!(start() + 51 * DAY <= until && until <= start() + 60 * DAY);
    assert_eq!(world.next(until - Duration::from_secs(1)), Step::Wait { until });
    assert_eq!(world.next(until), Step::IssueServing);
}

#[test]
fn jitter_is_one_per_certificate() {
    let at = |first: u8| {
        let mut world = World::fresh(start());
        world.facts.serving.as_mut().unwrap().id[0] = first;
        world.next(start())
    };
    assert_eq!(at(7), at(7));
    let Step::Wait { until: late } = at(0) else { panic!() };
    let Step::Wait { until: early } = at(255) else { panic!() };
    assert_eq!(late, start() + 60 * DAY);
    assert!(early < late && late < early + 9 * DAY);
}

#[test]
fn a_broken_certificate_is_replaced_at_once() {
    let fresh = World::fresh(start());
    let mut absent = fresh.clone();
    absent.facts.serving = None;
    let mut foreign = fresh.clone();
    foreign.facts.serving.as_mut().unwrap().issuer = None;
    let mut expired = fresh.clone();
    expired.facts.serving.as_mut().unwrap().validity.not_after = start();
    let mut future = fresh.clone();
    future.facts.serving.as_mut().unwrap().validity.not_before = start() + DAY;
    for mut world in [absent, foreign, expired, future] {
        // Waiting for an announcement would not help anybody.
        world.announced_since = None;
        assert_eq!(world.next(start()), Step::IssueServing, "{world:?}");
    }
}

#[test]
fn other_names_need_another_certificate() {
    let mut world = World::fresh(start());
    world.facts.serving.as_mut().unwrap().names = BTreeSet::from(["old.wallarm.svc".to_owned()]);
    assert_eq!(world.next(start()), Step::IssueServing);
    // More names than necessary are no reason.
    world.facts.serving.as_mut().unwrap().names.extend(names());
    assert!(matches!(world.next(start()), Step::Wait { .. }));
}

#[test]
fn a_new_authority_is_announced_before_it_is_needed() {
    let mut world = World::fresh(start());
    let due = start() + 365 * DAY;
    world.issue(due - DAY);
    assert_eq!(world.next(due), Step::AddAuthority);
    world.take(Step::AddAuthority, due);
    world.announced_since = None;
    // Not announced: waits, but not beyond the end of what is served.
    let serving_ends = world.facts.serving.as_ref().unwrap().validity.not_after;
    let Step::Wait { until } = world.next(due) else {
        panic!()
    };
    assert!(until <= serving_ends);
    world.announce(due);
    assert_eq!(
        world.next(due),
        Step::Wait {
            until: due + LIFETIMES.settle
        }
    );
    let settled = due + LIFETIMES.settle;
    assert_eq!(world.next(settled), Step::IssueServing);
    world.take(Step::IssueServing, settled);
    // The old authority stays until it ends.
    assert_eq!(world.facts.authorities.len(), 2);
    let old_ends = world.facts.authorities[1].validity.not_after;
    world.add_authority(old_ends - DAY);
    world.issue(old_ends - DAY);
    assert_eq!(world.facts.authorities.len(), 3);
    assert_eq!(world.next(old_ends), Step::Prune);
}

#[test]
fn a_lost_key_of_the_authority_does_not_interrupt_anything() {
    let mut world = World::fresh(start());
    world.facts.can_sign = false;
    assert_eq!(world.next(start()), Step::AddAuthority);
    world.take(Step::AddAuthority, start());
    assert!(world.is_accepted(start()));
}

#[test]
fn lifetimes_that_got_shorter_do_not_panic() {
    let world = World::fresh(start());
    for seconds in [0, 1, u64::from(u32::MAX)] {
        let lifetime = Duration::from_secs(seconds);
        let lifetimes = Lifetimes {
            authority: lifetime,
            serving: lifetime,
            settle: lifetime,
        };
        for now in [SystemTime::UNIX_EPOCH, start(), start() + 1000 * DAY] {
            next(now, &world.facts, Some(now), &names(), &lifetimes);
        }
    }
}

proptest! {
    /// Years in which the leader looks now and then: whenever it looks at least every ten days and can write the webhook
    /// configuration every other time, what is served is always accepted, and the steps come to rest.
    #[test]
    fn admissions_never_fail_while_somebody_looks(
        gaps in proptest::collection::vec(1_u64..=10 * 24 * 60, 1..400),
        slow_announcements in proptest::collection::vec(any::<bool>(), 400),
    ) {
        let mut now = start();
        let mut world = World::fresh(now);
        let mut was_slow = false;
        for (gap, slow) in gaps.into_iter().zip(slow_announcements) {
            now += Duration::from_secs(60 * gap);
            prop_assert!(world.is_accepted(now), "{:?} {:?}", now, world);
            let mut n_steps = 0;
            loop {
                let step = world.next(now);
                if let Step::Wait { until } = step {
                    prop_assert!(now < until);
                    break;
                }
                prop_assert!(step != Step::Start);
                if step == Step::AddAuthority {
                    world.announced_since = None;
                }
                world.take(step, now);
                prop_assert!(world.is_accepted(now), "{:?} {:?}", step, world);
                prop_assert!(world.facts.authorities.len() <= 3);
                n_steps += 1;
                prop_assert!(n_steps < 4, "no end of steps");
            }
            // The webhook configuration may be out of reach until the next look.
            was_slow = slow && !was_slow;
            if !was_slow {
                world.announce(now);
            }
        }
    }

    /// Whatever there is, a few steps lead to something that works, and then there is rest.
    #[test]
    fn every_situation_heals(
        n_authorities in 0_usize..4,
        ages in proptest::collection::vec(-400_i64..1000, 5),
        can_sign: bool,
        issuer in 0_usize..5,
        has_serving: bool,
        announced: bool,
        right_names: bool,
    ) {
        let now = start();
        let made = |age: i64| if age < 0 { now + DAY * age.unsigned_abs() as u32 } else { now - DAY * age as u32 };
        let mut world = World::default();
        for age in &ages[..n_authorities] {
            let (id, validity) = (world.id(), validity(made(*age), LIFETIMES.authority));
            world.facts.authorities.push(Authority { id, validity });
        }
        world.facts.can_sign = can_sign && n_authorities > 0;
        if has_serving {
            world.facts.serving = Some(Serving {
                id: world.id(),
                validity: validity(made(ages[4]), LIFETIMES.serving),
                issuer: world.facts.authorities.get(issuer).map(|authority| authority.id),
                names: if right_names { names() } else { BTreeSet::new() },
            });
        }
        world.announced_since = announced.then_some(now);
        let mut later = now;
        for _ in 0..8 {
            match world.next(later) {
                Step::Wait { .. } if world.facts.serving.as_ref().unwrap().names == names() => {
                    world.announce(later);
                    prop_assert!(world.is_accepted(later));
                    return Ok(());
                }
                Step::Wait { .. } => {
                    world.announce(later);
                    later += LIFETIMES.settle;
                }
                step => world.take(step, later),
            }
        }
        prop_assert!(false, "no rest: {:?}", world);
    }
}
