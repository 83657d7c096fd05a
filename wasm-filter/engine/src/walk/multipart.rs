//! Bodies of several parts.

use super::Walk;
use crate::{
    detect::Place,
    parse::{
        body,
        multipart::{self, Delimiters, Transfer},
        pairs,
    },
    point::Element,
};

impl Walk<'_> {
    /// Reads the parts of a multipart body. False when there are none.
    pub(crate) fn multipart(&mut self, bytes: &[u8], boundary: &[u8], depth: usize) -> bool {
        let strict = multipart::parts(bytes, boundary, Delimiters::AtLineStart);
        let (mut has_parts, is_odd) = self.parts(bytes, strict, depth);
        // Twice within twice would be a power of two of the nesting.
        if is_odd && depth == 0 {
            let lax = multipart::parts(bytes, boundary, Delimiters::Anywhere);
            has_parts |= self.parts(bytes, lax, depth).0;
        }
        has_parts
    }

    /// Judges parts. Whether there were any, and whether other readers may see others.
    fn parts(&mut self, bytes: &[u8], parts: multipart::Parts<'_>, depth: usize) -> (bool, bool) {
        let mut pairs = self.scratch.pairs.take();
        let mut names = self.scratch.buffers.take();
        pairs.clear();
        let mut has_parts = false;
        let mut scan = parts.clone();
        let is_complete = scan.by_ref().all(|part| {
            has_parts |= !part.is_outside;
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
        for (position, part) in parts.enumerate() {
            let Some(pair) = pairs.list.get(position).filter(|_| self.wants_more()) else {
                break;
            };
            if part.is_outside {
                self.outside(part.content, depth);
                continue;
            }
            let outer = self.scratch.point.depth();
            pairs::push_point(
                &mut self.scratch.point,
                Element::Multipart,
                part.name,
                pair.nth,
                pair.is_repeated,
            );
            if pair.nth == 0 {
                self.name(part.name, Place::Name, depth);
            }
            if let Some(other) = part.other_name {
                self.name(other, Place::Name, depth);
            }
            self.part_head(&part, depth);
            match part.file_name {
                None => self.part(&part, Place::Body, depth),
                Some(file_name) => {
                    if part.is_field_too {
                        self.part(&part, Place::Body, depth);
                    }
                    self.scratch.point.push(Element::File);
                    self.scratch.point.push(Element::Name);
                    self.value(file_name, Place::FileName, depth);
                    self.scratch.point.pop();
                    self.part(&part, Place::File, depth);
                }
            }
            self.scratch.point.truncate(outer);
            if part.file_name.is_none() {
                let joins = |pair: &pairs::Pair| bytes.get(pair.raw_value.clone()).unwrap_or_default();
                self.pollution(
                    (bytes, Place::Body, depth),
                    &pairs,
                    position,
                    &names,
                    Element::Multipart,
                    joins,
                );
            }
        }
        self.scratch.buffers.give(names);
        self.scratch.pairs.give(pairs);
        (has_parts, scan.is_odd())
    }

    /// Judges what stands before or behind the parts, where another reader may find parts of its own.
    fn outside(&mut self, bytes: &[u8], depth: usize) {
        if let Some(boundary) = multipart::shown_boundary(bytes)
            && self.budget.may_descend(depth)
            && self.multipart(bytes, boundary, depth + 1)
        {
            return;
        }
        body::raw(bytes, Place::RawBody, self);
    }

    /// Judges the header fields of a part that say more than its name.
    fn part_head(&mut self, part: &multipart::Part<'_>, depth: usize) {
        for (name, value) in multipart::fields(part.head) {
            let is_read = name.eq_ignore_ascii_case(b"content-disposition");
            if is_read || value.is_empty() || !self.wants_more() {
                continue;
            }
            self.scratch.point.push_upper(Element::Header, name);
            self.name(name, Place::Name, depth);
            if is_media_type(value) {
                self.inert(value, Place::Header);
            } else {
                self.value(value, Place::Header, depth);
            }
            self.scratch.point.pop();
        }
    }

    /// Judges the content of a part, in every form that a reader may give it.
    fn part(&mut self, part: &multipart::Part<'_>, place: Place, depth: usize) {
        let content = part.content;
        if let Some(charset) = part.charset {
            self.transcoded(content, charset, |walk, text| walk.value(text, place, depth + 1));
        }
        match part.encoding {
            Some(Transfer::Base64) => self.base64(content, place, depth),
            Some(Transfer::QuotedPrintable) => self.quoted_printable(content, place, depth),
            None => {}
        }
        if let Some(boundary) = part.boundary
            && self.budget.may_descend(depth)
            && self.multipart(content, boundary, depth + 1)
        {
            return;
        }
        match place {
            Place::File => body::raw(content, place, self),
            _ => self.value(content, place, depth),
        }
    }
}

/// Whether a value is a type and subtype with ordinary parameters, which carries nothing.
fn is_media_type(value: &[u8]) -> bool {
    let is_ordinary =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'+' | b';' | b'=' | b' ' | b'_' | b'"');
    // A dot as in `vnd.ms-excel`, none beside another.
    let is_dotted = |window: &[u8]| window == b"..";
    value.iter().all(|b| is_ordinary(b) || *b == b'.') && !value.windows(2).any(is_dotted)
}
