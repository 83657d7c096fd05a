//! Judges elements: which of them, with which attributes, can run script.

use std::ops::Range;

use super::{
    css, entity,
    event::{Event, event},
    html::{Attribute, Attributes, Separator, Tag},
    script::{self, Sink},
    stamp,
    survey::Setting,
    text::{Name, at, find_fold, part, tail},
    url::{self, Danger},
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
}

/// What the attributes of an element amount to.
#[derive(Default)]
struct Facts {
    n_attributes: usize,
    /// An address that the element loads: its value.
    address: Option<Range<usize>>,
    address_is_quoted: bool,
    /// The address is filled in by a template engine: `src="{{ url }}"`.
    has_placeholder: bool,
    /// Attributes of an honest embed: `width`, `title`, `allow`.
    is_furnished: bool,
    /// The resource cannot load: `src=x`.
    fails: bool,
    /// `rel` says style sheet or import.
    pulls_in: bool,
    /// `http-equiv` that changes the page, or a charset that does.
    overrides: bool,
    /// `content` has a URL.
    names_url: bool,
    /// `attributeName` is a handler or a link.
    animates: bool,
    /// `type` says that the element holds a script.
    is_script: bool,
    /// `type` says that the element holds data.
    is_data: bool,
    /// `type` or `classid` says that an object runs script.
    is_scriptlet: bool,
    /// A handler that reaches for attention, with its span.
    handler: Option<Range<usize>>,
    /// The way it is written betrays it.
    is_evasive: bool,
    /// Part of the value where it was found.
    probe: Option<Range<usize>>,
}

