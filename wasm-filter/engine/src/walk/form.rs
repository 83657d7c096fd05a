//! Forms that a value can have: each a row of one of two tables.
//!
//! To add a parser or decoder: give it an [`Element`](crate::point::Element) and, to be switched off, a [`Parser`]; write
//! it below `parse` or `decode`; and add its row here.

use waf_policy::Parser;

use super::{Walk, decoders, gql, json, jwt, unpack, viewstate, xml};
use crate::{detect::Value, prefilter::Classes};

/// A parser or decoder that every value is offered to.
struct Form {
    /// What it is switched off by; nothing for what every back end does.
    parser: Option<Parser>,
    /// Whether a value may have the form at all. Runs for every value: answer from its classes and first bytes.
    fits: fn(&Value<'_>, &Classes) -> bool,
    /// Reads the value and judges what it yields. Spends fuel for the bytes that it looks at.
    read: fn(&mut Walk<'_>, &Value<'_>, &Classes, depth: usize) -> Reading,
}

/// What became of a value that was offered to a parser or decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It does not have the form.
    None,
    /// It was read. It is judged as it stands, too, because not every application reads it.
    Read,
    /// It was read, and nothing of it is left to be judged.
    Whole,
}

/// Structures: a value is split into its parts. The first that reads the value is the last that is asked. They come
/// before detectors, because a value that is a structure in every reader's eyes is judged by its parts alone.
const STRUCTURES: &[Form] = &[
    Form {
        parser: Some(Parser::JsonDoc),
        fits: json::fits,
        read: json::read,
    },
    Form {
        parser: Some(Parser::Viewstate),
        fits: viewstate::fits,
        read: viewstate::read,
    },
    Form {
        parser: Some(Parser::Xml),
        fits: xml::fits,
        read: xml::read,
    },
    Form {
        parser: Some(Parser::Gql),
        fits: gql::fits,
        read: gql::read,
    },
    Form {
        parser: Some(Parser::Jwt),
        fits: jwt::fits,
        read: jwt::read,
    },
    Form {
        parser: Some(Parser::Gzip),
        fits: unpack::fits,
        read: unpack::read,
    },
];

/// Encodings: another form of the same value. The first that yields one is the last that is asked: further forms follow
/// from that one, so the work stays linear.
const ENCODINGS: &[Form] = &[
    Form {
        parser: Some(Parser::Percent),
        fits: decoders::fits_percent,
        read: decoders::percent,
    },
    Form {
        parser: Some(Parser::Htmljs),
        fits: decoders::fits_htmljs,
        read: decoders::htmljs,
    },
    Form {
        parser: None,
        fits: decoders::fits_unicode,
        read: decoders::unicode,
    },
    Form {
        parser: Some(Parser::Hex),
        fits: decoders::fits_hex,
        read: decoders::hex,
    },
    Form {
        parser: Some(Parser::Base64),
        fits: decoders::fits_base64,
        read: decoders::base64,
    },
    Form {
        parser: Some(Parser::Base64),
        fits: decoders::fits_data_url,
        read: decoders::data_url,
    },
];

impl Walk<'_> {
    /// Judges the parts of a value that is a structure. True when nothing of it is left to be judged.
    pub(super) fn read_structure(&mut self, value: &Value<'_>, classes: &Classes, depth: usize) -> bool {
        self.read_first(STRUCTURES, value, classes, depth) == Reading::Whole
    }

    /// Judges the decoded form of a value that is encoded.
    pub(super) fn read_encoding(&mut self, value: &Value<'_>, classes: &Classes, depth: usize) {
        self.read_first(ENCODINGS, value, classes, depth);
    }

    #[inline]
    fn read_first(&mut self, forms: &'static [Form], value: &Value<'_>, classes: &Classes, depth: usize) -> Reading {
        for form in forms {
            let is_on = form.parser.is_none_or(|parser| self.parsers.contains(parser));
            if is_on && (form.fits)(value, classes) {
                let reading = (form.read)(self, value, classes, depth);
                if reading != Reading::None {
                    return reading;
                }
            }
        }
        Reading::None
    }
}
