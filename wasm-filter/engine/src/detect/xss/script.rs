//! What a piece of script does, as far as it shows without running it.
//!
//! The interesting part is the *sink*: a call or an assignment by which injected script shows itself or takes hold.
//! Structure decides, not spelling: a dialog is a call of `alert` itself or of something that a global object yields.

use std::ops::Range;

use super::{
    javascript::{Kind, Lexer, Token},
    text::{Name, part},
};

/// Longest script read, in bytes.
const MAX_SCRIPT_BYTES: usize = 4096;

/// What a sink does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    /// Opens a dialog: `alert(1)`.
    Dialog,
    /// Runs a string as script: `eval(...)`, `[].constructor.constructor(...)`, `self['al' + 'ert'](1)`.
    Code,
    /// Reads or writes what belongs to the session: `document.cookie`.
    Session,
    /// Sends, loads or navigates: `fetch(...)`, `location = ...`, `import(...)`.
    Travel,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// Number of tokens.
    pub(super) n_tokens: usize,
    /// Something is called.
    pub(super) has_call: bool,
    /// Something is assigned.
    pub(super) has_assignment: bool,
    /// It has an arrow function.
    pub(super) has_arrow: bool,
    /// Words that follow each other as only prose has them.
    pub(super) n_bends: usize,
    /// A word hides behind Unicode escapes.
    pub(super) is_escaped: bool,
    /// The first token.
    pub(super) head: Option<Token>,
    /// The last token.
    pub(super) last: Option<Token>,
    /// It ends in a comment.
    pub(super) ends_in_comment: bool,
    /// Statements, counted by semicolons.
    pub(super) n_statements: usize,
    /// The first sink of the most telling kind, and where.
    pub(super) sink: Option<(Sink, Range<usize>)>,
    /// It reads the session and sends or navigates, whichever the sink is.
    pub(super) carries_off: bool,
    /// It begins with an assignment to a plain name.
    pub(super) assigns_first: bool,
    /// The sink is the first thing that happens.
    pub(super) sink_leads: bool,
}

impl Reading {
    /// Whether the text is code rather than words.
    pub(super) fn is_code(&self) -> bool {
        self.n_bends < 2 && (self.has_call || self.has_assignment || self.sink.is_some())
    }

    /// Whether it does little else than reach a sink, as a probe does and a program does not.
    pub(super) fn is_probe(&self) -> bool {
        self.sink.is_some() && self.sink_leads && self.n_tokens <= 24 && self.n_statements <= 3
    }

    fn note(&mut self, sink: Sink, span: Range<usize>) {
        let rank = |sink: Sink| match sink {
            Sink::Dialog | Sink::Code => 0,
            Sink::Session => 1,
            Sink::Travel => 2,
        };
        if self.sink.as_ref().is_none_or(|(known, _)| rank(sink) < rank(*known)) {
            self.sink = Some((sink, span));
        }
    }
}

fn is_dialog(word: &[u8]) -> bool {
    matches!(word, b"alert" | b"confirm" | b"prompt" | b"msgbox")
}

fn is_evaluator(word: &[u8]) -> bool {
    matches!(word, b"eval" | b"execscript" | b"importscripts")
}

/// Names of the global object and of the objects through which scripts reach it.
fn is_global(word: &[u8]) -> bool {
    matches!(
        word,
        b"window"
            | b"self"
            | b"top"
            | b"parent"
            | b"frames"
            | b"globalthis"
            | b"this"
            | b"opener"
            | b"view"
            | b"defaultview"
            | b"parentwindow"
            | b"contentwindow"
    )
}

/// Keywords that a word may follow.
fn joins_words(word: &[u8]) -> bool {
    matches!(
        word,
        b"var"
            | b"let"
            | b"const"
            | b"new"
            | b"return"
            | b"typeof"
            | b"void"
            | b"delete"
            | b"throw"
            | b"function"
            | b"async"
            | b"await"
            | b"in"
            | b"of"
            | b"instanceof"
            | b"case"
            | b"else"
            | b"class"
            | b"extends"
            | b"import"
            | b"export"
            | b"from"
            | b"static"
            | b"get"
            | b"set"
            | b"yield"
            | b"do"
            | b"dim"
            | b"call"
            | b"default"
    )
}

/// The last tokens, newest first.
#[derive(Default)]
struct Window {
    tokens: [Option<Token>; 5],
}

impl Window {
    fn push(&mut self, token: Token) {
        self.tokens.rotate_right(1);
        if let Some(slot) = self.tokens.first_mut() {
            *slot = Some(token);
        }
    }

    /// The token `back` places before the newest.
    fn back(&self, back: usize) -> Option<Token> {
        self.tokens.get(back).copied().flatten()
    }

    fn is(&self, back: usize, sign: u8) -> bool {
        self.back(back).is_some_and(|token| token.is(sign))
    }

    fn word(&self, back: usize, text: &[u8]) -> Name {
        self.back(back).map_or(Name::read(b""), |token| token.word(text))
    }
}

