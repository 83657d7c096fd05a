//! Names by which a template expression leaves its data.
//!
//! Sources: Python data model (special attributes), Jinja2, Twig, FreeMarker, Velocity, Smarty, Mako, Pebble and
//! Thymeleaf manuals, Spring Expression Language reference, James Kettle, "Server-Side Template Injection" (2015).

use super::expression::Kind;

/// How far an expression reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// To classes, modules and commands.
    System,
    /// To settings and inner state, by names that honest templates may use too.
    State,
}

/// Longest name of the vocabulary, in bytes.
const MAX_NAME: usize = 36;

/// The word at hand and what surrounds it.
struct Word<'b> {
    name: &'b [u8],
    /// The word before it.
    previous: &'b [u8],
    /// The last byte before it that is no white space; 0 at the beginning.
    before: u8,
    /// Whether it is what the expression begins with.
    is_first: bool,
    /// What follows it, white space left out.
    rest: &'b [u8],
}

impl Word<'_> {
    fn is_member(&self) -> bool {
        matches!(self.before, b'.' | b'[' | b'\'' | b'"' | b'>' | b':')
    }

    fn is_call(&self) -> bool {
        self.rest.first() == Some(&b'(')
    }

    fn is_quoted(&self) -> bool {
        matches!(self.before, b'\'' | b'"') && self.rest.first() == Some(&self.before)
    }
}

