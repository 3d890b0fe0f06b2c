//! Requests outside a dialog, up to the point where a call or a registration begins: which methods, domains and
//! extensions there are (RFC 3261 section 8.2), and how a refusal is said.

use bytes::Bytes;
use sip_core::message::MessageBuilder;
use sip_core::{Header, Message, Method, ServerKey, StatusCode};
use voip_contract::media::MAX_SDP_BYTES;

use crate::fact::Fact;
use crate::turn::Turn;

/// Methods that are understood, for Allow.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, REGISTER";
/// The only body that a call may begin with.
pub(crate) const SDP: &str = "application/sdp";
/// The only encoding of a body.
const IDENTITY: &str = "identity";

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// A fixed word for metrics.
    pub(crate) reason: &'static str,
    pub(crate) headers: Vec<(Header, String)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: &'static str) -> Self {
        Self { status, reason, headers: Vec::new() }
    }

    /// 503, which has Retry-After.
    pub(crate) fn overload(reason: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reason)
    }

    pub(crate) fn with(mut self, name: Header, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Answers `request` with it.
    pub(crate) fn send(&self, turn: &mut Turn, key: ServerKey, request: &Message) {
        let mut response = respond_to(turn, request, self.status);
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response = response.header(Header::RetryAfter, turn.retry_after());
        }
        turn.respond(key, response.build());
        turn.emit(Fact::Refused {
            method: method_word(&request.method()),
            status: self.status.code(),
            reason: self.reason,
        });
    }
}

/// Starts a response with what all of ours have: a To tag and Server.
pub(crate) fn respond_to(turn: &mut Turn, request: &Message, status: StatusCode) -> MessageBuilder {
    let tag = turn.core.tokens.token();
    Message::response_to(request, status).to_tag(&tag).header(Header::Server, &turn.core.config.server)
}

/// What must hold for any request outside a dialog, in the order of section 8.2.
pub(crate) fn inspect(turn: &Turn, request: &Message) -> Result<(), Refusal> {
    let method = request.method();
    check_method(&method)?;
    check_target(turn, request)?;
    if method == Method::Invite && request.max_forwards() == Some(0) {
        return Err(Refusal::new(StatusCode::TOO_MANY_HOPS, "too-many-hops"));
    }
    check_require(request)
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    let refusal = match method {
        Method::Invite | Method::Register | Method::Options => return Ok(()),
        // These belong to dialogs, and the request has none of ours.
        Method::Bye | Method::Prack | Method::Update | Method::Info | Method::Notify => {
            return Err(Refusal::new(StatusCode::CALL_DOES_NOT_EXIST, "no-dialog"));
        }
        Method::Other(_) => Refusal::new(StatusCode::NOT_IMPLEMENTED, "unknown-method"),
        _ => Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
    };
    Err(refusal.with(Header::Allow, ALLOW.to_owned()))
}

fn check_target(turn: &Turn, request: &Message) -> Result<(), Refusal> {
    let Ok(uri) = request.request_uri() else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "bad-uri"));
    };
    if uri.is_sip() {
        let ours = turn.is_ours(&uri.host);
        return if ours { Ok(()) } else { Err(Refusal::new(StatusCode::NOT_FOUND, "foreign-domain")) };
    }
    let dialled = uri.scheme == sip_core::Scheme::Tel && request.method() == Method::Invite;
    if dialled { Ok(()) } else { Err(Refusal::new(StatusCode::UNSUPPORTED_URI_SCHEME, "unsupported-scheme")) }
}

/// Extensions that a request insists on: none is there yet but `path`, which asks nothing of a registrar beyond what
/// it does anyway (section 8.2.2.3).
pub(crate) fn check_require(request: &Message) -> Result<(), Refusal> {
    let unknown: Vec<String> = request
        .list(Header::Require)
        .filter(|tag| !(tag.eq_ignore_ascii_case(b"path") && request.method() == Method::Register))
        .map(|tag| String::from_utf8_lossy(tag).into_owned())
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::BAD_EXTENSION, "unsupported-extension")
        .with(Header::Unsupported, unknown.join(", ")))
}

/// The body of an INVITE: none, SDP, or one that may be passed over (section 8.2.3).
pub(crate) fn check_body(request: &Message) -> Result<(), Refusal> {
    if request.body().is_empty() || is_optional(request) {
        return Ok(());
    }
    let refused = || Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-body");
    if request.content_type().as_deref() != Some(SDP) {
        return Err(refused().with(Header::Accept, SDP.to_owned()));
    }
    if !is_plain(request) {
        return Err(refused().with(Header::Other("Accept-Encoding"), IDENTITY.to_owned()));
    }
    if request.body().len() > MAX_SDP_BYTES {
        return Err(Refusal::new(StatusCode::REQUEST_ENTITY_TOO_LARGE, "body-too-large"));
    }
    Ok(())
}

/// The SDP in a message, if it has one.
pub(crate) fn sdp_of(message: &Message) -> Option<Bytes> {
    let is_sdp = message.content_type().as_deref() == Some(SDP) && is_plain(message);
    (is_sdp && !message.body().is_empty()).then(|| message.body_bytes())
}

fn is_plain(message: &Message) -> bool {
    message
        .header(Header::ContentEncoding)
        .is_none_or(|coding| coding.eq_ignore_ascii_case(IDENTITY.as_bytes()))
}

/// Whether the sender says that whoever does not understand the body may go on without it (section 20.11). SDP is
/// understood.
fn is_optional(request: &Message) -> bool {
    let disposition = request.text(Header::ContentDisposition).unwrap_or_default().to_ascii_lowercase();
    let mut params = disposition.split(';').skip(1).filter_map(|param| param.split_once('='));
    sdp_of(request).is_none()
        && params.any(|(name, value)| (name.trim(), value.trim()) == ("handling", "optional"))
}

/// Answers OPTIONS (section 11.2).
pub(crate) fn options(turn: &mut Turn, key: ServerKey, request: &Message) {
    let response = respond_to(turn, request, StatusCode::OK)
        .header(Header::Allow, ALLOW)
        .header(Header::Accept, SDP)
        .header(Header::Supported, "path")
        .build();
    turn.respond(key, response);
}

/// A label for metrics: one of a fixed set, whatever was sent.
fn method_word(method: &Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Register => "REGISTER",
        Method::Options => "OPTIONS",
        Method::Bye => "BYE",
        Method::Info => "INFO",
        Method::Subscribe => "SUBSCRIBE",
        Method::Publish => "PUBLISH",
        Method::Message => "MESSAGE",
        Method::Refer => "REFER",
        _ => "other",
    }
}