/// Reads a script.
pub(super) fn read(text: &[u8]) -> Reading {
    let text = part(text, 0..text.len().min(MAX_SCRIPT_BYTES));
    let mut reading = Reading::default();
    let mut seen = Window::default();
    // Set while a member of a global object, or a chain of `constructor`, is being named.
    let mut global_index = false;
    let mut n_constructors = 0;
    let (mut reads, mut travels) = (false, false);
    let mut callee_leads = true;
    let mut lexer = Lexer::new(text);
    for token in lexer.by_ref() {
        reading.n_tokens += 1;
        reading.is_escaped |= token.is_escaped;
        if reading.head.is_none() {
            reading.head = Some(token);
        }
        if let Some(sink) = sink_at(text, &token, &seen, global_index, n_constructors) {
            reads |= sink == Sink::Session;
            travels |= sink == Sink::Travel;
            let had_sink = reading.sink.is_some();
            let start = seen.back(0).map_or(token.start, |previous| previous.start);
            reading.note(sink, start..token.end);
            if !had_sink {
                reading.sink_leads = callee_leads;
            }
        }
        match token.kind {
            Kind::Sign(b'(') | Kind::Template => {
                if names_callee(text, &seen) {
                    reading.has_call = true;
                    callee_leads = false;
                }
                global_index = false;
            }
            Kind::Sign(b'[') => {
                let name = seen.word(0, text);
                global_index |= is_global(name.as_bytes()) && name.as_bytes() != b"this";
            }
            Kind::Sign(b'=') => {
                reading.has_assignment = true;
                reading.assigns_first |= reading.n_tokens == 2 && seen.back(0).is_some_and(|it| it.kind == Kind::Word);
            }
            Kind::Sign(b';' | b'{') => {
                reading.n_statements += usize::from(token.is(b';'));
                global_index = false;
            }
            Kind::Arrow => reading.has_arrow = true,
            Kind::Text | Kind::Word => {
                let is_constructor = match token.kind {
                    Kind::Word => token.word(text).as_bytes() == b"constructor",
                    _ => part(text, token.start + 1..token.end.saturating_sub(1)) == b"constructor",
                };
                n_constructors += usize::from(is_constructor);
                if token.kind == Kind::Word
                    && !token.on_new_line
                    && seen.back(0).is_some_and(|previous| previous.kind == Kind::Word)
                    && !joins_words(seen.word(0, text).as_bytes())
                    && !joins_words(token.word(text).as_bytes())
                {
                    reading.n_bends += 1;
                }
            }
            _ => {}
        }
        seen.push(token);
    }
    // Nothing may follow a mention that ends the text: `onerror=alert`.
    reading.carries_off = reads && travels;
    reading.ends_in_comment = lexer.ends_in_comment;
    reading.last = seen.back(0);
    reading
}

/// Whether what was just read can be called.
fn names_callee(text: &[u8], seen: &Window) -> bool {
    match seen.back(0).map(|token| token.kind) {
        Some(Kind::Word) if seen.is(1, b'.') => true,
        Some(Kind::Word) => !matches!(
            seen.word(0, text).as_bytes(),
            b"if"
                | b"for"
                | b"while"
                | b"switch"
                | b"catch"
                | b"return"
                | b"function"
                | b"in"
                | b"and"
                | b"or"
                | b"with"
        ),
        Some(Kind::Sign(b')' | b']')) => true,
        _ => false,
    }
}

/// The sink that `token` completes, given what stands before it.
fn sink_at(text: &[u8], token: &Token, seen: &Window, global_index: bool, n_constructors: usize) -> Option<Sink> {
    let is_call = match token.kind {
        // A template is a call only right after its function.
        Kind::Template => seen.back(0).is_some_and(|previous| previous.end == token.start),
        kind => kind == Kind::Sign(b'('),
    };
    let name = seen.word(0, text);
    let name = name.as_bytes();
    if is_call {
        if seen.is(0, b']') && (global_index || indexes_dialog(text, seen)) {
            return Some(Sink::Code);
        }
        // `constructor(...) {` alone defines a class.
        if n_constructors > 0 && ((name == b"constructor" && seen.is(1, b'.')) || seen.is(0, b']')) {
            return Some(Sink::Code);
        }
        // `(alert)(1)`, `(0, alert)(1)`
        if seen.is(0, b')') && is_dialog(seen.word(1, text).as_bytes()) && (seen.is(2, b'(') || seen.is(2, b',')) {
            return Some(Sink::Dialog);
        }
        // `alert.call(null, 1)`
        if matches!(name, b"call" | b"apply" | b"bind") && seen.is(1, b'.') {
            let target = seen.word(2, text);
            if is_dialog(target.as_bytes()) || is_evaluator(target.as_bytes()) {
                return Some(Sink::Dialog);
            }
        }
        return called(text, name, seen);
    }
    if let Kind::Word = token.kind
        && seen.is(0, b'.')
    {
        let object = seen.word(1, text);
        let member = token.word(text);
        return match (object.as_bytes(), member.as_bytes()) {
            (b"document", b"cookie" | b"domain") => Some(Sink::Session),
            _ => None,
        };
    }
    // `location = ...`, `document.location.href = ...`, `x.innerHTML = ...`
    if token.is(b'=') {
        let owner = seen.word(2, text);
        return match name {
            b"location" => Some(Sink::Travel),
            b"href" if seen.is(1, b'.') && owner.as_bytes() == b"location" => Some(Sink::Travel),
            b"innerhtml" | b"outerhtml" if seen.is(1, b'.') => Some(Sink::Travel),
            _ => None,
        };
    }
    // `setTimeout('...')`
    if token.kind == Kind::Text && seen.is(0, b'(') {
        let callee = seen.word(1, text);
        return matches!(callee.as_bytes(), b"settimeout" | b"setinterval" | b"setimmediate").then_some(Sink::Code);
    }
    // `onerror = alert`, `[1].find(alert)`, `setTimeout(alert)`
    if matches!(token.kind, Kind::Sign(b';' | b')' | b','))
        && (is_dialog(name) || is_evaluator(name))
        && (seen.is(1, b'=') || (seen.is(1, b'(') && seen.back(2).is_some_and(|callee| callee.kind == Kind::Word)))
    {
        return Some(Sink::Dialog);
    }
    None
}

