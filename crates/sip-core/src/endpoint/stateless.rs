//! Answers that leave nothing behind (RFC 3261 section 8.2.7), and what is done to every request on its way in.

use std::borrow::Cow;

use crate::flow::{Flow, Transport};
use crate::header::Header;
use crate::message::{Message, ParseError};
use crate::method::Method;
use crate::status::StatusCode;
use crate::token::TokenSource;
use crate::uri::Host;
use crate::via::Via;

/// Seconds after which a peer that was shed may come again.
pub(super) const RETRY_AFTER_SECONDS: u32 = 5;

/// The port that a Via without one means (section 18.1.1).
const DEFAULT_PORT: u16 = 5060;

/// A request with its source noted in the top Via, and where its responses go; `None` when that Via cannot be read.
pub(super) fn with_source(request: Message, flow: Flow) -> Option<(Message, Flow)> {
    let mut via = request.via().ok()?;
    let back = way_back(&via, flow);
    let before = via.clone();
    via.note_source(flow.remote);
    if via == before {
        return Some((request, back));
    }
    Some((request.edit().replace_first_element(Header::Via, via).build(), back))
}

/// Where responses go: to where the request came from, except that one without `rport` from the very address in its
/// Via is answered at the Via's port (section 18.2.2). Behind a NAT that port would be nobody's.
fn way_back(via: &Via, flow: Flow) -> Flow {
    let mut back = flow;
    let honest = via.host == Host::Ip(flow.remote.ip());
    if flow.transport == Transport::Udp && !via.has_rport() && honest {
        back.remote.set_port(via.port.unwrap_or(DEFAULT_PORT));
    }
    back
}

/// The answer to a message that is not well-formed; `None` when it cannot or must not be answered.
pub(super) fn refusal(
    tokens: &TokenSource,
    flow: Flow,
    message: Message,
    error: ParseError,
) -> Option<(Flow, Message)> {
    if !message.is_request() || message.method() == Method::Ack {
        return None;
    }
    let (status, phrase) = match error {
        ParseError::Version => (StatusCode::VERSION_NOT_SUPPORTED, Cow::Borrowed("")),
        error => (StatusCode::BAD_REQUEST, Cow::Owned(error.to_string())),
    };
    let (flow, mut answer) = answer(tokens, flow, message, status)?;
    if !phrase.is_empty() {
        answer = answer.edit().reason(&phrase).build();
    }
    Some((flow, answer))
}

/// An answer with the tag that this request would always get; `None` when its Via cannot be read.
pub(super) fn answer(
    tokens: &TokenSource,
    flow: Flow,
    request: Message,
    status: StatusCode,
) -> Option<(Flow, Message)> {
    let (request, back) = with_source(request, flow)?;
    let mut builder = Message::response_to(&request, status).to_tag(&tag_for(tokens, &request));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        builder = builder.header(Header::RetryAfter, RETRY_AFTER_SECONDS);
    }
    Some((back, builder.build()))
}

/// The tag for responses to `request` that were given none.
pub(super) fn tag_for(tokens: &TokenSource, request: &Message) -> String {
    tokens
        .tag_for(&[request.call_id().as_bytes(), b" ", request.from_tag().unwrap_or("").as_bytes()].concat())
}
