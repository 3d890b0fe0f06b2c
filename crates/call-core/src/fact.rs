//! What happened, said once: CDRs, metrics, logs and the ladder all read these.

use voip_contract::admin::CallRecord;
use voip_contract::media::LegStatistics;
use voip_contract::{CallId, Epoch, NodeName};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Fact {
    /// A call came in; the record is open.
    CallStarted(Box<CallRecord>),
    /// A call was answered; the record is still open.
    CallAnswered(Box<CallRecord>),
    /// A call has ended, or was lost with the sip-node that had it; the record is closed. Exactly one per call.
    CallEnded {
        /// The record.
        record: Box<CallRecord>,
        /// Media statistics per leg, as far as media-node gave them.
        statistics: Vec<LegStatistics>,
    },
    /// The set of bindings of a user changed or was refreshed.
    Registered {
        /// User part of the AoR.
        user: String,
        /// Contacts now.
        contacts: u32,
    },
    /// A request was refused before it became a call or a registration. One label per reason, never user data.
    Refused {
        /// Method token.
        method: &'static str,
        /// Status sent.
        status: u16,
        /// Why: a fixed word such as `bad-credentials`, `unknown-user`, `no-media-node`.
        reason: &'static str,
    },
    /// A media-node came, or came back.
    MediaNodeReady {
        /// Which.
        node: NodeName,
    },
    /// A media-node is lost; its calls are being ended.
    MediaNodeLost {
        /// Which.
        node: NodeName,
        /// How many calls it held.
        calls: u32,
    },
    /// New documents cannot be run; the old ones still do.
    ConfigRejected {
        /// Why.
        detail: String,
    },
    /// The record that a lost sip-node left of a call cannot be read: the call has no CDR.
    RecordUnreadable {
        /// The call.
        call: CallId,
        /// For the log.
        detail: String,
    },
    /// An order of an operator came after one of a newer operator: not obeyed.
    OrderRefused {
        /// Its epoch.
        epoch: Epoch,
        /// The highest seen.
        newest: Epoch,
    },
    /// A media-node refused or could not serve a request of a call.
    MediaRefused {
        /// The call.
        call: CallId,
        /// A fixed word from the refusal's reason.
        reason: &'static str,
        /// For the log.
        detail: String,
    },
}
