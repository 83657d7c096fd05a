//! Page tokens: where the next page starts, and which question it belongs to.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tonic::Status;

use crate::{id::HitId, status};

/// Where a page starts: after the entry with this time and id.
///
/// As text: base64 of time, id and a digest of the question, so that a token used with another filter is refused
/// rather than giving a page from the middle of something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Time of the last entry.
    pub(super) time: Timestamp,
    /// Id of the last entry.
    pub(super) id: HitId,
}

// === impl Token ===

impl Token {
    /// The token as text; empty for no token.
    pub(super) fn write(token: Option<Token>, scope: &str) -> String {
        let Some(Token { time, id }) = token else {
            return String::new();
        };
        let mut bytes = Vec::with_capacity(24);
        bytes.extend(time.as_microsecond().to_be_bytes());
        bytes.extend(id.as_row().to_be_bytes());
        bytes.extend(digest(scope));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The token of a text; none for an empty one.
    pub(super) fn read(text: &str, scope: &str) -> Result<Option<Token>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        let allowed = "must be empty or the next_page_token of the page before, with the same filter";
        let invalid = || status::invalid("page_token", text, allowed);
        // The text of 24 bytes.
        let bytes = if text.len() == 32 {
            URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?
        } else {
            return Err(invalid());
        };
        let word = |at: usize| <[u8; 8]>::try_from(bytes.get(at..at + 8).unwrap_or_default());
        let (Ok(time), Ok(id), Ok(scope_digest)) = (word(0), word(8), word(16)) else {
            return Err(invalid());
        };
        if scope_digest != digest(scope) {
            return Err(invalid());
        }
        let time = Timestamp::from_microsecond(i64::from_be_bytes(time)).map_err(|_| invalid())?;
        let id = HitId::from_row(i64::from_be_bytes(id)).ok_or_else(invalid)?;
        Ok(Some(Token { time, id }))
    }
}

fn digest(scope: &str) -> [u8; 8] {
    let mut digest = [0; 8];
    digest.copy_from_slice(&Sha256::digest(scope.as_bytes())[..8]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip_and_belong_to_one_question() {
        let token = Token {
            time: "2026-11-23T22:00:00.000001Z".parse().unwrap(),
            id: "0123456789abcdef".parse().unwrap(),
        };
        let text = Token::write(Some(token), "attacks of a");
        assert_eq!(Token::read(&text, "attacks of a").unwrap(), Some(token));
        assert!(Token::read(&text, "attacks of b").is_err());
        assert_eq!(Token::write(None, "attacks of a"), "");
        assert_eq!(Token::read("", "attacks of a").unwrap(), None);
    }

    #[test]
    fn bad_tokens_are_named() {
        let bad = [
            "x",
            "\u{1b}[31m",
            &"A".repeat(32),
            &"é".repeat(16),
            &"A".repeat(1 << 20),
        ];
        for text in bad {
            let status = Token::read(text, "").unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(status.message().starts_with("page_token: must be empty or"), "{status}");
            assert!(!status.message().contains('\u{1b}'), "{status}");
            assert!(status.message().len() < 1000);
        }
    }
}
