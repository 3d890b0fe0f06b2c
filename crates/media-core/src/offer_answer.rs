//! What a relaying B2BUA does to bodies (RFC 3264, RFC 6337): reads them, and writes the body for the other leg.
//!
//! Plain RTP audio is carried: one `m=audio` over `RTP/AVP` or `RTP/AVPF`. Each leg keeps its own list of media
//! sections ([`Layout`]), so that their number and order stay as that leg knows them: a new leg is offered audio
//! alone, and what it or its peer adds besides is refused with port 0. RTCP goes to the port above RTP: `rtcp-mux` is
//! not offered on and, when offered, declined by leaving it out (RFC 5761 section 5.1.1). Encryption, ICE and bundling are
//! taken out; an offer of encrypted audio alone is not acceptable.

use thiserror::Error;
use voip_contract::media::RefusalReason;

use crate::sdp::SdpError;

mod body;
mod direction;
mod layout;
mod local;
mod origin;
mod rewrite;
#[cfg(test)]
mod tests;

pub use body::{Body, Remote};
pub use direction::{answered, receives, reversed, sends};
pub use layout::{Layout, Section};
pub use local::{LocalAnswer, answer_locally, local_offer};
pub(crate) use origin::fingerprint_of;
pub use origin::{LocalOrigin, fingerprint};
pub use rewrite::{Place, relay};

/// A body that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// It is no SDP.
    #[error(transparent)]
    Sdp(#[from] SdpError),
    /// An answer that does not fit its offer.
    #[error("the answer does not fit its offer: {0}")]
    Misfit(&'static str),
    /// Nothing in it that we carry.
    #[error("{0}")]
    NotAcceptable(&'static str),
}

impl BodyError {
    /// The class of refusal.
    pub fn reason(&self) -> RefusalReason {
        match self {
            Self::Sdp(_) | Self::Misfit(_) => RefusalReason::BadSdp,
            Self::NotAcceptable(_) => RefusalReason::NotAcceptable,
        }
    }
}
