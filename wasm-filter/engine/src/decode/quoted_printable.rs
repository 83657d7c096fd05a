//! Quoted-printable (RFC 2045 section 6.7): `=27` for a byte, `=` at the end of a line for no line break.

/// Appends the decoded form. Returns whether anything was encoded.
pub(crate) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut is_changed = false;
    let mut rest = input;
    while let Some(at) = memchr::memchr(b'=', rest) {
        let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let tail = tail.get(1..).unwrap_or_default();
        let (code, n_digits) = super::hex(tail, 2);
        let n_read = match tail {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ if n_digits == 2 => {
                out.push(code as u8);
                2
            }
            _ => {
                out.push(b'=');
                rest = tail;
                continue;
            }
        };
        is_changed = true;
        rest = tail.get(n_read..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    is_changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_line_ends_are_decoded() {
        for (input, expected) in [
            ("1=27 or =\r\n1=3d1", "1' or 1=1"),
            ("a=\nb", "ab"),
            ("a = b =zz =2", "a = b =zz =2"),
            ("", ""),
        ] {
            let mut out = Vec::new();
            assert_eq!(decode(input.as_bytes(), &mut out), input != expected);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
