//! Bodies of gRPC, and messages of protocol buffers.

use std::io::Write as _;

use waf_policy::Parser;

use super::{Walk, element_of};
use crate::{
    decode::{base64, unpack::Format},
    detect::Place,
    parse::{
        body,
        grpc::{FrameKind, Frames},
        protobuf::{self, Fields, Scalar},
    },
    point::{Element, Step},
};

impl Walk<'_> {
    /// Reads the frames of gRPC. False when there are none.
    pub(crate) fn grpc(&mut self, bytes: &[u8], depth: usize) -> bool {
        let mut has_frames = false;
        let mut frames = Frames::of(bytes);
        for (index, frame) in frames.by_ref().enumerate() {
            has_frames = true;
            if !self.wants_more() {
                break;
            }
            self.scratch.point.push_index(Element::Grpc, index as u32);
            match frame.kind {
                FrameKind::Message => self.message(frame.content, depth),
                FrameKind::Compressed => self.compressed_message(frame.content, depth),
                FrameKind::Trailers => self.value(frame.content, Place::Body, depth),
            }
            self.scratch.point.pop();
        }
        if has_frames {
            body::raw_at(frames.rest(), Place::Body, depth, self);
        }
        has_frames
    }

    /// Reads frames of gRPC-Web in base64. False when there are none.
    pub(crate) fn grpc_text(&mut self, bytes: &[u8]) -> bool {
        if !self.budget.may_decode(bytes.len()) {
            return false;
        }
        let mut out = self.scratch.buffers.take();
        base64::decode_binary(bytes, &mut out);
        self.budget.count_decoded(out.len());
        self.scratch.point.push(Element::Base64);
        let has_frames = self.grpc(&out, 1);
        self.scratch.point.pop();
        self.scratch.buffers.give(out);
        has_frames
    }

    /// Reads a message that is compressed, when it shows how.
    fn compressed_message(&mut self, bytes: &[u8], depth: usize) {
        let format = Format::of(bytes).filter(|_| self.reads(Parser::Gzip) && self.budget.may_descend(depth));
        let Some(format) = format else {
            return body::raw_at(bytes, Place::Body, depth, self);
        };
        let mut out = self.scratch.buffers.take();
        self.unpack(bytes, format, &mut out);
        self.scratch.point.push(element_of(format));
        self.message(&out, depth + 1);
        self.scratch.point.pop();
        self.scratch.buffers.give(out);
    }

    /// Reads a message that the content type declares, or judges it as it stands.
    pub(crate) fn message(&mut self, bytes: &[u8], depth: usize) {
        // Text that is no message is what gRPC allows instead, such as JSON.
        match protobuf::is_declared_message(bytes) && self.reads(Parser::Protobuf) {
            true => self.protobuf(bytes, depth),
            false => body::raw_at(bytes, Place::Body, depth, self),
        }
    }

    /// Reads the fields of a message at the current point.
    fn protobuf(&mut self, bytes: &[u8], depth: usize) {
        if !self.budget.spend(bytes.len() as u64) || !self.budget.may_descend(depth) {
            return body::raw_at(bytes, Place::Body, depth, self);
        }
        let mut fields = Fields::of(bytes);
        let mut next = fields.next();
        // Repeated fields follow one another, as every encoder writes them.
        let mut nth = 0;
        while let Some(field) = next {
            if !self.wants_more() {
                return;
            }
            next = fields.next();
            let goes_on = next.is_some_and(|next| next.number == field.number);
            let outer = self.scratch.point.depth();
            let mut digits = [0; 10];
            self.scratch
                .point
                .push_name(Element::Protobuf, decimal(field.number.into(), &mut digits));
            if goes_on || nth > 0 {
                self.scratch.point.push_index(Element::Array, nth);
            }
            nth = if goes_on { nth + 1 } else { 0 };
            match field.value {
                Scalar::Varint(number) => self.number(Element::ProtobufVarint, number),
                Scalar::Int64(number) => self.number(Element::ProtobufInt64, number),
                Scalar::Int32(number) => self.number(Element::ProtobufInt32, number.into()),
                Scalar::Bytes(bytes) => self.delimited(bytes, depth),
            }
            self.scratch.point.truncate(outer);
        }
        body::raw_at(fields.rest(), Place::Body, depth, self);
    }

    fn number(&mut self, element: Element, number: u64) {
        let mut digits = [0; 20];
        self.scratch.point.enter(element, Step::Only);
        self.inert(decimal(number, &mut digits), Place::Body);
        self.scratch.point.pop();
    }

    /// Judges a field that may be a string, bytes or a message; nothing on the wire tells.
    fn delimited(&mut self, bytes: &[u8], depth: usize) {
        let n_control = protobuf::n_control(bytes);
        let is_message = self.budget.spend(bytes.len() as u64) && protobuf::is_message(bytes);
        let is_text = std::str::from_utf8(bytes).is_ok();
        if is_message {
            self.protobuf(bytes, depth + 1);
        }
        match (is_message, is_text) {
            (true, true) if n_control > 0 => {}
            (true, false) => {}
            // Control bytes are allowed in strings, and would otherwise be a way to hide one.
            (_, true) if n_control * 4 <= bytes.len() => self.value(bytes, Place::Body, depth),
            _ => body::raw_at(bytes, Place::File, depth, self),
        }
    }
}

/// Writes a number in decimal.
fn decimal(number: u64, digits: &mut [u8]) -> &[u8] {
    let whole = digits.len();
    let mut rest = &mut *digits;
    // The array is as long as the longest number.
    let _ = write!(rest, "{number}");
    let n_digits = whole - rest.len();
    digits.get(..n_digits).unwrap_or_default()
}
