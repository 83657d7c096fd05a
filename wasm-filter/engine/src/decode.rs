//! Decoders: another form of the same value.
//!
//! A decoder appends its output to a buffer and says whether anything was encoded. Output is never longer than input
//! unless its module says how much, so the caller can check limits before it starts. What is malformed stays as it is: the application may be stricter
//! or laxer than we are, and the undecoded form is judged as well.

pub(crate) mod base64;
pub(crate) mod charset;
pub(crate) mod hexadecimal;
pub(crate) mod htmljs;
pub(crate) mod percent;
pub(crate) mod quoted_printable;
pub(crate) mod unicode;
pub(crate) mod unpack;

/// Reads up to `max_digits` hexadecimal digits. Returns the number and how many digits it has.
fn hex(bytes: &[u8], max_digits: usize) -> (u32, usize) {
    let mut number = 0;
    let mut n_digits = 0;
    for b in bytes.iter().take(max_digits) {
        let Some(digit) = (*b as char).to_digit(16) else { break };
        number = number << 4 | digit;
        n_digits += 1;
    }
    (number, n_digits)
}

/// Appends a character as UTF-8; the replacement character for what is none.
pub(crate) fn push_char(out: &mut Vec<u8>, code: u32) {
    let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
