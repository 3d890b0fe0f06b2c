//! Calls, legs and bindings as plain, versioned values: what the store holds and another sip-node could take over.

use serde::{Deserialize, Serialize};
use sip_core::{Dialog, Flow};
use voip_contract::admin::CallRecord;
use voip_contract::media::MediaSnapshot;
use voip_contract::{CallId, Epoch, Generation, Incarnation, LegId, NodeName};

/// The version written into every stored value.
pub const STATE_VERSION: u16 = 1;

/// A user of ours, as `user` of the domain; the registrar's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AddressOfRecord(pub String);

/// One contact of an AoR (RFC 3261 section 10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// [`STATE_VERSION`].
    pub version: u16,
    /// Contact URI as the phone wrote it.
    pub contact: String,
    /// Preference in thousandths, 0 to 1000.
    pub q: u16,
    /// `+sip.instance` as written, without the quotes (RFC 5626 section 4.1).
    pub instance: Option<String>,
    /// `reg-id` (RFC 5626 section 4.2).
    pub reg_id: Option<u32>,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// Its CSeq number.
    pub cseq: u32,
    /// Path values in the order of the header (RFC 3327): the route to this contact.
    pub path: Vec<String>,
    /// Where requests for this contact are sent: the source of the REGISTER behind NAT, else the contact itself.
    pub flow: Flow,
    /// When it was last refreshed, Unix ms.
    pub updated_at_ms: u64,
    /// When it expires, Unix ms; 0 in an update: to be removed.
    pub expires_at_ms: u64,
}

/// A call with its legs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// [`STATE_VERSION`].
    pub version: u16,
    /// Which call; its CDR and its media session have the same id.
    pub id: CallId,
    /// Which owner wrote it: whoever takes the call over adds one.
    pub epoch: Epoch,
    /// The open CDR.
    pub record: CallRecord,
    /// Where its media is, once it has any.
    pub media: Option<MediaPlace>,
    /// The last offer/answer exchange begun.
    pub generation: Generation,
    /// The session as media-node last described it.
    pub snapshot: MediaSnapshot,
    /// What the dialplan decided, and how far it was carried out.
    pub route: RouteJournal,
    /// The caller, and the branch that is tried or connected.
    pub legs: Vec<Leg>,
}

/// The run of a media-node that holds a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaPlace {
    /// Which node.
    pub node: NodeName,
    /// Which run of it.
    pub incarnation: Incarnation,
}

/// The actions of a route as they were when the call took it: a later dialplan does not change them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteJournal {
    /// All of them, filled in for this call.
    pub actions: Vec<dialplan::Action>,
    /// How many were begun.
    pub begun: u32,
}

/// How far a leg is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegState {
    /// Invited, or inviting; no dialog yet.
    Trying,
    /// A provisional response with a tag was seen or sent.
    Early,
    /// A 2xx was seen or sent.
    Confirmed,
}

/// One party of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    /// Its number in the call; 0 is the caller.
    pub id: LegId,
    /// The user behind it.
    pub user: AddressOfRecord,
    /// How far it is.
    pub state: LegState,
    /// Our tag in its dialog.
    pub tag: String,
    /// Its dialog, once it has a tag of both sides.
    pub dialog: Option<Dialog>,
    /// Where its requests are sent.
    pub flow: Flow,
    /// The last body it sent us.
    pub remote_sdp: Option<Vec<u8>>,
    /// The last body we sent it.
    pub local_sdp: Option<Vec<u8>>,
    /// The 2xx that it has not acknowledged yet, whole.
    pub unacknowledged: Option<Vec<u8>>,
}