impl Judge<'_> {
    fn capability(&mut self, stamp: &'static Stamp, span: Range<usize>) {
        let stamp = if self.setting == Setting::Document {
            &stamp::DOCUMENT_SCRIPT
        } else {
            stamp
        };
        self.signs.push(stamp, span.clone());
        self.found.get_or_insert(span);
    }

    /// Judges a tag and returns how far it has read.
    pub(super) fn tag(&mut self, tag: &Tag) -> usize {
        let full_name = tag.name.as_bytes();
        // `svg:script` is a script where the prefix is bound.
        let element = full_name
            .iter()
            .position(|b| *b == b':')
            .map_or(full_name, |colon| tail(full_name, colon + 1));
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

    /// Judges the attributes from a position that is taken to be inside a tag. True when one runs script.
    pub(super) fn attributes_from(&mut self, from: usize, needs_sink: bool) -> bool {
        let mut facts = Facts::default();
        let mut n_bare = 0;
        for attribute in Attributes::new(self.text, from).take(12) {
            let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.');
            // `x`, `x/` or `foo` may end the attribute that the value began in; code and sentences are longer.
            if attribute.value.is_empty() {
                n_bare += 1;
            }
            if n_bare > 4 || !attribute.name.as_bytes().iter().all(is_name) {
                return false;
            }
            let (found, n_signs) = (self.found.clone(), self.signs.0.len());
            self.attribute(b"", false, &attribute, &mut facts);
            let runs = facts.handler.is_some() || self.found != found;
            if runs && (!needs_sink || facts.probe.is_some()) {
                self.signs.push(&stamp::ATTRIBUTE_BREAK_OUT, attribute.span);
                return true;
            }
            self.found = found;
            self.signs.0.truncate(n_signs);
            if facts.handler.is_some() {
                return false;
            }
        }
        false
    }

    fn attribute(&mut self, element: &[u8], is_server_control: bool, attribute: &Attribute, facts: &mut Facts) {
        facts.n_attributes += 1;
        let name = attribute.name.as_bytes();
        let raw = part(self.text, attribute.value.clone());
        let is_odd = attribute.separator == Separator::Odd || attribute.name.is_odd;
        let any_reference = if memchr::memchr(b'&', raw).is_some() {
            entity::decode(raw, self.decoded)
        } else {
            self.decoded.clear();
            self.decoded
                .extend_from_slice(part(raw, 0..raw.len().min(entity::MAX_DECODED_BYTES)));
            false
        };
        if let Some(event) = event(name) {
            self.handler(event, is_server_control, attribute, is_odd || any_reference, facts);
            return;
        }
        if is_directive(name) && memchr::memchr2(b'(', b'`', self.decoded).is_some() {
            let reading = script::read(self.decoded);
            if matches!(reading.sink, Some((Sink::Dialog | Sink::Code, _))) {
                self.capability(&stamp::EVENT_HANDLER, attribute.span.clone());
            }
            return;
        }
        match name {
            b"width" | b"height" | b"title" | b"allow" | b"allowfullscreen" | b"frameborder" | b"loading" => {
                facts.is_furnished = true;
            }
            b"type" | b"classid" | b"language" => {
                facts.is_data |= [
                    &b"json"[..],
                    b"template",
                    b"importmap",
                    b"speculationrules",
                    b"plain",
                    b"x-handlebars",
                ]
                .iter()
                .any(|kind| find_fold(self.decoded, kind, 0).is_some());
                facts.is_script |= find_fold(self.decoded, b"javascript", 0).is_some();
                facts.is_scriptlet |= name == b"classid" || find_fold(self.decoded, b"scriptlet", 0).is_some();
            }
            b"rel" => {
                facts.pulls_in |= [&b"stylesheet"[..], b"import"]
                    .iter()
                    .any(|kind| find_fold(self.decoded, kind, 0).is_some());
            }
            b"http-equiv" => {
                let value = self.decoded.trim_ascii();
                facts.overrides |= [&b"refresh"[..], b"set-cookie", b"link"]
                    .iter()
                    .any(|kind| value.eq_ignore_ascii_case(kind));
                facts.names_url |= value.eq_ignore_ascii_case(b"set-cookie") || value.eq_ignore_ascii_case(b"link");
            }
            b"attributename" => {
                let value = Name::read(self.decoded.trim_ascii());
                facts.animates |= matches!(
                    value.as_bytes(),
                    b"href" | b"xlink:href" | b"innerhtml" | b"outerhtml" | b"src" | b"action"
                ) || event(value.as_bytes()).is_some();
            }
            b"dataformatas" if self.decoded.trim_ascii().eq_ignore_ascii_case(b"html") => {
                self.capability(&stamp::EMBEDDED_DOCUMENT, attribute.span.clone());
            }
            b"charset" => facts.overrides |= is_foreign_charset(self.decoded),
            b"srcdoc" if memchr::memchr(b'<', self.decoded).is_some() => {
                self.capability(&stamp::EMBEDDED_DOCUMENT, attribute.span.clone());
            }
            b"style" if css::runs_script(self.decoded, self.plain) => {
                self.capability(&stamp::SCRIPT_STYLE, attribute.span.clone());
            }
            _ => {}
        }
        if name == b"content" {
            facts.names_url |= find_fold(self.decoded, b"url", 0).is_some();
            if is_foreign_charset(self.decoded) {
                facts.overrides = true;
                facts.names_url = true;
            }
        }
        if matches!(
            name,
            b"src"
                | b"href"
                | b"data"
                | b"code"
                | b"codebase"
                | b"archive"
                | b"xlink:href"
                | b"implementation"
                | b"movie"
        ) {
            facts.fails |= name == b"src" && cannot_load(self.decoded);
            facts.address = Some(attribute.value.clone());
            facts.address_is_quoted = attribute.quote != 0;
            facts.has_placeholder = attribute.quote != 0
                && [&b"{{"[..], b"{%", b"<%", b"<?", b"${", b"@{"]
                    .iter()
                    .any(|opening| self.decoded.starts_with(opening));
        }
        self.address(element, attribute, is_odd, any_reference, facts);
    }

    /// Looks for a dangerous scheme in an attribute's decoded value.
    fn address(&mut self, element: &[u8], attribute: &Attribute, is_odd: bool, any_reference: bool, facts: &mut Facts) {
        // `content="0;url=javascript:..."`, `values="x;javascript:..."`
        let from = match attribute.name.as_bytes() {
            b"content" => find_fold(self.decoded, b"url=", 0).map_or(0, |i| i + 4),
            b"values" => memchr::memchr(b';', self.decoded).map_or(0, |i| i + 1),
            _ => 0,
        };
        let Some(reading) = url::read(tail(self.decoded, from)).or_else(|| url::read(self.decoded)) else {
            return;
        };
        let is_picture = matches!(
            element,
            b"img" | b"image" | b"input" | b"source" | b"video" | b"link" | b"td" | b"table" | b"feimage" | b""
        );
        if reading.danger == Danger::Image && is_picture {
            return;
        }
        if reading.has_sink {
            facts.probe = Some(attribute.span.clone());
        }
        if reading.is_obscured
            || is_odd
            || (any_reference
                && reading.danger == Danger::Script
                && has_reference_in_scheme(part(self.text, attribute.value.clone())))
        {
            self.signs.push(&stamp::EVASIVE, attribute.span.clone());
        }
        self.capability(&stamp::SCRIPT_URL, attribute.span.clone());
    }

    /// Judges an event handler attribute whose decoded value is at hand.
    fn handler(
        &mut self,
        event: Event,
        is_server_control: bool,
        attribute: &Attribute,
        is_odd: bool,
        facts: &mut Facts,
    ) {
        let value = self.decoded.trim_ascii();
        if value.is_empty() {
            return;
        }
        let reading = script::read(value);
        let reaches = matches!(reading.sink, Some((Sink::Dialog | Sink::Code | Sink::Session, _)));
        let is_word = reading.n_tokens == 1;
        let runs = if attribute.quote == b'{' {
            // JSX: the value is a function or its name. As HTML it would be a block that runs at once.
            reaches && !reading.has_arrow && reading.n_tokens > 3
        } else if event == Event::Possible {
            reaches || (reading.is_code() && !attribute.is_camel)
        } else if is_word {
            let is_constant =
                value.iter().all(u8::is_ascii_digit) || matches!(value, b"true" | b"false" | b"null" | b"on" | b"off");
            // ASP.NET and JSF controls name a method of the server.
            !is_constant && !is_server_control
        } else {
            reading.n_bends < 2 || reaches
        };
        if !runs || facts.handler.is_some() {
            return;
        }
        facts.handler = Some(attribute.span.clone());
        facts.is_evasive |= is_odd || reading.is_escaped || (attribute.quote == 0 && reading.has_call);
        if reaches {
            facts.probe = Some(attribute.span.clone());
        }
    }

    /// Judges the element itself.
    fn element(&mut self, element: &[u8], facts: &Facts, span: &Range<usize>, end: Option<usize>) {
        let address = facts.address.clone().map(|address| part(self.text, address));
        let is_foreign = address.is_some_and(|address| {
            let address = address.trim_ascii();
            address.starts_with(b"//") || memchr::memchr(b':', address).is_some() || address.starts_with(b"\\\\")
        });
        if matches!(element, b"script" | b"style" | b"handler") && span.start < self.content_end {
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
            b"link" if facts.pulls_in && is_foreign => self.capability(&stamp::FOREIGN_STYLE, span.clone()),
            b"?xml-stylesheet" if is_foreign => self.capability(&stamp::FOREIGN_STYLE, span.clone()),
            b"?import" | b"import" if address.is_some() => self.capability(&stamp::EMBEDDED_DOCUMENT, span.clone()),
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
        if facts.address.is_some() {
            self.capability(&stamp::REMOTE_SCRIPT, span.clone());
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
        let is_said = self.setting != Setting::Fragment || at(self.text, span.start.wrapping_sub(1)) != b'>';
        let runs = match reading.n_tokens {
            // `<script></script>` and `<script>` alone.
            0 => is_closed || !is_said,
            _ if is_closed => reading.n_bends < 3 || reading.sink.is_some(),
            _ => {
                reading.n_bends < 2 && (reading.has_call || reading.assigns_first || reading.sink.is_some()) || !is_said
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

/// Whether an attribute holds an expression of a client-side framework: Angular, Vue, Alpine, htmx.
fn is_directive(name: &[u8]) -> bool {
    [&b"ng-"[..], b"data-ng-", b"v-", b"x-", b"@", b":", b"hx-on", b"("]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Whether a source is a placeholder that never loads, so that the error handler runs: `x`, `1`, `xx:x`, nothing.
fn cannot_load(source: &[u8]) -> bool {
    let source = source.trim_ascii();
    !source.contains(&b'.') && !source.starts_with(b"/") && !source.starts_with(b"{") && !source.starts_with(b"data:")
        || source.len() < 3
}

fn is_foreign_charset(value: &[u8]) -> bool {
    [&b"utf-7"[..], b"mac-farsi", b"iso-2022", b"hz-gb", b"ibm037", b"cp037"]
        .iter()
        .any(|name| find_fold(value, name, 0).is_some())
}

/// Whether a character reference stands before or in the colon of a URL.
fn has_reference_in_scheme(raw: &[u8]) -> bool {
    let head = part(raw, 0..raw.iter().position(|b| *b == b':').unwrap_or(raw.len()));
    head.contains(&b'&')
}
