//! Finds template expressions: what stands between the brackets of one of the template languages.

use std::ops::Range;

/// The brackets of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{{..}}` of Jinja2, Twig, Handlebars, Pebble, Vue and Angular; also `${{..}}`.
    Braces,
    /// `{%..%}` of Jinja2, Twig, Liquid and Tornado.
    Statement,
    /// `${..}` of FreeMarker, Mako, Thymeleaf and expression languages.
    Dollar,
    /// `#{..}`, `*{..}`, `@{..}`, `~{..}` and `%{..}` of Ruby, Pug, SpEL, Thymeleaf and OGNL.
    Marked,
    /// `<%..%>` of ERB, EJS, JSP and Mako.
    Tag,
    /// `@(..)` of Razor.
    Razor,
    /// `{..}` of Smarty and Latte.
    Single,
}

/// An expression whose end has not come yet.
struct Open {
    kind: Kind,
    start: usize,
    body: usize,
    /// Brackets opened in it.
    depth: u32,
}

/// Calls `found` with the span of each expression and of its body, in one pass. An opener inside an expression begins
/// anew, so that every byte belongs to at most one expression: the innermost.
pub(super) fn each(bytes: &[u8], mut found: impl FnMut(Kind, Range<usize>, Range<usize>)) {
    let mut open: Option<Open> = None;
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some((kind, len)) = opener(rest)
            && !(kind == Kind::Single && open.is_some())
        {
            open = Some(Open {
                kind,
                start: at,
                body: at + len,
                depth: 0,
            });
            at += len;
            continue;
        }
        if let Some(this) = &mut open {
            if this.depth == 0
                && let Some(len) = closer(this.kind, rest)
            {
                found(this.kind, this.start..at + len, this.body..at);
                open = None;
                at += len;
                continue;
            }
            let (up, down) = if this.kind == Kind::Razor {
                (b'(', b')')
            } else {
                (b'{', b'}')
            };
            let has_brackets = !matches!(this.kind, Kind::Statement | Kind::Tag);
            match rest.first() {
                Some(b) if *b == up && has_brackets => this.depth += 1,
                Some(b) if *b == down && has_brackets => this.depth = this.depth.saturating_sub(1),
                _ => {}
            }
        }
        at += 1;
    }
}

fn opener(rest: &[u8]) -> Option<(Kind, usize)> {
    match rest {
        [b'$', b'{', b'{', ..] => Some((Kind::Braces, 3)),
        [b'$', b'{', ..] => Some((Kind::Dollar, 2)),
        [b'#' | b'*' | b'@' | b'~' | b'%', b'{', ..] => Some((Kind::Marked, 2)),
        [b'{', b'{', ..] => Some((Kind::Braces, 2)),
        [b'{', b'%', ..] => Some((Kind::Statement, 2)),
        [b'<', b'%', ..] => Some((Kind::Tag, 2)),
        [b'@', b'(', ..] => Some((Kind::Razor, 2)),
        [b'{', ..] => Some((Kind::Single, 1)),
        _ => None,
    }
}

fn closer(kind: Kind, rest: &[u8]) -> Option<usize> {
    match (kind, rest) {
        (Kind::Braces, [b'}', b'}', ..]) | (Kind::Statement, [b'%', b'}', ..]) | (Kind::Tag, [b'%', b'>', ..]) => {
            Some(2)
        }
        (Kind::Dollar | Kind::Marked | Kind::Single, [b'}', ..]) | (Kind::Razor, [b')', ..]) => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_expression_is_read() {
        let bodies = |value: &str| {
            let mut bodies = Vec::new();
            each(value.as_bytes(), |kind, _, body| {
                bodies.push((kind, value[body].to_owned()))
            });
            bodies
        };
        assert_eq!(bodies("a {{b}} c"), [(Kind::Braces, "b".to_owned())]);
        assert_eq!(bodies("${{b}}"), [(Kind::Braces, "b".to_owned())]);
        assert_eq!(bodies("{{ {x:1} }}"), [(Kind::Braces, " {x:1} ".to_owned())]);
        assert_eq!(bodies("[[${b}]]"), [(Kind::Dollar, "b".to_owned())]);
        assert_eq!(bodies("<%= \"#{b}\" %>"), [(Kind::Marked, "b".to_owned())]);
        assert_eq!(bodies("@((1)+(2))"), [(Kind::Razor, "(1)+(2)".to_owned())]);
        assert_eq!(bodies("{{{{ b"), []);
    }
}
