//! HTML pages. Everything that came from a client goes through [`escape`].

use std::borrow::Cow;

use warp::http::StatusCode;
use warp::reply::{self, Reply, Response};

/// Most characters of a client's text that a page repeats.
const MAX_ECHO_CHARS: usize = 200;

pub(crate) fn home() -> Response {
    page(
        "Demo shop",
        r#"<p>An application behind the Wallarm sidecar.</p>
<ul>
<li><a href="/search?q=tea">Search</a></li>
<li><a href="/login">Log in</a></li>
<li><a href="/upload">Upload</a></li>
<li><a href="/api/items">Items (JSON)</a></li>
<li><a href="/events">Events</a></li>
</ul>"#,
    )
}

pub(crate) fn login_form() -> Response {
    page(
        "Log in",
        r#"<form method="post" action="/login">
<label>Name <input name="name"></label>
<label>Password <input name="password" type="password"></label>
<button>Log in</button>
</form>"#,
    )
}

pub(crate) fn welcome(name: &str) -> Response {
    page("Welcome", &format!("<p>Hello, {}.</p>", escape(&shorten(name))))
}

pub(crate) fn search(query: &str) -> Response {
    page(
        "Search",
        &format!(
            r#"<form><input name="q" value="{query}"><button>Search</button></form><p>No results for “{query}”.</p>"#,
            query = escape(&shorten(query))
        ),
    )
}

pub(crate) fn upload_form() -> Response {
    page(
        "Upload",
        r#"<form method="post" action="/upload" enctype="multipart/form-data">
<input type="file" name="file"><button>Upload</button>
</form>"#,
    )
}

/// The answer to any path that is nothing else: whoever asks sees that the application was reached.
pub(crate) fn anything_else(path: &str) -> Response {
    page(
        "Demo shop",
        &format!("<p>The application answers for {}.</p>", escape(&shorten(path))),
    )
}

pub(crate) fn error(status: StatusCode) -> Response {
    reply::with_status(page("Sorry", &format!("<p>{status}</p>")), status).into_response()
}

fn page(title: &str, content: &str) -> Response {
    reply::html(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body><h1>{title}</h1>\n{content}\n</body></html>\n"
    ))
    .into_response()
}

fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_ECHO_CHARS) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// Text as HTML text or as a quoted attribute value.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            escape(r#"<a b="c" d='e'>&"#),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;"
        );
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(shorten(&"é".repeat(500)).chars().count(), MAX_ECHO_CHARS + 1);
        assert_eq!(shorten("short"), "short");
    }
}
