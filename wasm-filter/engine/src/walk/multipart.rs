//! Bodies of several parts.

use super::Walk;
use crate::{
    detect::Place,
    parse::{body, multipart, pairs},
    point::Element,
};

impl Walk<'_> {
    /// Reads the parts of a multipart body. False when there are none.
    pub(crate) fn multipart(&mut self, bytes: &[u8], boundary: &multipart::Boundary) -> bool {
        let mut pairs = self.scratch.pairs.take();
        let mut names = self.scratch.buffers.take();
        pairs.clear();
        let is_complete = multipart::parts(bytes, boundary).all(|part| {
            pairs.push_raw(
                bytes,
                part.name,
                part.content,
                self.budget.limits.max_points,
                &mut names,
            )
        });
        self.budget.flags.points |= !is_complete;
        pairs.number(&names);
        for (position, part) in multipart::parts(bytes, boundary).enumerate() {
            let Some(pair) = pairs.list.get(position).filter(|_| self.wants_more()) else {
                break;
            };
            let outer = self.scratch.point.depth();
            pairs::push_point(
                &mut self.scratch.point,
                Element::Multipart,
                part.name,
                pair.nth,
                pair.is_repeated,
            );
            if pair.nth == 0 {
                self.name(part.name, Place::Name, 0);
            }
            match part.file_name {
                None => self.value(part.content, Place::Body, 0),
                Some(file_name) => {
                    self.scratch.point.push(Element::File);
                    self.scratch.point.push(Element::Name);
                    self.value(file_name, Place::FileName, 0);
                    self.scratch.point.pop();
                    body::raw(part.content, Place::File, self);
                }
            }
            self.scratch.point.truncate(outer);
            if part.file_name.is_none() {
                let joins = |pair: &pairs::Pair| bytes.get(pair.raw_value.clone()).unwrap_or_default();
                self.pollution(
                    (bytes, Place::Body, 0),
                    &pairs,
                    position,
                    &names,
                    Element::Multipart,
                    joins,
                );
            }
        }
        let has_parts = !pairs.list.is_empty();
        self.scratch.buffers.give(names);
        self.scratch.pairs.give(pairs);
        has_parts
    }
}
