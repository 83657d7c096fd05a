//! Serialised objects: formats whose readers run code while reading.
//!
//! Sources: Java Object Serialization Specification section 6.4, PHP `unserialize`, Python `pickle` opcodes,
//! MS-NRBF section 2.6.1 (.NET BinaryFormatter), Ruby `Marshal` 4.8, CVE-2017-5941 (node-serialize), SnakeYAML.

use crate::detect::Place;

/// What was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serial {
    /// A Java object stream, raw or as base64 or hexadecimal digits.
    Java,
    /// A PHP object with a class of its own.
    Php,
    /// A pickle that imports and calls.
    Pickle,
    /// A .NET BinaryFormatter stream.
    DotNet,
    /// A function for node-serialize.
    Node,
    /// A YAML tag that constructs arbitrary objects.
    Yaml,
    /// A Ruby Marshal stream with an object.
    Ruby,
}

/// Recognises a serialised object at the start of the value, or inside it where the format nests.
#[inline(never)]
pub(super) fn find(value: &[u8], place: Place) -> Option<Serial> {
    let trimmed = value.trim_ascii();
    let trimmed = trimmed.strip_prefix(b"\"").unwrap_or(trimmed);
    // Archives and programs hold such streams honestly.
    if place == Place::File {
        return None;
    }
    if trimmed.starts_with(b"\xac\xed\x00\x05")
        || (trimmed.starts_with(b"rO0AB") && trimmed.len() > 16)
        || (trimmed.len() > 16 && starts_without_case(trimmed, b"aced0005"))
    {
        return Some(Serial::Java);
    }
    if trimmed.starts_with(b"AAEAAAD/////") || trimmed.starts_with(b"\0\x01\0\0\0\xff\xff\xff\xff\x01\0\0\0") {
        return Some(Serial::DotNet);
    }
    if memchr::memmem::find(value, b"_$$ND_FUNC$$_").is_some() {
        return Some(Serial::Node);
    }
    if is_php_object(trimmed) {
        return Some(Serial::Php);
    }
    if is_pickle(trimmed) {
        return Some(Serial::Pickle);
    }
    if trimmed.starts_with(b"\x04\x08") && matches!(trimmed.get(2), Some(b'o' | b'c' | b'U' | b'u' | b'e')) {
        return Some(Serial::Ruby);
    }
    let tags: [&[u8]; 5] = [
        b"!!python/object/",
        b"!!javax.script.",
        b"!!java.net.URL",
        b"!ruby/object:Gem",
        b"!!com.sun.rowset.",
    ];
    if trimmed.len() < 4096 && tags.iter().any(|tag| memchr::memmem::find(trimmed, tag).is_some()) {
        return Some(Serial::Yaml);
    }
    None
}

fn starts_without_case(value: &[u8], prefix: &[u8]) -> bool {
    value
        .get(..prefix.len())
        .is_some_and(|front| front.eq_ignore_ascii_case(prefix))
}

/// `O:8:"ClassName":3:{`, at the start or as a member of an array or object.
fn is_php_object(value: &[u8]) -> bool {
    let mut from = 0;
    while let Some(at) = value.get(from..).and_then(|rest| memchr::memmem::find(rest, b":\"")) {
        let quote = from + at + 1;
        let front = value.get(..quote).unwrap_or_default();
        if ends_as_object(front) && names_class(value.get(quote + 1..).unwrap_or_default()) {
            return true;
        }
        from = quote + 1;
    }
    false
}

/// `O:8:` at the end, with nothing that a name could be before it.
fn ends_as_object(front: &[u8]) -> bool {
    let Some(front) = front.strip_suffix(b":") else {
        return false;
    };
    let n_digits = front.iter().rev().take_while(|b| b.is_ascii_digit()).take(6).count();
    let front = front.get(..front.len() - n_digits).unwrap_or_default();
    // PHP accepts `O:+8:`, which some filters do not.
    let front = front.strip_suffix(b"+").unwrap_or(front);
    let Some(before) = front.strip_suffix(b"O:").or_else(|| front.strip_suffix(b"C:")) else {
        return false;
    };
    n_digits > 0 && matches!(before.last(), None | Some(b';' | b'{' | b'}'))
}

/// `ClassName":3:{`, but not the class that stands for no class.
fn names_class(rest: &[u8]) -> bool {
    let len = rest
        .iter()
        .take(128)
        .take_while(|b| b.is_ascii_alphanumeric() || b"_\\".contains(b) || **b >= 0x80)
        .count();
    let (name, after) = rest.split_at(len);
    let Some(after) = after.strip_prefix(b"\":") else {
        return false;
    };
    let n_digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
    n_digits > 0 && after.get(n_digits..).is_some_and(|rest| rest.starts_with(b":{")) && name != b"stdClass"
}

/// A pickle that imports a name and calls it.
fn is_pickle(value: &[u8]) -> bool {
    const MODULES: &[&[u8]] = &[
        b"os",
        b"posix",
        b"nt",
        b"subprocess",
        b"__builtin__",
        b"builtins",
        b"commands",
        b"sys",
        b"pty",
        b"platform",
    ];
    let is_binary = matches!(value, [0x80, 2..=5, ..]);
    if let Some(rest) = value.strip_prefix(b"c").or_else(|| value.strip_prefix(b"(c")) {
        let mut lines = rest.split(|b| *b == b'\n');
        let (module, name) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        return MODULES.contains(&module.trim_ascii_end()) && !name.is_empty();
    }
    is_binary
        && MODULES
            .iter()
            .any(|module| memchr::memmem::find(value, module).is_some())
        && value.ends_with(b".")
        && value.contains(&b'R')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_recognised() {
        for (value, expected) in [
            (&b"rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA"[..], Serial::Java),
            (b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap", Serial::Java),
            (b"O:7:\"Example\":1:{s:1:\"a\";i:1;}", Serial::Php),
            (b"a:1:{i:0;O:+3:\"Foo\":0:{}}", Serial::Php),
            (b"cos\nsystem\n(S'id'\ntR.", Serial::Pickle),
            (b"AAEAAAD/////AQAAAAAAAAAMAgAAAA", Serial::DotNet),
            (b"{\"rce\":\"_$$ND_FUNC$$_function(){}()\"}", Serial::Node),
            (b"!!javax.script.ScriptEngineManager [", Serial::Yaml),
        ] {
            assert_eq!(find(value, Place::Cookie), Some(expected), "{}", value.escape_ascii());
        }
    }

    #[test]
    fn data_is_not() {
        for value in [
            &b"a:2:{i:0;s:1:\"a\";i:1;s:1:\"b\";}"[..],
            b"O:8:\"stdClass\":0:{}",
            b"FOO:8:\"bar\":1:{",
            b"cos(x)\nsin(y)",
            b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            b"rO0AB",
        ] {
            assert_eq!(find(value, Place::Cookie), None, "{}", value.escape_ascii());
        }
    }
}
