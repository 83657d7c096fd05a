//! Detector of external and exploding XML entities.
//!
//! Reads the prolog of what an XML parser would accept as a document, and of documents wrapped in a CDATA section, in
//! one pass and without building a tree. What counts is a declaration that makes a parser fetch something (XML 1.0
//! section 4.2.2, XInclude 1.1) or grow without bound (section 4.4, CWE-776). Declarations inside prose or markup are
//! not read by any parser and do not count; neither do document types that name a published DTD.

mod bomb;
mod document;
mod reach;

use self::bomb::Entities;
use super::{Fuel, Place, Signs, Value};
use crate::prefilter::{Classes, byte, pair};

stamps! {
    Xxe {
        EXTERNAL_ENTITY 4101 "external-entity" 100
            "The XML document declares an entity whose content is fetched from a file or another host.";
        RELATIVE_ENTITY 4102 "relative-entity" 60
            "The XML document declares an entity whose content is fetched from beside it, as books in parts do too.";
        EXTERNAL_SUBSET 4103 "external-subset" 100
            "The XML document takes its declarations from a file or from a host that publishes no known document type.";
        NESTED_DECLARATION 4104 "nested-declaration" 100
            "An XML entity holds the declaration of another, which smuggles content of files into requests.";
        INCLUSION 4105 "inclusion" 100
            "The XML document includes a file or a foreign resource by XInclude.";
        HIDDEN_ENCODING 4106 "hidden-encoding" 100
            "The XML document is written in an encoding that hides its declarations from filters.";
        HIDDEN_REFERENCE 4107 "hidden-reference" 100
            "An XML parameter entity holds an encoded reference to another, which only declarations built to be re-read need.";
    }
    DataBomb {
        ENTITY_BOMB 30001 "entity-bomb" 100
            "XML entities refer to each other so often that their expansion exhausts memory or time.";
    }
}

/// Memory reused between values.
#[derive(Debug, Default)]
pub struct Scratch {
    text: Vec<u8>,
    entities: Entities,
}

/// Largest copy of a value kept between uses, in bytes.
const MAX_KEPT_BYTES: usize = 64 * 1024;

/// `<?xml` in EBCDIC, of which XML 1.0 appendix F tells how parsers recognise it.
const EBCDIC_DECLARATION: &[u8] = b"\x4c\x6f\xa7\x94\x93";

/// Whether a value of these classes can carry a sign. Never false when [`scan`] would report one.
pub fn may_match(classes: &Classes) -> bool {
    // In UTF-16 the neighbour of `<` is a NUL byte; in EBCDIC some letters are above 0x7f.
    classes.any_pair(pair::TAG_OPEN) || classes.all_bytes(byte::LESS | byte::NUL) || classes.any_byte(byte::HIGH)
}

/// Looks for signs of external entities and entity bombs in one value.
pub fn scan(value: &Value<'_>, scratch: &mut Scratch, fuel: &mut Fuel, signs: &mut Signs) {
    let may_be_document = matches!(
        value.place,
        Place::Path
            | Place::Query
            | Place::Body
            | Place::RawBody
            | Place::File
            | Place::Cookie
            | Place::Header
            | Place::UserAgent
    );
    if !may_be_document {
        return;
    }
    if value.bytes.starts_with(EBCDIC_DECLARATION) {
        signs.push(&HIDDEN_ENCODING, 0..EBCDIC_DECLARATION.len());
        return;
    }
    if !is_markup(value.bytes) || !fuel.spend(2 * value.bytes.len() as u64) {
        return;
    }
    let Scratch { text, entities } = scratch;
    entities.clear();
    text.clear();
    let is_utf16 = memchr::memchr(0, value.bytes).is_some();
    if is_utf16 {
        // ASCII in UTF-16 is ASCII with NUL bytes between; what is left out of other text does not matter here.
        text.extend(value.bytes.iter().filter(|b| **b != 0 && **b < 0xfe));
    }
    let bytes: &[u8] = if is_utf16 { text } else { value.bytes };
    let n_before = signs.0.len();
    document::judge(bytes, entities, signs);
    if entities.explode() {
        signs.push(&ENTITY_BOMB, entities.span());
    }
    if is_utf16 {
        // Positions in the copy are about half of those in the value; the whole value is the honest answer.
        for sign in signs.0.iter_mut().skip(n_before) {
            sign.span = 0..value.bytes.len();
        }
    }
    text.clear();
    text.shrink_to(MAX_KEPT_BYTES);
}

/// Whether a value begins as an XML document does, in any encoding that keeps ASCII recognisable.
fn is_markup(bytes: &[u8]) -> bool {
    const BEFORE: usize = 64;
    let is_mark = |b: &u8| matches!(b, 0 | 0xef | 0xbb | 0xbf | 0xfe | 0xff) || b.is_ascii_whitespace();
    bytes.iter().take(BEFORE).find(|b| !is_mark(b)) == Some(&b'<')
}

#[cfg(test)]
mod tests {
    use waf_policy::AttackType;

    use super::*;
    use crate::detect::THRESHOLD;
    use proptest::prelude::*;

    fn weights(place: Place, value: &[u8]) -> (u32, u32) {
        let (mut scratch, mut fuel, mut signs) = (Scratch::default(), Fuel::new(1 << 22), Signs::default());
        let value = Value { bytes: value, place };
        scan(&value, &mut scratch, &mut fuel, &mut signs);
        if signs.iter().next().is_some() {
            assert!(may_match(&Classes::of(value.bytes)));
        }
        for sign in signs.iter() {
            assert!(sign.span.end <= value.bytes.len());
        }
        (signs.weight(AttackType::Xxe), signs.weight(AttackType::DataBomb))
    }

    #[test]
    fn sixteen_bit_documents_are_read() {
        let document = "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///srv/key'>]><a>&b;</a>";
        let little: Vec<u8> = document.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = document.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = [&b"\xff\xfe"[..], &little].concat();
        for bytes in [&little, &big, &marked] {
            assert!(weights(Place::RawBody, bytes).0 >= THRESHOLD);
        }
        assert!(weights(Place::RawBody, b"\x4c\x6f\xa7\x94\x93\x40").0 >= THRESHOLD);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            weights(Place::RawBody, &[b"<", &bytes[..]].concat());
        }

        #[test]
        fn prefilter_agrees(value in "(<!DOCTYPE |<!ENTITY |%|a|b| |SYSTEM |PUBLIC |'|\"|\\[|\\]|>|<!--|-->|<\\?xml |\\?>|&a;|http://x|file:///|<xi:include |href=|\\x00|<!\\[CDATA\\[|encoding=|utf-7){0,20}") {
            weights(Place::Body, value.as_bytes());
        }
    }
}
