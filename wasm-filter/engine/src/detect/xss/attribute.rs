//! Judges attributes: handlers, links, styles, and what they say about their element.

use std::ops::Range;

use super::{
    css,
    element::Judge,
    entity,
    event::{Event, event},
    html::{Attribute, Attributes, Separator},
    script::{self, Sink},
    stamp,
    text::{Name, find_fold, part, tail},
    url::{self, Danger},
};

/// What the attributes of an element amount to.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) n_attributes: usize,
    /// A slash or control byte stands before an attribute.
    pub(super) has_odd_separator: bool,
    /// An address that the element loads: its value.
    pub(super) address: Option<Range<usize>>,
    pub(super) address_is_quoted: bool,
    /// The address is filled in by a template engine: `src="{{ url }}"`.
    pub(super) has_placeholder: bool,
    /// Attributes of an honest embed: `width`, `title`, `allow`.
    pub(super) is_furnished: bool,
    /// The resource cannot load: `src=x`.
    pub(super) fails: bool,
    /// `rel` says style sheet or import.
    pub(super) pulls_in: bool,
    /// `rel` says import.
    pub(super) imports: bool,
    /// `http-equiv` that changes the page, or a charset that does.
    pub(super) overrides: bool,
    /// `content` has a URL.
    pub(super) names_url: bool,
    /// `attributeName` is a handler or a link.
    pub(super) animates: bool,
    /// `type` says that the element holds a script.
    pub(super) is_script: bool,
    /// `type` says that the element holds data.
    pub(super) is_data: bool,
    /// `type` or `classid` says that an object runs script.
    pub(super) is_scriptlet: bool,
    /// A handler that reaches for attention, with its span.
    pub(super) handler: Option<Range<usize>>,
    /// The way it is written betrays it.
    pub(super) is_evasive: bool,
    /// Part of the value where it was found.
    pub(super) probe: Option<Range<usize>>,
}

impl Judge<'_> {
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

    /// Judges one attribute, except for what depends on its element.
    pub(super) fn attribute(
        &mut self,
        element: &[u8],
        is_server_control: bool,
        attribute: &Attribute,
        facts: &mut Facts,
    ) {
        facts.n_attributes += 1;
        facts.has_odd_separator |= attribute.separator == Separator::Odd;
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
                facts.imports |= find_fold(self.decoded, b"import", 0).is_some();
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
        ) && !attribute.value.is_empty()
        {
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
    #[inline(never)]
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
    #[inline(never)]
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
