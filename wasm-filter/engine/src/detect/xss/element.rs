//! Judges elements: which of them, with which attributes, can run script.

use std::ops::Range;

use super::{
    attribute::Facts,
    css,
    html::{Attributes, Tag},
    javascript::Kind,
    script::{self, Sink},
    stamp,
    survey::Setting,
    text::{at, find_fold, part, tail},
};
use crate::detect::{Signs, Stamp};

/// Judges the markup of one value.
pub(super) struct Judge<'a> {
    /// The value.
    pub(super) text: &'a [u8],
    /// What kind of text it is.
    pub(super) setting: Setting,
    /// Memory for a decoded attribute value.
    pub(super) decoded: &'a mut Vec<u8>,
    /// Memory for normalised style.
    pub(super) plain: &'a mut Vec<u8>,
    /// Where signs go.
    pub(super) signs: &'a mut Signs,
    /// The first capability.
    pub(super) found: Option<Range<usize>>,
    /// Where the content ends that was last read as a script or style. What looks like another one inside is part of
    /// it and not read again, so that the work stays linear.
    pub(super) content_end: usize,
    /// Every capability so far is one that honest snippets consist of.
    pub(super) is_ordinary: bool,
}

impl Judge<'_> {
    pub(super) fn capability(&mut self, stamp: &'static Stamp, span: Range<usize>) {
        let stamp = if self.setting == Setting::Document {
            &stamp::DOCUMENT_SCRIPT
        } else {
            stamp
        };
        self.signs.push(stamp, span.clone());
        self.found.get_or_insert(span);
        self.is_ordinary = false;
    }

    /// A capability that honest snippets consist of as well, so that standing alone does not speak against it.
    fn ordinary_capability(&mut self, stamp: &'static Stamp, span: Range<usize>) {
        let is_ordinary = self.found.is_none() || self.is_ordinary;
        self.capability(stamp, span);
        self.is_ordinary = is_ordinary;
    }

    /// Judges a tag and returns how far it has read.
    pub(super) fn tag(&mut self, tag: &Tag) -> usize {
        let full_name = tag.name.as_bytes();
        // `svg:script` is a script where the prefix is bound.
        let element = full_name
            .iter()
            .position(|b| *b == b':')
            .map_or(full_name, |colon| tail(full_name, colon + 1));
        // PERF: most tags of rich text have no attributes and no interest.
        if at(self.text, tag.attributes_from) == b'>' && (tag.is_end || !has_content(element)) {
            return tag.attributes_from + 1;
        }
        let is_server_control = full_name.len() > element.len() + 1 && element != b"script";
        let mut facts = Facts::default();
        let mut attributes = Attributes::new(self.text, tag.attributes_from);
        for attribute in attributes.by_ref() {
            self.attribute(element, is_server_control, &attribute, &mut facts);
        }
        let end = attributes.tag_end();
        let span = tag.start..attributes.position();
        if !tag.is_end {
            self.element(element, &facts, &span, end);
        }
        if let Some(handler) = facts.handler {
            let is_evasive = facts.is_evasive || facts.fails || tag.name.is_odd || tag.is_end;
            if is_evasive {
                self.signs.push(&stamp::EVASIVE, handler.clone());
            }
            self.capability(&stamp::EVENT_HANDLER, handler);
        } else if facts.is_evasive && self.found.is_some() {
            self.signs.push(&stamp::EVASIVE, span.clone());
        }
        if let Some(probe) = facts.probe {
            self.signs.push(&stamp::PROBE, probe);
        }
        span.end
    }

    /// Judges the element itself.
    fn element(&mut self, element: &[u8], facts: &Facts, span: &Range<usize>, end: Option<usize>) {
        let address = facts.address.clone().map(|address| part(self.text, address));
        let is_foreign = address.is_some_and(|address| is_foreign(address.trim_ascii()));
        if has_content(element) && span.start < self.content_end {
            return;
        }
        match element {
            b"script" => self.script(facts, span, end),
            b"handler" => {
                let Some(end) = end else { return };
                let (body, _) = self.body(end, b"</handler");
                let (reading, until) = (script::read(body), end + body.len());
                self.content_end = until;
                if reading.sink.is_some() {
                    self.capability(&stamp::SCRIPT_ELEMENT, span.start..until);
                }
            }
            b"iframe" | b"frame" | b"embed" | b"object" | b"applet" | b"bgsound" | b"layer" | b"ilayer" | b"portal"
            | b"fencedframe" => {
                let is_blank = address.is_some_and(|address| {
                    address.is_empty() || address.starts_with(b"about:") || address.starts_with(b"#")
                });
                let is_web = address.is_some_and(|address| {
                    !is_foreign || find_fold(address, b"http", 0) == Some(0) || address.starts_with(b"//")
                });
                let is_honest =
                    facts.has_placeholder || (facts.address_is_quoted && is_web && (facts.is_furnished || !is_foreign));
                if (address.is_some() && !is_blank && !is_honest) || (facts.is_scriptlet && element == b"object") {
                    self.capability(&stamp::EMBEDDED_DOCUMENT, span.clone());
                }
            }
            b"base" if is_foreign => self.capability(&stamp::PAGE_OVERRIDE, span.clone()),
            b"meta" if facts.overrides && (facts.names_url || facts.n_attributes == 1) => {
                self.capability(&stamp::PAGE_OVERRIDE, span.clone());
            }
            b"link" if facts.pulls_in && is_foreign => {
                let is_secure = address.is_some_and(|address| find_fold(address, b"https:", 0) == Some(0));
                if is_secure && facts.address_is_quoted && !facts.imports {
                    self.ordinary_capability(&stamp::FOREIGN_STYLE, span.clone());
                } else {
                    self.capability(&stamp::FOREIGN_STYLE, span.clone());
                }
            }
            b"?xml-stylesheet" if is_foreign => self.capability(&stamp::FOREIGN_STYLE, span.clone()),
            b"?import" if facts.n_attributes > 1 => self.capability(&stamp::EMBEDDED_DOCUMENT, span.clone()),
            b"style" => {
                let Some(end) = end else { return };
                let (body, _) = self.body(end, b"</style");
                let imports = css::imports(body);
                let body = end..end + body.len();
                self.content_end = body.end;
                if facts.is_script || css::runs_script(part(self.text, body), self.plain) {
                    self.capability(&stamp::SCRIPT_STYLE, span.clone());
                } else if imports {
                    self.capability(&stamp::FOREIGN_STYLE, span.clone());
                }
            }
            b"set" | b"animate" | b"animation" | b"animatecolor" | b"animatetransform" | b"animatemotion"
                if facts.animates =>
            {
                self.capability(&stamp::ANIMATED_ATTRIBUTE, span.clone());
            }
            _ => {}
        }
    }

    /// The content of an element up to its end tag, and whether there is one.
    fn body(&self, from: usize, end_tag: &[u8]) -> (&[u8], bool) {
        match find_fold(self.text, end_tag, from) {
            Some(end) => (part(self.text, from..end), true),
            None => (tail(self.text, from), false),
        }
    }

    fn script(&mut self, facts: &Facts, span: &Range<usize>, end: Option<usize>) {
        if facts.is_data && facts.address.is_none() {
            return;
        }
        if facts.has_placeholder {
            // A page template, which a server fills in before anyone sees it.
            return;
        }
        if let Some(address) = &facts.address {
            let address = part(self.text, address.clone()).trim_ascii();
            let is_own = !is_foreign(address) && !address.starts_with(b"#");
            if is_own && facts.address_is_quoted && !facts.has_odd_separator {
                self.ordinary_capability(&stamp::REMOTE_SCRIPT, span.clone());
            } else {
                self.capability(&stamp::REMOTE_SCRIPT, span.clone());
            }
            if facts.is_evasive || !facts.address_is_quoted {
                self.signs.push(&stamp::EVASIVE, span.clone());
            }
        }
        let Some(end) = end else {
            // Cut off inside the tag. Without attributes it is a mention.
            if facts.n_attributes > 0 {
                self.capability(&stamp::SCRIPT_ELEMENT, span.clone());
            }
            return;
        };
        let (body, is_closed) = self.body(end, b"</script");
        let reading = script::read(body);
        let is_mention = self.setting != Setting::Fragment || at(self.text, span.start.wrapping_sub(1)) != b'>';
        let runs = match reading.n_tokens {
            // `<script></script>` and `<script>` alone.
            0 => is_closed || !is_mention,
            _ if is_closed => reading.n_bends < 3 || reading.sink.is_some(),
            _ => {
                let acts = reading.has_call || reading.assigns_first || reading.sink.is_some();
                let begins = reading
                    .head
                    .is_some_and(|head| !matches!(head.kind, Kind::Sign(b'.' | b',' | b'<' | b'>' | b':' | b')')));
                (reading.n_bends < 2 && acts && begins) || !is_mention
            }
        };
        let until = end + body.len();
        self.content_end = until;
        if !runs || facts.address.is_some() {
            return;
        }
        let reaches =
            reading.is_escaped || matches!(reading.sink, Some((Sink::Dialog | Sink::Code | Sink::Session, _)));
        let is_probe = reading.is_probe();
        self.capability(&stamp::SCRIPT_ELEMENT, span.start..until);
        if reaches {
            let sink = reading
                .sink
                .map_or(end..until, |(_, sink)| end + sink.start..end + sink.end);
            self.signs.push(&stamp::PROBE, sink.clone());
            if is_probe {
                self.signs.push(&stamp::LONE_PROBE, sink);
            }
        }
    }
}

/// Whether an element's content runs, or may.
fn has_content(element: &[u8]) -> bool {
    matches!(element, b"script" | b"style" | b"handler")
}

/// Whether an address leads to another server or is a document of its own.
fn is_foreign(address: &[u8]) -> bool {
    address.starts_with(b"//") || address.starts_with(b"\\\\") || memchr::memchr(b':', address).is_some()
}
