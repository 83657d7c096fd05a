//! Wallarm directives in the snippets of the NGINX-based sidecar.
//!
//! Pods that were configured by snippets keep what they said about filtering, also for parts of an application: a
//! `location` becomes a filter of its own. Everything else in a snippet is for NGINX; it is named, never done silently.

mod syntax;

mod location;

use waf_policy::ParserSet;

pub(crate) use self::location::ordered;
use self::syntax::{Body, Directive};
use crate::annotations::{Filtering, apply_directive};

/// Deepest nesting of blocks that is looked into.
const MAX_DEPTH: usize = 8;

/// Directives that keep somebody out. Leaving them out in silence, or with a warning, would open what was closed.
const GUARDS: [&str; 13] = [
    "allow",
    "auth_basic",
    "auth_basic_user_file",
    "auth_jwt",
    "auth_request",
    "deny",
    "internal",
    "limit_conn",
    "limit_except",
    "limit_req",
    "return",
    "satisfy",
    "valid_referers",
];

/// Directives of the module that this version knows and does not follow, whole or by their beginning.
const NOT_YET: [&str; 16] = [
    "wallarm_acl_access_phase",
    "wallarm_block_page_add_dynamic_path",
    "wallarm_enable_mcp",
    "wallarm_export_streams",
    "wallarm_fingerprint",
    "wallarm_general_ruleset_memory_limit",
    "wallarm_http_v2_stream_max_len",
    "wallarm_parse_html_response",
    "wallarm_parse_sse",
    "wallarm_partner_client_uuid",
    "wallarm_process_time_limit",
    "wallarm_rate_limit",
    "wallarm_request_memory_limit",
    "wallarm_stalled_worker_timeout",
    "wallarm_status",
    "wallarm_timeslice",
];

/// Where a snippet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// `http`, where there are no locations.
    Http,
    /// `server` or `location`.
    Server,
}

/// What a snippet says about filtering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snippet {
    /// Of everything.
    pub filtering: Filtering,
    /// Of parts, in the order that they are written.
    pub locations: Vec<Location>,
}

/// A part of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// `=`, `^~`, `~`, `~*`, or nothing for a prefix.
    pub modifier: String,
    /// Path, prefix or regular expression.
    pub path: String,
    /// What is said about it and what is said around it.
    pub filtering: Filtering,
}

/// What is read, and what there is to say about it.
#[derive(Debug, Default)]
struct Reader {
    snippet: Snippet,
    mistakes: Vec<String>,
    warnings: Vec<String>,
}

/// Reads directives with semicolons between them, and `location` blocks.
///
/// The second part of a success are warnings. Errors: everything that is wrong.
pub(crate) fn read(text: &str, context: Context) -> Result<(Snippet, Vec<String>), Vec<String>> {
    let directives = syntax::parse(text, MAX_DEPTH).map_err(|reason| vec![reason])?;
    let mut reader = Reader::default();
    let mut filtering = Filtering::default();
    reader.scope(&directives, context, &mut filtering);
    reader.snippet.filtering = filtering;
    if reader.mistakes.is_empty() {
        Ok((reader.snippet, reader.warnings))
    } else {
        Err(reader.mistakes)
    }
}

impl Reader {
    /// Reads one block into `filtering`. Locations inherit what the whole block says, also behind them.
    fn scope(&mut self, directives: &[Directive], context: Context, filtering: &mut Filtering) {
        for directive in directives {
            match directive.body {
                Body::Line => self.line(directive, filtering),
                Body::Block(_) if directive.name == "location" => {}
                Body::Block(ref inner) => self.block(directive, inner),
            }
        }
        for directive in directives {
            if let (Body::Block(inner), "location") = (&directive.body, directive.name.as_str()) {
                self.location(directive, inner, context, *filtering);
            }
        }
    }

