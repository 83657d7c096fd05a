//! Protocol buffers without a schema (Protocol Buffers documentation, "Encoding").

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Its number.
    pub(crate) number: u32,
    /// What it holds.
    pub(crate) value: Scalar<'a>,
}

/// What the wire says of a field's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    /// An integer, a boolean or an enum.
    Varint(u64),
    /// Eight bytes: an integer or a float.
    Int64(u64),
    /// Four bytes: an integer or a float.
    Int32(u32),
    /// A string, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
}

/// Iterates over the fields of a message. Fields of groups, which are long deprecated, count as the message's own.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    n_open_groups: usize,
    /// Everything so far was as it should be.
    is_valid: bool,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Fields<'a> {
        Fields {
            rest: message,
            n_open_groups: 0,
            is_valid: true,
        }
    }

    /// What could not be read. Ask after the last field.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for (at, b) in self.rest.iter().take(10).enumerate() {
            number |= u64::from(b & 0x7f).checked_shl(7 * at as u32).unwrap_or(0);
            if b & 0x80 == 0 {
                self.rest = self.rest.get(at + 1..)?;
                return Some(number);
            }
        }
        None
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    fn read(&mut self) -> Option<Field<'a>> {
        loop {
            if self.rest.is_empty() {
                self.is_valid &= self.n_open_groups == 0;
                return None;
            }
            let tag = self.varint()?;
            let number = u32::try_from(tag >> 3).ok().filter(|number| is_plausible(*number))?;
            let value = match tag & 7 {
                0 => Scalar::Varint(self.varint()?),
                1 => Scalar::Int64(u64::from_le_bytes(self.take()?)),
                2 => {
                    let n_bytes = usize::try_from(self.varint()?).ok()?;
                    // A cut body still shows the beginning of its last value.
                    self.is_valid &= n_bytes <= self.rest.len();
                    let (bytes, rest) = self.rest.split_at_checked(n_bytes).unwrap_or((self.rest, &[]));
                    self.rest = rest;
                    Scalar::Bytes(bytes)
                }
                3 => {
                    self.n_open_groups += 1;
                    continue;
                }
                4 => {
                    self.n_open_groups = self.n_open_groups.checked_sub(1)?;
                    continue;
                }
                5 => Scalar::Int32(u32::from_le_bytes(self.take()?)),
                _ => return None,
            };
            return Some(Field { number, value });
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if !self.is_valid {
            return None;
        }
        let before = self.rest;
        let field = self.read();
        if field.is_none() && !self.rest.is_empty() {
            self.is_valid = false;
            self.rest = before;
        }
        field
    }
}

/// Numbers from 19000 to 19999 are reserved for implementations.
fn is_plausible(number: u32) -> bool {
    matches!(number, 1..=18_999 | 20_000..=0x1fff_ffff)
}

/// Whether bytes are a message from the first to the last.
pub(crate) fn is_message(bytes: &[u8]) -> bool {
    let mut fields = Fields::of(bytes);
    let n_fields = fields.by_ref().count();
    n_fields > 0 && fields.is_valid && fields.rest.is_empty()
}

/// Whether bytes that are declared a message are to be read as one, though it may be cut or broken: they are no text.
pub(crate) fn is_declared_message(bytes: &[u8]) -> bool {
    n_control(bytes) > 0 || std::str::from_utf8(bytes).is_err() || is_message(bytes)
}

/// How many bytes do not occur in text.
pub(crate) fn n_control(bytes: &[u8]) -> usize {
    let is_control = |b: &&u8| matches!(b, 0x00..=0x08 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f);
    bytes.iter().filter(is_control).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_wire_type() {
        let message = b"\x08\x96\x01\x11\x01\0\0\0\0\0\0\0\x1a\x02hi\x25\x02\0\0\0\x2b\x30\x01\x2c\xa0\x06\x07";
        let fields: Vec<_> = Fields::of(message).map(|field| (field.number, field.value)).collect();
        let expected = [
            (1, Scalar::Varint(150)),
            (2, Scalar::Int64(1)),
            (3, Scalar::Bytes(b"hi")),
            (4, Scalar::Int32(2)),
            (6, Scalar::Varint(1)),
            (100, Scalar::Varint(7)),
        ];
        assert_eq!(fields, expected);
        assert!(is_message(message));
    }

    #[test]
    fn other_bytes_are_no_message() {
        for bytes in [
            &b""[..],
            b"plain text",
            b"\x00\x01",
            b"\x0a\x05abc",
            b"\x08",
            b"\x0f\x01",
            b"\x0b\x08\x01",
            b"\x0c",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert!(!is_message(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn cut_messages_show_what_there_is() {
        let mut fields = Fields::of(b"\x08\x01\x12\x10' or 1=1");
        assert_eq!(
            fields.by_ref().last().map(|field| field.value),
            Some(Scalar::Bytes(b"' or 1=1"))
        );
        let mut fields = Fields::of(b"\x08\x01\x00rest");
        assert_eq!(fields.by_ref().count(), 1);
        assert_eq!(fields.rest(), b"\x00rest");
    }
}
