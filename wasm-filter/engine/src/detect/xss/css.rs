//! Style that runs script: `expression(...)`, `behavior`, `-moz-binding` and script URLs.
//!
//! Only old browsers obey, but a value that carries one of these has no other purpose.

use super::text::{at, find_fold, part, tail};

/// Longest style read, in bytes.
const MAX_STYLE_BYTES: usize = 4096;

/// Whether a decoded style runs script. `plain` is memory to normalise it into.
pub(super) fn runs_script(style: &[u8], plain: &mut Vec<u8>) -> bool {
    let style = part(style, 0..style.len().min(MAX_STYLE_BYTES));
    normalise(style, plain);
    let has = |needle: &[u8]| find_fold(plain, needle, 0);
    if let Some(start) = has(b"expression(")
        && plain
            .get(start.wrapping_sub(1))
            .is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_')
    {
        return true;
    }
    if has(b"javascript:").is_some() || has(b"vbscript:").is_some() || has(b"livescript:").is_some() {
        return has(b"url(").is_some() || has(b"@import").is_some() || has(b"content:").is_some();
    }
    if has(b"-moz-binding:").is_some() && has(b"url(").is_some() {
        return true;
    }
    // `scroll-behavior` is honest CSS, and so is `behavior` without a URL.
    has(b"behavior:url(").is_some_and(|start| plain.get(start.wrapping_sub(1)) != Some(&b'-'))
}

/// Whether a style sheet pulls in another one: `@import`.
pub(super) fn imports(style: &[u8]) -> bool {
    find_fold(style, b"@import", 0).is_some()
}

/// Drops comments, blanks and control bytes and decodes escapes. Source: CSS Syntax 3, 4.3.7 "Consume an escaped code
/// point".
fn normalise(style: &[u8], plain: &mut Vec<u8>) {
    plain.clear();
    let mut quote = 0;
    let mut i = 0;
    while i < style.len() {
        let first = at(style, i);
        if matches!(first, b'"' | b'\'') && (quote == 0 || quote == first) {
            quote = if quote == 0 { first } else { 0 };
        }
        match tail(style, i) {
            // Within a string there are no comments.
            [b'/', b'*', rest @ ..] if quote == 0 => match memchr::memmem::find(rest, b"*/") {
                Some(length) => i += length + 4,
                // An open comment swallows the rest in a browser; attackers close it elsewhere.
                None => i += 2,
            },
            [b'\\', rest @ ..] => {
                let n_digits = rest.iter().take(6).take_while(|b| b.is_ascii_hexdigit()).count();
                if n_digits == 0 {
                    i += 1;
                    continue;
                }
                let number = part(rest, 0..n_digits)
                    .iter()
                    .fold(0u32, |sum, b| sum * 16 + char::from(*b).to_digit(16).unwrap_or(0));
                if let Ok(b) = u8::try_from(number) {
                    plain.push(b);
                }
                i += 1 + n_digits;
                if matches!(at(style, i), b' ' | b'\t' | b'\n') {
                    i += 1;
                }
            }
            [0..=0x20, ..] => i += 1,
            [0xe2, 0x80, _, ..] | [0xe3, 0x80, 0x80, ..] | [0xef, 0xbb, 0xbf, ..] => i += 3,
            [b, ..] => {
                plain.push(*b);
                i += 1;
            }
            [] => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles() {
        let mut plain = Vec::new();
        for style in [
            "width: expression(alert(1))",
            r"x:exp/**/ress\69 on(1)",
            "background:url('java\nscript:x()')",
            "-moz-binding: url(//x/y.xml#z)",
            "behavior: url(x.htc)",
        ] {
            assert!(runs_script(style.as_bytes(), &mut plain), "{style}");
        }
        for style in [
            "color: red; background: url(/a.png)",
            "scroll-behavior: smooth",
            "overscroll-behavior:url(x)",
            "font: regular_expression(1)",
        ] {
            assert!(!runs_script(style.as_bytes(), &mut plain), "{style}");
        }
    }
}
