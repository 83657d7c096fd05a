//! Decoding that looks at the size of what comes out before it starts.
//!
//! An empty message takes two bytes on the wire and hundreds in memory, so a bound on bytes alone lets a small request
//! take hundreds of times its size. Requests that repeat messages are counted first, without allocating anything.

use std::marker::PhantomData;

use prost::{
    Message,
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use crate::v1;

/// Most repeated messages of all kinds in one request: thousands of times what one hit needs, some tens of megabytes.
pub const MAX_PARTS: usize = 50_000;

/// A message field that repeats: its number, and those that repeat below it.
#[derive(Clone, Copy, Debug)]
pub struct Repeated {
    field: u32,
    below: &'static [Repeated],
}

/// What may be decoded.
pub trait Bounded {
    /// The message fields that repeat; none where one level of scalars is all there is.
    const REPEATED: &'static [Repeated] = &[];
}

const POINT: Repeated = Repeated { field: 1, below: &[] };
const FINDINGS: Repeated = Repeated {
    field: 12,
    below: &[POINT],
};
const HITS: Repeated = Repeated {
    field: 3,
    below: &[FINDINGS],
};

impl Bounded for v1::ReportHitsRequest {
    const REPEATED: &'static [Repeated] = &[HITS];
}
impl Bounded for v1::ListAttacksRequest {}
impl Bounded for v1::GetAttackRequest {}
impl Bounded for v1::ListHitsRequest {}
// Answers come from a server that the client chose; they are bounded in bytes.
impl Bounded for v1::ReportHitsResponse {}
impl Bounded for v1::ListAttacksResponse {}
impl Bounded for v1::GetAttackResponse {}
impl Bounded for v1::ListHitsResponse {}

/// Protocol buffers, counted before they are decoded.
#[derive(Debug)]
pub struct BoundedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for BoundedCodec<T, U> {
    fn default() -> Self {
        BoundedCodec(PhantomData)
    }
}

impl<T, U> Codec for BoundedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Bounded + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = BoundedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder(ProstCodec::<T, U>::raw_decoder(BufferSettings::default()))
    }
}

/// The decoder of [`BoundedCodec`].
#[derive(Debug)]
pub struct BoundedDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default + Bounded> Decoder for BoundedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        if !U::REPEATED.is_empty() {
            // tonic hands over a message in one piece.
            let bytes = buf.chunk();
            if bytes.len() != buf.remaining() {
                return Err(Status::internal("the message came in pieces"));
            }
            let mut room = MAX_PARTS;
            count(bytes, U::REPEATED, &mut room)?;
        }
        self.0.decode(buf)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// Takes every repeated message in `bytes` from `room`. As deep as `repeated` and no deeper.
fn count(mut bytes: &[u8], repeated: &[Repeated], room: &mut usize) -> Result<(), Status> {
    let malformed = |error: prost::DecodeError| Status::invalid_argument(format!("malformed message: {error}"));
    while !bytes.is_empty() {
        let (field, wire) = decode_key(&mut bytes).map_err(malformed)?;
        let known = repeated.iter().find(|known| known.field == field);
        let Some(known) = known.filter(|_| wire == WireType::LengthDelimited) else {
            skip_field(wire, field, &mut bytes, DecodeContext::default()).map_err(malformed)?;
            continue;
        };
        *room = room.checked_sub(1).ok_or_else(|| {
            Status::invalid_argument(format!(
                "hits: hits, findings and points must together have at most {MAX_PARTS} parts"
            ))
        })?;
        let length = decode_varint(&mut bytes).map_err(malformed)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
        let Some(length) = length else {
            return Err(Status::invalid_argument("malformed message: it ends early"));
        };
        let (message, rest) = bytes.split_at(length);
        count(message, known.below, room)?;
        bytes = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(message: &v1::ReportHitsRequest) -> Result<usize, Status> {
        let mut room = MAX_PARTS;
        count(&message.encode_to_vec(), v1::ReportHitsRequest::REPEATED, &mut room)?;
        Ok(MAX_PARTS - room)
    }

    #[test]
    fn parts_are_counted_at_every_level() {
        let finding = v1::Finding {
            point: vec![v1::PointElement::default(); 3],
            payload: vec![0x0a; 50],
            ..Default::default()
        };
        let hit = v1::Hit {
            // Would count as findings if it were read as a message.
            path: vec![0x62, 0x00, 0x62, 0x00],
            findings: vec![finding; 2],
            ..Default::default()
        };
        let message = v1::ReportHitsRequest {
            producer: Some(v1::Producer::default()),
            sequence: 9,
            hits: vec![hit; 5],
            dropped_total: 1,
        };
        assert_eq!(parts(&message).unwrap(), 5 * (1 + 2 * (1 + 3)));
    }

    #[test]
    fn too_many_parts_and_malformed_messages_are_refused() {
        let message = v1::ReportHitsRequest {
            hits: vec![v1::Hit::default(); MAX_PARTS + 1],
            ..Default::default()
        };
        let status = parts(&message).unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.message().starts_with("hits: "), "{status}");
        // Cut short, an endless group, a length beyond the end.
        for bytes in [&[0x1a][..], &[0x1b, 0x1b, 0x1b], &[0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f]] {
            let status = count(bytes, v1::ReportHitsRequest::REPEATED, &mut 10).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
        }
    }
}