/// How far the names of an expression reach.
pub(super) fn reach(kind: Kind, body: &[u8]) -> Option<Reach> {
    let mut furthest = None;
    let mut names = [[0u8; MAX_NAME]; 2];
    let mut previous_len = 0;
    let mut before = 0;
    let mut has_callback_filter = false;
    let mut at = 0;
    while let Some(&b) = body.get(at) {
        if !is_name_byte(b) {
            if !b.is_ascii_whitespace() {
                before = b;
            }
            at += 1;
            continue;
        }
        let tail = body.get(at..).unwrap_or_default();
        let len = tail.iter().take_while(|b| is_name_byte(**b)).count();
        let [previous, name] = &mut names;
        if len <= MAX_NAME {
            for (to, from) in name.iter_mut().zip(tail.iter().take(len)) {
                *to = from.to_ascii_lowercase();
            }
            let word = Word {
                name: name.get(..len).unwrap_or_default(),
                previous: previous.get(..previous_len).unwrap_or_default(),
                before,
                is_first: at == 0,
                rest: tail.get(len..).unwrap_or_default().trim_ascii_start(),
            };
            has_callback_filter |= matches!(word.name, b"filter" | b"map" | b"sort" | b"reduce") && word.is_call();
            match judge(kind, &word, has_callback_filter) {
                Some(Reach::System) => return Some(Reach::System),
                Some(Reach::State) => furthest = Some(Reach::State),
                None => {}
            }
            previous_len = len;
        } else {
            previous_len = 0;
        }
        names.swap(0, 1);
        before = b'a';
        at += len;
    }
    furthest
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn judge(kind: Kind, word: &Word<'_>, has_callback_filter: bool) -> Option<Reach> {
    let system = |is_found: bool| is_found.then_some(Reach::System);
    let state = |is_found: bool| is_found.then_some(Reach::State);
    if kind == Kind::Single {
        // Blocks of code have single braces too. Smarty takes no brace before white space for a tag.
        return match (word.name, word.previous) {
            (b"__globals__" | b"__builtins__" | b"__subclasses__" | b"__mro__", _) => system(word.before == b'.'),
            (b"smarty_internal_write_file", _) => system(true),
            (b"version" | b"template_object", b"smarty") => state(word.is_member()),
            (b"system" | b"passthru" | b"shell_exec" | b"exec" | b"phpinfo", previous) => {
                state((word.is_first || previous == b"if") && matches!(word.rest, [b'(', b'\'' | b'"' | b')', ..]))
            }
            _ => None,
        };
    }
    match (word.name, word.previous) {
        // The name of an object's class is shown in honest templates.
        (b"__class__", _) => system(!word.rest.starts_with(b".__name__")),
        (
            b"__mro__"
            | b"__subclasses__"
            | b"__globals__"
            | b"__builtins__"
            | b"__base__"
            | b"__bases__"
            | b"__init__"
            | b"__import__"
            | b"__getattribute__"
            | b"__getitem__"
            | b"__reduce__"
            | b"_templatereference__context"
            | b"getruntime"
            | b"processbuilder"
            | b"scriptenginemanager"
            | b"registerundefinedfiltercallback"
            | b"registerundefinedfunctioncallback"
            | b"getclassloader"
            | b"_memberaccess"
            | b"child_process"
            | b"smarty_internal_write_file"
            | b"jythonruntime",
            _,
        ) => system(true),
        (b"mainmodule" | b"binding", b"process") => system(true),
        (b"process", b"global" | b"globalthis") => system(true),
        (b"forname" | b"popen", _) => system(word.is_member() && word.is_call()),
        (b"system", b"os" | b"kernel") => system(word.is_call()),
        (b"constructor", b"constructor") => system(true),
        (b"constructor", _) => system(matches!(word.rest, [b'(', b'\'' | b'"' | b'`', ..])),
        // FreeMarker's `?new()`.
        (b"new", _) if word.before == b'?' => system(word.rest.starts_with(b"()")),
        (b"freemarker", _) => system(word.rest.starts_with(b".template")),
        // `T(java.lang..)` of Spring, `@java.lang..@` of OGNL, `new java...` of both.
        (b"java", b"t") => system(word.before == b'(' && word.rest.starts_with(b".")),
        (b"java", b"new") => system(word.before == b'a' && word.rest.starts_with(b".")),
        (b"java", _) => system(word.before == b'@' && word.rest.starts_with(b".")),
        (b"env", b"_self") => system(word.is_member()),
        (b"diagnostics", b"system") => system(word.is_member()),
        (b"os" | b"subprocess" | b"commands", b"import") => system(matches!(kind, Kind::Tag | Kind::Statement)),
        (b"system" | b"passthru" | b"exec" | b"shell_exec" | b"phpinfo" | b"assert", _)
            if has_callback_filter && word.is_quoted() =>
        {
            system(true)
        }
        (b"system" | b"passthru" | b"shell_exec" | b"phpinfo" | b"file_get_contents", _) => {
            state(!word.is_member() && word.is_call())
        }
        (b"exec", _) => state(kind != Kind::Dollar && !word.is_member() && word.is_call()),
        (b"getclass", _) => state(word.is_member() && word.is_call()),
        (b"items" | b"from_object" | b"from_pyfile", b"config") => {
            state(kind == Kind::Braces && word.is_member() && word.is_call())
        }
        (b"secret_key", b"config" | b"settings") => state(word.is_member()),
        (b"version" | b"template_object", b"smarty") => state(word.is_member()),
        (b"server" | b"query", b"request") => state(kind == Kind::Braces && word.rest.starts_with(b".all(")),
        (b"dump", _) => state(kind == Kind::Braces && word.before == 0 && word.is_call()),
        (b"debug", _) => state(kind == Kind::Statement && word.before == 0 && word.rest.is_empty()),
        (b"open" | b"read" | b"readlines", b"file") | (b"entries", b"dir") => {
            state(matches!(kind, Kind::Tag | Kind::Marked) && word.is_member() && word.is_call())
        }
        (b"inspect", b"class") => system(word.is_member() && word.is_call()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_by_what_surrounds_them() {
        let reach = |body: &str| reach(Kind::Braces, body.as_bytes());
        for body in [
            "''.__class__.__mro__",
            "x|attr('__globals__')",
            "['id']|filter('system')",
            "constructor.constructor('x')()",
            "T ( java.lang.Runtime )",
            "\"freemarker.template.utility.Execute\"?new()(\"id\")",
            "_self.env.x",
            "a.Class.forName('x')",
        ] {
            assert_eq!(reach(body), Some(Reach::System), "{body}");
        }
        assert_eq!(reach("config.items()"), Some(Reach::State));
        for body in [
            "user.name",
            "form.__class__.__name__",
            "items | map('id')",
            "a?b:c",
            "system.name",
            "os",
        ] {
            assert_eq!(reach(body), None, "{body}");
        }
    }
}
