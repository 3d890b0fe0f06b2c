//! Where a message ends: the one reading of `Content-Length` (RFC 3261 sections 7.4.2, 18.3 and 20.14).

use super::ParseError;
use crate::syntax;

/// What the `Content-Length` lines of a message say together. Repeating the same number is harmless; contradicting
/// ones would let two elements see two different messages.
pub(super) fn declared<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Option<usize>, ParseError> {
    let mut found = None;
    for value in values {
        let length = syntax::number(value).ok_or(ParseError::ContentLength)? as usize;
        if found.is_some_and(|before| before != length) {
            return Err(ParseError::ContentLength);
        }
        found = Some(length);
    }
    Ok(found)
}

/// How many of the `available` bytes are the body of a datagram: all without `Content-Length`.
pub(super) fn in_datagram(declared: Option<usize>, available: usize) -> Result<usize, ParseError> {
    match declared {
        None => Ok(available),
        Some(length) if length <= available => Ok(length),
        Some(_) => Err(ParseError::ContentLength),
    }
}