/// Whether the index that `]` closes is the name of a dialog in quotes: `this['alert']`.
fn indexes_dialog(text: &[u8], seen: &Window) -> bool {
    seen.is(2, b'[')
        && seen.back(1).is_some_and(|index| {
            let word = Name::read(part(text, index.start + 1..index.end.saturating_sub(1)));
            index.kind == Kind::Text && (is_dialog(word.as_bytes()) || is_evaluator(word.as_bytes()))
        })
}

/// The sink that calling `name` is.
fn called(text: &[u8], name: &[u8], seen: &Window) -> Option<Sink> {
    let is_member = seen.is(1, b'.');
    let owner = if is_member { seen.word(2, text) } else { Name::read(b"") };
    let owner = owner.as_bytes();
    let is_definition = seen.word(1, text).as_bytes() == b"function";
    if is_definition {
        return None;
    }
    let is_free = !is_member || is_global(owner);
    match name {
        _ if is_free && is_dialog(name) => Some(Sink::Dialog),
        _ if is_free && is_evaluator(name) => Some(Sink::Code),
        // `function (` begins a definition; `Function(` compiles a string.
        b"function"
            if seen
                .back(0)
                .is_some_and(|word| part(text, word.start..word.end) == b"Function") =>
        {
            Some(Sink::Code)
        }
        b"fromcharcode" | b"fromcodepoint" if owner == b"string" => Some(Sink::Code),
        b"write" | b"writeln" if owner == b"document" => Some(Sink::Code),
        b"atob" | b"unescape" | b"decodeuricomponent" if is_free => Some(Sink::Travel),
        b"settimeout" | b"setinterval" | b"fetch" | b"import" if is_free => Some(Sink::Travel),
        b"sendbeacon" | b"getelementbyid" | b"createelement" | b"getscript" | b"queryselector" => Some(Sink::Travel),
        b"xmlhttprequest" | b"image" | b"websocket" if seen.word(1, text).as_bytes() == b"new" => Some(Sink::Travel),
        b"assign" | b"replace" if owner == b"location" => Some(Sink::Travel),
        b"open" if is_global(owner) => Some(Sink::Travel),
        b"log" if owner == b"console" => Some(Sink::Travel),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(text: &str) -> Option<Sink> {
        read(text.as_bytes()).sink.map(|(sink, _)| sink)
    }

    #[test]
    fn sinks() {
        for text in [
            "alert(1)",
            "top['al'+'ert'](1)",
            "window.alert`1`",
            r"\u0061lert(1)",
            "(alert)(1)",
            "onerror=alert;throw 1",
            "[1].find(alert)",
            "alert?.(1)",
            "eval(name)",
            "''.constructor.constructor('x')()",
            "new Function('x')()",
            "this['alert'](1)",
            "setTimeout('x()', 1)",
        ] {
            assert!(
                matches!(sink(text), Some(Sink::Dialog | Sink::Code)),
                "{text}: {:?}",
                sink(text)
            );
        }
        assert_eq!(sink("x=document.cookie"), Some(Sink::Session));
        assert_eq!(sink("location='//x'"), Some(Sink::Travel));
    }

    #[test]
    fn not_sinks() {
        for text in [
            "swal.alert('x')",
            "function alert(x)",
            "if (confirm == x)",
            "fire alert, then confirm",
            "a['b'](c)",
            "document.title",
            "location == x",
        ] {
            assert_eq!(sink(text), None, "{text}");
        }
    }

    #[test]
    fn prose_is_not_code() {
        assert!(!read(b"the alert(1) box pops up on every page").is_code());
        assert!(read(b"var x = new Foo(); return x").is_code());
    }
}
