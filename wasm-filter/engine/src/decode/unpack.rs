//! Compressed content: gzip (RFC 1952), zlib (RFC 1950), raw deflate (RFC 1951) and brotli (RFC 7932).
//!
//! Output is produced in steps, so memory follows what really comes out, and ends at a limit. Checksums and lengths at
//! the end of a stream are not compared: an application reads what came before them.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{DecompressorOxide, decompress, inflate_flags},
};

/// Bytes by which the output grows.
const STEP: usize = 16 * 1024;

/// Output from which on its size may make it a bomb, in bytes.
const MIN_BOMB_BYTES: usize = 1 << 20;

/// Output per byte of input from which on large output is a bomb. Text shrinks to a tenth, repetitive logs to a
/// fiftieth; only input made for it comes near the thousandth that deflate can do.
const MIN_BOMB_RATIO: usize = 100;

/// A compression format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Gzip,
    Zlib,
    /// What HTTP calls `deflate`: zlib, and raw deflate from senders that got it wrong (RFC 9110 section 8.4.1.2).
    Deflate,
    Brotli,
}

impl Format {
    /// The format that a value announces by its first bytes. Raw deflate and brotli announce nothing.
    pub(crate) fn of(bytes: &[u8]) -> Option<Format> {
        match bytes {
            [0x1f, 0x8b, 0x08, flags, ..] if *flags < 0x20 => Some(Format::Gzip),
            // A window of 32 KiB, as every encoder declares by default, at one of four levels; no preset dictionary.
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some(Format::Zlib),
            _ => None,
        }
    }
}

/// Memory reused between streams.
#[derive(Default)]
pub(crate) struct Scratch {
    inflate: Option<Box<DecompressorOxide>>,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// What came of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Whether the stream was followed to its end.
    pub(crate) is_whole: bool,
    /// Whether there was more output than allowed.
    pub(crate) is_cut: bool,
    /// Whether output was so large, for so little input, that the input was made to exhaust memory.
    pub(crate) is_bomb: bool,
}

