//! Values that are view state of ASP.NET.

use super::{Walk, form::Reading};
use crate::{
    detect::{Place, Value},
    parse::{
        body,
        viewstate::{self, Sink},
    },
    point::{Element, Step},
    prefilter::Classes,
};

pub(super) fn fits(value: &Value<'_>, _: &Classes) -> bool {
    viewstate::begins(value.bytes)
        && matches!(
            value.place,
            Place::Query | Place::Body | Place::RawBody | Place::Cookie | Place::Header
        )
}

pub(super) fn read(walk: &mut Walk<'_>, value: &Value<'_>, _: &Classes, depth: usize) -> Reading {
    if !walk.budget.spend(value.bytes.len() as u64) || !walk.budget.may_descend(depth) {
        return Reading::None;
    }
    let outer = walk.scratch.point.depth();
    walk.scratch.point.push(Element::Viewstate);
    let place = match value.place {
        Place::RawBody => Place::Body,
        place => place,
    };
    let mut sink = Parts {
        walk: &mut *walk,
        place,
        depth: depth + 1,
    };
    let outcome = viewstate::parse(value.bytes, &mut sink);
    walk.scratch.point.truncate(outer);
    walk.budget.flags.depth |= outcome.is_too_deep;
    match outcome.is_whole {
        true => Reading::Whole,
        false => Reading::Read,
    }
}

/// Hands the parts of a state to the walk.
struct Parts<'s, 'w> {
    walk: &'s mut Walk<'w>,
    place: Place,
    depth: usize,
}

impl Sink for Parts<'_, '_> {
    fn enter(&mut self, element: Element, step: Step<'_>) {
        self.walk.scratch.point.enter(element, step);
    }

    fn leave(&mut self) {
        self.walk.scratch.point.pop();
    }

    fn string(&mut self, value: &[u8]) {
        self.walk.value(value, self.place, self.depth);
    }

    fn inert(&mut self, value: &[u8]) {
        self.walk.inert(value, self.place);
    }

    fn object(&mut self, value: &[u8]) {
        body::raw_at(value, self.place, self.depth, self.walk);
    }

    fn wants_more(&self) -> bool {
        self.walk.wants_more()
    }
}
