//! Dialogs (RFC 3261 section 12): a plain value that can be stored, restored elsewhere, and gone on with.
//!
//! Early dialogs are dialogs too. Knows neither transactions nor what a dialog is used for.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::header::Header;
use crate::message::{CSeq, Message, MessageBuilder, ParseError};
use crate::method::Method;
use crate::name_addr::NameAddr;
use crate::uri::Uri;

/// The version of the stored form that this release writes and reads.
pub const DIALOG_VERSION: u8 = 1;
/// Sequence numbers stay below 2^31 (section 8.1.1.5).
const MAX_CSEQ: u32 = (1 << 31) - 1;
/// What a request of ours may travel, in hops (section 8.1.1.6).
const MAX_FORWARDS: u8 = 70;

/// What identifies a dialog at one of its ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag; empty when it has none (RFC 2543).
    pub remote_tag: String,
}

impl DialogId {
    /// The dialog that a received request belongs to; `None` when its To has no tag: it is in no dialog.
    pub fn of_request(request: &Message) -> Option<Self> {
        let local_tag = request.to_tag()?.to_owned();
        let remote_tag = request.from_tag().unwrap_or("").to_owned();
        Some(Self { call_id: request.call_id().to_owned(), local_tag, remote_tag })
    }

    /// The dialog that a received response belongs to; `None` when its To has no tag.
    pub fn of_response(response: &Message) -> Option<Self> {
        let remote_tag = response.to_tag()?.to_owned();
        let local_tag = response.from_tag()?.to_owned();
        Some(Self { call_id: response.call_id().to_owned(), local_tag, remote_tag })
    }
}

/// Why a message starts no dialog, or does not belong to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    /// A field cannot be read.
    #[error("cannot read the dialog's fields: {0}")]
    Field(#[from] ParseError),
    /// A response without a To tag creates no dialog.
    #[error("no To tag")]
    NoTag,
    /// Call-ID or tags are of another dialog: answer 481 (section 12.2.2).
    #[error("not in this dialog")]
    OtherDialog,
    /// The `CSeq` is lower than one before: answer 500 (section 12.2.2).
    #[error("CSeq out of order")]
    OutOfOrder,
}

/// One end of a dialog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// [`DIALOG_VERSION`].
    #[serde(deserialize_with = "known_version")]
    pub version: u8,
    /// Call-ID and tags.
    pub id: DialogId,
    /// Our address, tag included, as it stands in From of our requests.
    pub local: NameAddr,
    /// The peer's address, tag included.
    pub remote: NameAddr,
    /// The peer's Contact: where requests are addressed to.
    pub remote_target: Uri,
    /// Proxies on the way, nearest first.
    pub route_set: Vec<NameAddr>,
    /// `CSeq` of our last request; 0 before the first.
    pub local_cseq: u32,
    /// `CSeq` of the peer's last request.
    pub remote_cseq: Option<u32>,
    /// Whether a 2xx was sent or received; early until then.
    pub confirmed: bool,
}

fn known_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    match u8::deserialize(deserializer)? {
        DIALOG_VERSION => Ok(DIALOG_VERSION),
        other => Err(de::Error::custom(format_args!(
            "dialog version {other}: this release reads {DIALOG_VERSION}"
        ))),
    }
}

impl Dialog {
    /// The called end, from a request that was received and the tag we answer with (section 12.1.1). Early.
    pub fn from_request(request: &Message, local_tag: &str) -> Result<Self, DialogError> {
        let remote = request.from()?;
        let contacts = request.contacts()?;
        let remote_target =
            contacts.first().map_or_else(|| remote.uri.clone(), |contact| contact.uri.clone());
        Ok(Self {
            version: DIALOG_VERSION,
            id: DialogId {
                call_id: request.call_id().to_owned(),
                local_tag: local_tag.to_owned(),
                remote_tag: remote.tag().unwrap_or("").to_owned(),
            },
            local: request.to()?.tagged(local_tag),
            remote,
            remote_target,
            route_set: request.record_routes()?,
            local_cseq: 0,
            remote_cseq: Some(request.cseq()?.number),
            confirmed: false,
        })
    }

    /// The calling end, from the request that was sent and a response with a To tag (section 12.1.2): early from 1xx,
    /// confirmed from 2xx. A response without Contact leaves the target where the request went.
    pub fn from_response(request: &Message, response: &Message) -> Result<Self, DialogError> {
        let remote = response.to()?;
        let remote_tag = remote.tag().ok_or(DialogError::NoTag)?.to_owned();
        let local = request.from()?;
        let local_tag = local.tag().unwrap_or("").to_owned();
        let mut dialog = Self {
            version: DIALOG_VERSION,
            id: DialogId { call_id: request.call_id().to_owned(), local_tag, remote_tag },
            local,
            remote,
            remote_target: request.request_uri()?,
            route_set: Vec::new(),
            local_cseq: request.cseq()?.number,
            remote_cseq: None,
            confirmed: false,
        };
        dialog.take_response(response)?;
        Ok(dialog)
    }

