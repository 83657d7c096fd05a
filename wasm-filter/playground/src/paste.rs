//! An HTTP/1.1 request as people paste it.

/// A pasted request. Line ends may be LF or CRLF; the body is everything after the first empty line, as it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Paste<'t> {
    pub(crate) method: &'t str,
    pub(crate) target: &'t str,
    pub(crate) headers: Vec<(&'t str, &'t str)>,
    pub(crate) body: &'t str,
}

impl<'t> Paste<'t> {
    /// Reads a pasted request. The error is a sentence for the page.
    pub(crate) fn parse(text: &'t str) -> Result<Paste<'t>, String> {
        let text = text.trim_start();
        let mut rest = text;
        let mut next_line = || {
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            rest = after;
            line.strip_suffix('\r').unwrap_or(line)
        };
        let start = next_line();
        let (method, target) = start
            .split_once(' ')
            .ok_or("The first line should read like: GET /path?name=value HTTP/1.1")?;
        // Targets with blanks are invalid, and still worth a look.
        let target = match target.rsplit_once(' ') {
            Some((target, version)) if version.starts_with("HTTP/") => target,
            _ => target,
        };
        let mut headers = Vec::new();
        loop {
            let line = next_line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| format!("This header line has no colon: {line}"))?;
            headers.push((name.trim(), value.trim()));
        }
        Ok(Paste {
            method,
            target: target.trim(),
            headers,
            body: rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_line_ends() {
        let expected = Paste {
            method: "POST",
            target: "/a?b=c",
            headers: vec![("Host", "x:80"), ("A", "")],
            body: "one\n\ntwo",
        };
        let lf = "\nPOST /a?b=c HTTP/1.1\nHost: x:80\nA:\n\none\n\ntwo";
        let crlf = "POST /a?b=c HTTP/1.1\r\nHost: x:80\r\nA:\r\n\r\none\n\ntwo";
        assert_eq!(Paste::parse(lf).as_ref(), Ok(&expected));
        assert_eq!(Paste::parse(crlf).as_ref(), Ok(&expected));
    }

    #[test]
    fn a_start_line_is_enough() {
        let paste = Paste::parse("GET /?q=a b").unwrap();
        assert_eq!((paste.target, paste.body), ("/?q=a b", ""));
        assert_eq!(Paste::parse("GET /?q=a b HTTP/1.1").unwrap().target, "/?q=a b");
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(Paste::parse("").unwrap_err().contains("first line"));
        assert!(
            Paste::parse("GET / HTTP/1.1\nno colon")
                .unwrap_err()
                .contains("no colon")
        );
    }
}
