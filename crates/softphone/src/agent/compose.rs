//! The header fields that all our messages share.

use bytes::Bytes;
use sip_core::{Header, Host, Message, MessageBuilder, Method, NameAddr, StatusCode, Uri};

use super::Agent;
use crate::error::PhoneError;
use crate::session::SDP;

/// What we understand.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";
/// How we call ourselves.
pub(super) const AGENT: &str = concat!("voip-softphone/", env!("CARGO_PKG_VERSION"));

const MAX_FORWARDS: u8 = 70;

/// One request outside a dialog.
pub(super) struct Fresh<'a> {
    pub(super) method: Method,
    pub(super) uri: &'a Uri,
    pub(super) from: &'a NameAddr,
    pub(super) to: &'a NameAddr,
    pub(super) call_id: &'a str,
    pub(super) cseq: u32,
}

impl Fresh<'_> {
    pub(super) fn builder(self) -> MessageBuilder {
        Message::request(self.method.clone(), self.uri)
            .header(Header::MaxForwards, MAX_FORWARDS)
            .header(Header::From, self.from)
            .header(Header::To, self.to)
            .header(Header::CallId, self.call_id)
            .header(Header::CSeq, format_args!("{} {}", self.cseq, self.method))
    }
}

impl Agent {
    /// The address of record of `user` in our domain.
    pub(super) fn aor(&self, user: &str) -> Result<Uri, PhoneError> {
        let bad =
            |reason: &str| PhoneError::BadTarget { text: self.config.domain.clone(), reason: reason.into() };
        let host = Host::parse(&self.config.domain).ok_or_else(|| bad("the domain is no host name"))?;
        Ok(Uri::sip(user, host, None))
    }

    /// Where we can be reached, as Contact.
    pub(super) fn contact(&self) -> NameAddr {
        let host = Host::from(self.address.ip());
        NameAddr::new(Uri::sip(&self.config.user, host, Some(self.address.port())))
    }

    /// A response with what ours always carry. Outside a call its tag is that of a server without state.
    pub(super) fn response(&self, request: &Message, status: StatusCode) -> MessageBuilder {
        tagged(request, status, &self.tokens.tag_for(request.call_id().as_bytes()))
    }

    /// Completes a message that makes or refreshes a dialog.
    pub(super) fn with_session(&self, builder: MessageBuilder, sdp: Option<Bytes>) -> Message {
        let builder = builder.header(Header::Contact, self.contact()).header(Header::Allow, ALLOW);
        match sdp {
            Some(sdp) => builder.body(SDP, sdp).build(),
            None => builder.build(),
        }
    }
}

/// A response with a tag of our choice.
pub(super) fn tagged(request: &Message, status: StatusCode, tag: &str) -> MessageBuilder {
    Message::response_to(request, status).header(Header::Server, AGENT).to_tag(tag)
}

/// The SDP in a message, if there is some.
pub(super) fn sdp_of(message: &Message) -> Option<&[u8]> {
    let is_sdp = message.content_type().is_some_and(|t| t.eq_ignore_ascii_case(SDP));
    (is_sdp && !message.body().is_empty()).then(|| message.body())
}

/// The Reason field (RFC 3326).
pub(super) fn reason_of(message: &Message) -> Option<String> {
    message.text(Header::Reason).map(std::borrow::Cow::into_owned)
}

/// A status that may be no status.
pub(super) fn status_or(code: u16, other: StatusCode) -> StatusCode {
    StatusCode::new(code).unwrap_or(other)
}