/// Appends what the input unpacks to, at most `max_bytes` of it. A broken stream yields what comes before the break.
pub(crate) fn unpack(
    input: &[u8],
    format: Format,
    max_bytes: usize,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Outcome {
    let start = out.len();
    let (n_read, is_whole, is_cut) = match format {
        Format::Gzip => gunzip(input, max_bytes, scratch, out),
        Format::Zlib => zlib(input, max_bytes, scratch, out),
        Format::Deflate => deflate(input, max_bytes, scratch, out),
        Format::Brotli => unbrotli(input, max_bytes, out),
    };
    let n_out = out.len() - start;
    Outcome {
        is_whole,
        is_cut,
        is_bomb: n_out >= MIN_BOMB_BYTES && n_out / MIN_BOMB_RATIO >= n_read,
    }
}

/// Bytes read, whether the stream ended, and whether it had more to give.
type Ended = (usize, bool, bool);

/// Members, one after another.
fn gunzip(input: &[u8], max_bytes: usize, scratch: &mut Scratch, out: &mut Vec<u8>) -> Ended {
    const N_TRAILER: usize = 8;
    let start = out.len();
    let mut at = 0;
    loop {
        let rest = input.get(at..).unwrap_or_default();
        let Some(n_header) = gzip_header(rest) else {
            // Zeros after the last member are padding; anything else is ignored as gzip itself does.
            return (at, at > 0, false);
        };
        let max_more = max_bytes - (out.len() - start).min(max_bytes);
        let body = rest.get(n_header..).unwrap_or_default();
        let (n_read, is_whole, is_cut) = inflate(body, 0, max_more, scratch, out);
        at += n_header + n_read;
        if !is_whole || is_cut {
            return (at, is_whole, is_cut);
        }
        at += N_TRAILER;
    }
}

/// How long the header of a gzip member is (RFC 1952 section 2.3).
fn gzip_header(bytes: &[u8]) -> Option<usize> {
    const HAS_CHECKSUM: u8 = 2;
    const HAS_EXTRA: u8 = 4;
    const HAS_NAME: u8 = 8;
    const HAS_COMMENT: u8 = 16;
    let [0x1f, 0x8b, 8, flags, ..] = bytes else { return None };
    let mut at = 10;
    if flags & HAS_EXTRA != 0 {
        let length = [*bytes.get(at)?, *bytes.get(at + 1)?];
        at += 2 + usize::from(u16::from_le_bytes(length));
    }
    for flag in [HAS_NAME, HAS_COMMENT] {
        if flags & flag != 0 {
            at += memchr::memchr(0, bytes.get(at..)?)? + 1;
        }
    }
    if flags & HAS_CHECKSUM != 0 {
        at += 2;
    }
    Some(at)
}

fn zlib(input: &[u8], max_bytes: usize, scratch: &mut Scratch, out: &mut Vec<u8>) -> Ended {
    let flags = inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER | inflate_flags::TINFL_FLAG_IGNORE_ADLER32;
    inflate(input, flags, max_bytes, scratch, out)
}

fn deflate(input: &[u8], max_bytes: usize, scratch: &mut Scratch, out: &mut Vec<u8>) -> Ended {
    let is_zlib = match input {
        [method, flags, ..] => method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0,
        _ => false,
    };
    let start = out.len();
    if is_zlib {
        let ended = zlib(input, max_bytes, scratch, out);
        if out.len() > start {
            return ended;
        }
    }
    inflate(input, 0, max_bytes, scratch, out)
}

fn inflate(input: &[u8], flags: u32, max_bytes: usize, scratch: &mut Scratch, out: &mut Vec<u8>) -> Ended {
    let inflate = scratch.inflate.get_or_insert_with(Box::default);
    inflate.init();
    let start = out.len();
    let flags = flags | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (mut n_read, mut n_out) = (0, 0);
    loop {
        let n_room = (n_out + STEP).min(max_bytes);
        out.resize(start + n_room, 0);
        let rest = input.get(n_read..).unwrap_or_default();
        let window = out.get_mut(start..).unwrap_or_default();
        let (status, read, written) = decompress(inflate, rest, window, n_out, flags);
        n_read += read;
        n_out += written;
        let may_grow = status == TINFLStatus::HasMoreOutput;
        if !may_grow || n_room == max_bytes {
            out.truncate(start + n_out);
            return (n_read, status == TINFLStatus::Done, may_grow);
        }
    }
}

fn unbrotli(input: &[u8], max_bytes: usize, out: &mut Vec<u8>) -> Ended {
    // Without the extension to windows of a gigabyte, a stream asks for 16 MiB at most; it is freed at the end.
    let new = || StandardAlloc::default();
    let mut state = Box::new(BrotliState::new_strict(new(), new(), new()));
    let start = out.len();
    let (mut n_left, mut n_read, mut n_out) = (input.len(), 0, 0);
    loop {
        let n_room = (n_out + STEP).min(max_bytes);
        out.resize(start + n_room, 0);
        let window = out.get_mut(start..).unwrap_or_default();
        let (mut n_free, mut n_total) = (n_room - n_out, 0);
        let result = BrotliDecompressStream(
            &mut n_left,
            &mut n_read,
            input,
            &mut n_free,
            &mut n_out,
            window,
            &mut n_total,
            &mut state,
        );
        let may_grow = matches!(result, BrotliResult::NeedsMoreOutput);
        if !may_grow || n_room == max_bytes {
            out.truncate(start + n_out);
            return (n_read, matches!(result, BrotliResult::ResultSuccess), may_grow);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write};
    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = write::GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib_of(text: &[u8]) -> Vec<u8> {
        let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(text: &[u8]) -> Vec<u8> {
        let mut encoder = write::DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// A brotli stream of stored blocks (RFC 7932 section 9.2).
    fn stored(text: &[u8]) -> Vec<u8> {
        assert!(!text.is_empty() && text.len() <= 1 << 16);
        let length = (text.len() - 1) as u32;
        // WBITS 16 is one zero bit; then ISLAST 0, MNIBBLES 4, the length, ISUNCOMPRESSED 1.
        let header = length << 4 | 1 << 20;
        let mut stream = header.to_le_bytes()[..3].to_vec();
        stream.extend_from_slice(text);
        stream.push(3);
        stream
    }

    fn check(input: &[u8], format: Format, max_bytes: usize) -> (Vec<u8>, Outcome) {
        let (mut out, mut scratch) = (b"kept".to_vec(), Scratch::default());
        // What was left behind by another stream does not matter.
        unpack(
            &gzip(b"another")[..15],
            Format::Gzip,
            100,
            &mut scratch,
            &mut Vec::new(),
        );
        let outcome = unpack(input, format, max_bytes, &mut scratch, &mut out);
        assert!(out.starts_with(b"kept") && out.len() <= max_bytes + 4);
        (out[4..].to_vec(), outcome)
    }

    #[test]
    fn every_format_is_unpacked() {
        let text = b"1' union select password from users -- ".repeat(1000);
        let two_members = [gzip(&text[..500]), gzip(&text[500..]), vec![0; 16]].concat();
        for (packed, format) in [
            (gzip(&text), Format::Gzip),
            (two_members, Format::Gzip),
            (zlib_of(&text), Format::Zlib),
            (zlib_of(&text), Format::Deflate),
            (raw(&text), Format::Deflate),
            (stored(&text), Format::Brotli),
        ] {
            let (out, outcome) = check(&packed, format, 1 << 20);
            assert!(out == text, "{format:?}");
            assert!(outcome.is_whole && !outcome.is_cut && !outcome.is_bomb, "{format:?}");
            let (out, outcome) = check(&packed, format, 1000);
            assert!(out == text[..1000], "{format:?}");
            assert!(outcome.is_cut, "{format:?}");
        }
        assert_eq!(Format::of(&gzip(&text)), Some(Format::Gzip));
        assert_eq!(Format::of(&zlib_of(&text)), Some(Format::Zlib));
        assert_eq!(Format::of(b"x"), None);
    }

    #[test]
    fn a_brotli_stream_of_the_reference_encoder_is_unpacked() {
        let packed = [
            0x1b, 0x0b, 0x03, 0x68, 0xa5, 0x41, 0x4e, 0x5a, 0x62, 0xc0, 0x44, 0x0e, 0x1c, 0x5a, 0x81, 0xdc, 0x80, 0x0f,
            0x1b, 0x70, 0x28, 0x71, 0x98, 0x0e, 0xf8, 0x76, 0x71, 0x4c, 0xd1, 0x47, 0x14, 0x96, 0x7f, 0xa2, 0x00,
        ];
        let (out, outcome) = check(&packed, Format::Brotli, 1 << 20);
        assert_eq!(out, b"1' union select password from users -- ".repeat(20));
        assert!(outcome.is_whole);
    }

    #[test]
    fn gzip_headers_with_every_field_are_read() {
        let plain = gzip(b"text");
        let mut full = plain[..3].to_vec();
        full.push(2 | 4 | 8 | 16);
        full.extend_from_slice(&plain[4..10]);
        full.extend_from_slice(b"\x03\0abc");
        full.extend_from_slice(b"name\0comment\0\x12\x34");
        full.extend_from_slice(&plain[10..]);
        assert_eq!(check(&full, Format::Gzip, 100).0, b"text");
        for end in 0..full.len() {
            let (out, _) = check(&full[..end], Format::Gzip, 100);
            assert!(b"text".starts_with(&out[..]));
        }
    }

    #[test]
    fn broken_streams_yield_what_comes_before() {
        let text: Vec<u8> = (0..5000u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        let packed = gzip(&text);
        let (out, outcome) = check(&packed[..packed.len() / 2], Format::Gzip, 1 << 20);
        assert!(!outcome.is_whole && out.len() > 5000 && text.starts_with(&out));
        assert_eq!(check(b"no stream", Format::Gzip, 100).0, b"");
    }

    #[test]
    fn bombs_are_told_from_text() {
        let bomb = gzip(&vec![0; 4 << 20]);
        let (out, outcome) = check(&bomb, Format::Gzip, 2 << 20);
        assert_eq!(out.len(), 2 << 20);
        assert!(outcome.is_bomb && outcome.is_cut);
        let small = gzip(&vec![0; 100_000]);
        assert!(!check(&small, Format::Gzip, 2 << 20).1.is_bomb);
        let text: String = (0..60_000).map(|n| format!("line {n} of an honest log\n")).collect();
        assert!(!check(&gzip(text.as_bytes()), Format::Gzip, 4 << 20).1.is_bomb);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), max_bytes in 0usize..3000) {
            for format in [Format::Gzip, Format::Zlib, Format::Deflate, Format::Brotli] {
                check(&bytes, format, max_bytes);
            }
            check(&[b"\x1f\x8b\x08\0\0\0\0\0\0\0", &bytes[..]].concat(), Format::Gzip, max_bytes);
        }
    }
}
