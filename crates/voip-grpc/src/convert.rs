//! Protobuf to contract and back. Everything that comes in is checked: lengths, names, known values.

use voip_contract::CallId;
use voip_contract::media::{MAX_RECORD_BYTES, MAX_SDP_BYTES};

mod admin;
mod replies;
mod requests;

/// A message that is not of the contract; names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {0} is missing, too long or of an unknown value")]
pub struct Malformed(pub &'static str);

/// Turns a contract value into its protobuf form; always possible.
pub(crate) trait ToWire {
    type Wire;
    fn to_wire(self) -> Self::Wire;
}

/// Turns protobuf into a contract value, or names the field that is wrong.
pub(crate) trait FromWire: Sized {
    type Wire;
    fn from_wire(wire: Self::Wire) -> Result<Self, Malformed>;
}

fn required<W, T: FromWire<Wire = W>>(wire: Option<W>, field: &'static str) -> Result<T, Malformed> {
    T::from_wire(wire.ok_or(Malformed(field))?)
}

fn call_id(bytes: &[u8]) -> Result<CallId, Malformed> {
    bytes.try_into().map(|b| CallId(u128::from_be_bytes(b))).map_err(|_| Malformed("session"))
}

fn call_bytes(id: CallId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

fn sdp(bytes: Vec<u8>) -> Result<Vec<u8>, Malformed> {
    if bytes.len() > MAX_SDP_BYTES { Err(Malformed("sdp")) } else { Ok(bytes) }
}

fn record(bytes: Vec<u8>) -> Result<Vec<u8>, Malformed> {
    if bytes.len() > MAX_RECORD_BYTES { Err(Malformed("record")) } else { Ok(bytes) }
}

fn port(value: u32) -> Result<u16, Malformed> {
    u16::try_from(value).map_err(|_| Malformed("port"))
}

#[cfg(test)]
mod tests;