    fn line(&mut self, directive: &Directive, filtering: &mut Filtering) {
        let Directive { name, arguments, .. } = directive;
        let shown = directive.to_string();
        if GUARDS.contains(&name.as_str()) {
            let problem = format!("{shown:?} would not be enforced; Envoy does not read it");
            self.mistakes.push(problem);
        } else if name == "disable_acl" {
            match arguments.as_slice() {
                [on] if on == "on" => {}
                [off] if off == "off" => self.warn(&shown, "there are no IP lists yet"),
                _ => self
                    .mistakes
                    .push(format!("{shown:?} is not allowed (allowed: on, off)")),
            }
        } else if !name.starts_with("wallarm_") {
            self.warn(&shown, "it is for NGINX; use an envoy-*-snippet");
        } else if name == "wallarm_application" && arguments.iter().any(|word| word.starts_with('$')) {
            self.warn(
                &shown,
                "variables are not supported; the application of the block around it counts",
            );
        } else if let Some(outcome) = apply_directive(name, arguments, filtering) {
            match outcome {
                Ok(None) => {}
                Ok(Some(why)) => self.warn(&shown, &why),
                Err(problem) => self.mistakes.push(format!("{shown:?}: {problem}")),
            }
        } else if NOT_YET.iter().any(|known| name.starts_with(known)) {
            self.warn(&shown, "the filter does not follow it yet");
        } else {
            self.mistakes.push(format!("there is no directive {name:?}"));
        }
    }

    fn location(&mut self, directive: &Directive, inner: &[Directive], context: Context, around: Filtering) {
        if context == Context::Http {
            let problem = "a location is allowed in nginx-server-snippet and nginx-location-snippet only";
            self.mistakes.push(problem.to_owned());
            return;
        }
        let (modifier, path) = match directive.arguments.as_slice() {
            [path] => (String::new(), path.clone()),
            [modifier, path] => (modifier.clone(), path.clone()),
            _ => {
                self.mistakes.push(format!("{:?} needs a path", directive.to_string()));
                return;
            }
        };
        let at = self.snippet.locations.len();
        let mut own = Filtering::default();
        self.scope(inner, context, &mut own);
        let filtering = own.or(around);
        // What was read inside is nested in this one. Envoy knows no nesting, so it must mean the same outside.
        for nested in self.snippet.locations.iter_mut().skip(at) {
            let is_within =
                ["", "^~"].contains(&&*modifier) && !nested.modifier.starts_with('~') && nested.path.starts_with(&path);
            if !is_within {
                let problem = format!(
                    "location {:?} inside of location {path:?} is not supported",
                    nested.path
                );
                self.mistakes.push(problem);
            }
            nested.filtering = nested.filtering.or(filtering);
        }
        match location::check(&modifier, &path) {
            Err(problem) => self.mistakes.push(problem),
            Ok(()) if own == Filtering::default() => {}
            Ok(()) => {
                let location = Location {
                    modifier,
                    path,
                    filtering,
                };
                self.snippet.locations.insert(at, location);
            }
        }
    }

    /// Any other block is for NGINX, so nothing that matters may stand in it.
    fn block(&mut self, directive: &Directive, inner: &[Directive]) {
        let shown = directive.to_string();
        match syntax::find(inner, &|name| {
            name.starts_with("wallarm_") || name == "disable_acl" || name == "location" || GUARDS.contains(&name)
        }) {
            Some(name) => self
                .mistakes
                .push(format!("{name:?} inside of {shown:?} is not supported")),
            None if GUARDS.contains(&directive.name.as_str()) => {
                self.mistakes
                    .push(format!("{shown:?} would not be enforced; Envoy does not read it"));
            }
            None => self.warn(&shown, "it is for NGINX; use an envoy-*-snippet"),
        }
    }

    fn warn(&mut self, directive: &str, why: &str) {
        self.warnings.push(format!("{directive:?} has no effect: {why}"));
    }
}

/// The words of one directive, which needs no semicolon.
pub(crate) fn parse_line(text: &str) -> Result<Vec<String>, String> {
    match syntax::parse(text, 0)?.as_slice() {
        [Directive { name, arguments, .. }] => Ok([std::slice::from_ref(name), arguments.as_slice()].concat()),
        _ => Err("it is not one directive".to_owned()),
    }
}

/// Parsers of several directives add up.
pub(crate) fn joined(one: Option<ParserSet>, other: Option<ParserSet>) -> Option<ParserSet> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.iter().chain(other.iter()).collect()),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