    /// Call-ID and tags.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// The calling end, when the INVITE is answered: the 2xx rewrites the route set of the early dialog (section
    /// 13.2.2.4).
    pub fn confirm(&mut self, response: &Message) -> Result<(), DialogError> {
        if DialogId::of_response(response).as_ref() != Some(&self.id) {
            return Err(DialogError::OtherDialog);
        }
        self.take_response(response)
    }

    fn take_response(&mut self, response: &Message) -> Result<(), DialogError> {
        let mut route_set = response.record_routes()?;
        route_set.reverse();
        self.route_set = route_set;
        if let Some(contact) = response.contacts()?.first() {
            self.remote_target = contact.uri.clone();
        }
        self.confirmed |= response.status().is_some_and(crate::StatusCode::is_success);
        Ok(())
    }

    /// Checks a request of the peer and takes note of its `CSeq` (section 12.2.2). ACK and CANCEL repeat a number.
    pub fn accept(&mut self, request: &Message) -> Result<(), DialogError> {
        if DialogId::of_request(request).as_ref() != Some(&self.id) {
            return Err(DialogError::OtherDialog);
        }
        let CSeq { number, method } = request.cseq()?;
        if matches!(method, Method::Ack | Method::Cancel) {
            return Ok(());
        }
        if self.remote_cseq.is_some_and(|last| number < last) {
            return Err(DialogError::OutOfOrder);
        }
        self.remote_cseq = Some(number);
        Ok(())
    }

    /// Takes the peer's new Contact from a request, or from a 2xx to one of ours, that may change it (sections 12.2.1.2
    /// and 12.2.2; RFC 3311 section 5; RFC 6665 section 3.2). Others change nothing.
    pub fn refresh_target(&mut self, message: &Message) {
        let refreshes = matches!(
            message.method(),
            Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer
        );
        if refreshes
            && message.status().is_none_or(|status| !status.is_failure())
            && let Ok(contacts) = message.contacts()
            && let Some(contact) = contacts.first()
        {
            self.remote_target = contact.uri.clone();
        }
    }

    /// Starts the next request of ours (section 12.2.1.1).
    pub fn request(&mut self, method: Method) -> MessageBuilder {
        self.skip_cseq(1);
        self.with_cseq(CSeq { number: self.local_cseq, method })
    }

    /// Starts the ACK for a 2xx to the INVITE with this `CSeq` (section 13.2.2.4).
    pub fn ack(&self, invite_cseq: u32) -> MessageBuilder {
        self.with_cseq(CSeq { number: invite_cseq, method: Method::Ack })
    }

    /// Leaves numbers out, as one must who goes on with a stored dialog and does not know the last one used.
    pub fn skip_cseq(&mut self, count: u32) {
        self.local_cseq = self.local_cseq.saturating_add(count).min(MAX_CSEQ);
    }

    /// Where requests are sent: the first proxy of the route set, or the peer itself.
    pub fn next_hop(&self) -> &Uri {
        self.route_set.first().map_or(&self.remote_target, |route| &route.uri)
    }

    fn with_cseq(&self, cseq: CSeq) -> MessageBuilder {
        // A first proxy without `lr` is a strict router: it wants to be the Request-URI, and the target comes last.
        let strict = self.route_set.first().filter(|route| route.uri.param("lr").is_none());
        let uri = as_request_uri(strict.map_or(&self.remote_target, |route| &route.uri));
        let mut builder =
            Message::request(cseq.method.clone(), &uri).header(Header::MaxForwards, MAX_FORWARDS);
        for route in self.route_set.iter().skip(usize::from(strict.is_some())) {
            builder = builder.header(Header::Route, route);
        }
        if strict.is_some() {
            builder = builder.header(Header::Route, NameAddr::new(self.remote_target.clone()));
        }
        builder
            .header(Header::From, &self.local)
            .header(Header::To, &self.remote)
            .header(Header::CallId, &self.id.call_id)
            .header(Header::CSeq, cseq)
    }
}

/// Without what may not stand in a Request-URI (section 19.1.1, table 1).
fn as_request_uri(uri: &Uri) -> Uri {
    let mut uri = uri.clone();
    uri.headers = None;
    uri.params.remove("method");
    uri
}

#[cfg(test)]
mod tests;
