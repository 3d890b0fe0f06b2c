//! What sip-node reports about itself (`GET /api/v1/status` and its like) and about calls that ended.

use serde::{Deserialize, Serialize};

use crate::ids::CallId;

/// Most calls in a [`CallsReport`].
pub const MAX_CALLS_REPORTED: usize = 1_000;

/// The state of a media-node as sip-node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// Takes new calls.
    Ready,
    /// Keeps its calls, takes no new ones.
    Draining,
    /// Not connected; its calls have been ended.
    Lost,
}

/// One media-node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaNodeStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: NodeState,
    /// RTP ports it may use, `first-last`.
    pub ports: String,
    /// RTP and RTCP ports in use.
    pub ports_in_use: u32,
    /// Sessions it holds.
    pub sessions: u32,
    /// Calls it was planned for.
    pub capacity: u32,
}

/// What one sip-node serves now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// Calls are possible: listeners are open and at least one media-node is ready.
    pub ready: bool,
    /// Calls that have not ended.
    pub active_calls: u32,
    /// Bindings that have not expired.
    pub registrations: u32,
    /// Media-nodes by name, those that were lost included.
    pub media_nodes: Vec<MediaNodeStatus>,
    /// Fingerprints of the documents that run, by file name.
    pub documents: std::collections::BTreeMap<String, String>,
    /// Why documents on disk are not the ones that run; empty when they are.
    pub rejected: Vec<String>,
}

/// How often a user is registered (`GET /api/v1/registrations/USER`); a user unknown is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationReport {
    /// The user name.
    pub username: String,
    /// Contacts that have not expired.
    pub contacts: u32,
}

/// The calls that have not ended (`GET /api/v1/calls`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallsReport {
    /// How many there are.
    pub total: u32,
    /// The newest [`MAX_CALLS_REPORTED`] of them, newest first.
    pub calls: Vec<ActiveCallReport>,
}

/// A call that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveCallReport {
    /// The call.
    pub id: CallId,
    /// The caller's AoR user.
    pub from: String,
    /// The number that was dialled.
    pub to: String,
    /// When the INVITE came, Unix time in milliseconds.
    pub started_at_ms: u64,
    /// When the call was answered, Unix time in milliseconds.
    pub answered_at_ms: Option<u64>,
    /// The media-node that holds its session; none while it needs none.
    pub media_node: Option<String>,
}

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndedBy {
    /// The caller: CANCEL or BYE.
    Caller,
    /// The callee: BYE or a final response.
    Callee,
    /// We did: route, time-out, drain, media lost.
    System,
    /// Unknown: the process that owned the call died.
    Lost,
}

/// A call detail record. There is exactly one per call, keyed by `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRecord {
    /// The call.
    pub id: CallId,
    /// The caller's number or AoR user.
    pub from: String,
    /// The number that was dialled.
    pub to: String,
    /// When the INVITE came, Unix time in milliseconds.
    pub started_at_ms: u64,
    /// When the call was answered, Unix time in milliseconds.
    pub answered_at_ms: Option<u64>,
    /// When it ended, Unix time in milliseconds; none while it lasts.
    pub ended_at_ms: Option<u64>,
    /// Answer to end in milliseconds; 0 when never answered.
    pub duration_ms: u64,
    /// Final status that the caller got; 200 once answered.
    pub sip_status: u16,
    /// Q.850 cause (RFC 3398 section 7.2.4.1); 16 for a normal end.
    pub q850: u8,
    /// Who ended it; none while it lasts.
    pub ended_by: Option<EndedBy>,
}
