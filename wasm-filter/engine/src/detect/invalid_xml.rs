//! XML documents whose declared encoding their bytes contradict.
//!
//! A filter and a parser that trust different things then read different documents. What merely breaks the rules of XML
//! is no attack. Source: Wallarm documentation, "Unsafe XML header"; XML 1.0 section 4.3.3.

use std::ops::Range;

use super::Stamp;
use crate::{
    decode::charset::Charset,
    parse::xml::prolog::{Declarations, Entity, External, Reader},
};

stamps! {
    InvalidXml {
        WIDE_BYTES 28001 "wide-bytes" 100
            "The XML document is written in UTF-16 or UTF-32 and declares an encoding of single bytes.";
        NARROW_BYTES 28002 "narrow-bytes" 100
            "The XML document is written in single bytes and declares UTF-16 or UTF-32.";
    }
}

/// Bytes at the start of a document that are looked at.
const MAX_BYTES: usize = 512;

/// Finds a contradiction in the XML declaration of raw bytes. `is_labelled` says that the protocol names an encoding,
/// which then counts in place of the declared one (RFC 7303 section 3), unless the bytes are wide.
pub(crate) fn contradiction(bytes: &[u8], is_labelled: bool) -> Option<(&'static Stamp, Range<usize>)> {
    let head = bytes.get(..MAX_BYTES).unwrap_or(bytes);
    let is_wide = matches!(
        Charset::of(head),
        Some(Charset::Utf16Le | Charset::Utf16Be | Charset::Utf32Le | Charset::Utf32Be)
    );
    let mut narrowed = [0; MAX_BYTES];
    let mut length = 0;
    let kept = head.iter().filter(|b| !is_wide || (**b != 0 && **b < 0xfe));
    for (place, b) in narrowed.iter_mut().zip(kept) {
        *place = *b;
        length += 1;
    }
    let text = narrowed.get(..length).unwrap_or_default();
    let mut named = Named::default();
    let mut reader = Reader::new(text);
    reader.skip(b"\xef\xbb\xbf");
    reader.skip_space();
    if !reader.rest().starts_with(b"<?xml") {
        return None;
    }
    reader.prolog(&mut named);
    let declared = named.0?;
    let label = text.get(declared.clone())?;
    let declares_wide = match Charset::named(label) {
        Some(Charset::Utf7 | Charset::Ibm037 | Charset::Ibm500 | Charset::Ibm1047) => return None,
        Some(_) => true,
        None => false,
    };
    match (is_wide, declares_wide) {
        (true, false) if !label.is_empty() => Some((&WIDE_BYTES, 0..head.len())),
        (false, true) if !is_labelled => Some((&NARROW_BYTES, declared)),
        _ => None,
    }
}

/// The encoding that the declaration names.
#[derive(Default)]
struct Named(Option<Range<usize>>);

impl Declarations for Named {
    fn declaration(&mut self, _span: Range<usize>, encoding: Option<Range<usize>>) {
        self.0 = self.0.take().or(encoding);
    }

    fn instruction(&mut self, _inner: Range<usize>) {}
    fn comment(&mut self, _inner: Range<usize>) {}
    fn external_subset(&mut self, _external: External, _span: Range<usize>) {}
    fn entity(&mut self, _entity: Entity, _span: Range<usize>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], is_labelled: bool, expected: Option<&Stamp>) {
        let found = contradiction(bytes, is_labelled);
        assert_eq!(found.as_ref().map(|(stamp, _)| *stamp), expected, "{bytes:?}");
        assert!(found.is_none_or(|(_, span)| span.end <= bytes.len()));
    }

    #[test]
    fn contradictions_are_told_from_mistakes() {
        let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let utf8 = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>";
        let utf16 = "<?xml version='1.0' encoding='utf-16'?><a/>";
        check(utf8.as_bytes(), false, None);
        check(&wide(utf16), false, None);
        check(&wide("<?xml version='1.0'?><a/>"), false, None);
        check(&wide(utf8), false, Some(&WIDE_BYTES));
        check(&wide(utf8), true, Some(&WIDE_BYTES));
        check(&[b"\xff\xfe", &wide(utf8)[..]].concat(), false, Some(&WIDE_BYTES));
        check(utf16.as_bytes(), false, Some(&NARROW_BYTES));
        check(utf16.as_bytes(), true, None);
        check(
            b"\xef\xbb\xbf<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>",
            false,
            None,
        );
        check(b"<?xml version='1.0' encoding='utf-8'?><a>\xe9</b>", false, None);
        check(b"<a encoding='utf-16'/>", false, None);
        check(b"<?xml encoding='utf-16", false, None);
        check(b"", false, None);
    }
}
