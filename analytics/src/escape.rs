//! Makes captured bytes safe for terminals.
//!
//! What attackers send ends up on the screens of those who look at it. Escape sequences, overstrikes and characters that
//! reorder text must not work there.

/// Bytes as text of at most `max_chars` characters that a terminal shows as it stands.
///
/// Control, format and other unprintable characters become escapes, bytes that are not UTF-8 become `\xNN`, a
/// backslash is doubled. Cut text ends in `…`.
pub(crate) fn bytes(bytes: &[u8], max_chars: usize) -> String {
    let mut text = String::new();
    let mut room = max_chars;
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().chars().map(escaped);
        let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        for piece in valid.chain(invalid) {
            let n_chars = piece.chars().count();
            if n_chars > room {
                text.push('…');
                return text;
            }
            room -= n_chars;
            text.push_str(&piece);
        }
    }
    text
}

/// A message in which nothing needs to be told apart: as [`bytes`], but backslashes stay single.
pub(crate) fn message(text: &str, max_chars: usize) -> String {
    bytes(text.as_bytes(), max_chars).replace(r"\\", r"\")
}

fn escaped(char: char) -> String {
    match char {
        // These need no escape outside of quotes.
        '"' | '\'' => char.to_string(),
        // Covers control and format characters, line separators, combining and unassigned ones.
        _ => char.escape_debug().to_string(),
    }
}

/// JSON text with everything but printable characters escaped.
///
/// `json` comes from a serialiser, which leaves all but C0 control characters as they are.
pub(crate) fn json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        if char.is_ascii() && char != '\x7f' || escaped(char).len() == char.len_utf8() {
            text.push(char);
        } else {
            for unit in char.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_harmless(char: char) -> bool {
        !char.is_control()
            && !matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    }

    #[test]
    fn what_terminals_obey_becomes_visible() {
        let cases: &[(&[u8], &str)] = &[
            (b"1' OR \"1\"=\"1", "1' OR \"1\"=\"1"),
            (b"\x1b]0;owned\x07\x1b[2J", r"\u{1b}]0;owned\u{7}\u{1b}[2J"),
            ("\u{9b}31m".as_bytes(), r"\u{9b}31m"),
            (b"\x9b31m\xff", r"\x9b31m\xff"),
            (b"a\r\n\tb\x08\x7f\0", r"a\r\n\tb\u{8}\u{7f}\0"),
            ("x\u{202e}gpj.exe".as_bytes(), r"x\u{202e}gpj.exe"),
            (br"..\..\etc", r"..\\..\\etc"),
            ("привет 漢字".as_bytes(), "привет 漢字"),
        ];
        for (raw, expected) in cases {
            assert_eq!(bytes(raw, 100), *expected);
        }
        assert_eq!(bytes(b"abcdef", 3), "abc…");
        assert_eq!(bytes(b"ab\x1b", 3), "ab…");
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(raw: Vec<u8>, more: String, max in 0usize..50) {
            let raw = [raw.as_slice(), more.as_bytes()].concat();
            let text = bytes(&raw, max);
            prop_assert!(text.chars().all(is_harmless));
            prop_assert!(text.chars().count() <= max + 1);
        }

        #[test]
        fn json_keeps_its_meaning(raw: String) {
            let safe = json(&serde_json::to_string(&raw).unwrap());
            prop_assert!(safe.chars().all(is_harmless));
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), raw);
        }
    }
}
