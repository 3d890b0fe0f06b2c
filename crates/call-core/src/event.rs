//! What reaches the switch and what it asks for.

use std::sync::Arc;
use std::time::Duration;

use sip_core::{SipCommand, SipEvent};
use voip_contract::Incarnation;
use voip_contract::NodeName;
use voip_contract::config::{SipDocument, UserDocument};
use voip_contract::media::{Announcement, MediaNotice, MediaReply, MediaRequest};
use voip_contract::node_admin::NodeOrder;

use crate::fact::Fact;
use crate::store::{StoreReply, StoreRequest, Ticket};

/// An input of the switch.
#[derive(Debug, Clone)]
pub enum Event {
    /// From the transaction layer.
    Sip(SipEvent),
    /// From a media-node, or about one.
    Media(MediaEvent),
    /// The store has answered.
    Stored(Ticket, StoreReply),
    /// New documents: calls keep the routes they took.
    Config(Arc<Documents>),
    /// An operator's order.
    Admin(AdminOrder),
    /// A deadline of [`Switch::deadline`](crate::Switch) may have passed.
    Tick,
}

/// The documents that a sip-node runs, loaded and checked together.
#[derive(Debug, Clone)]
pub struct Documents {
    /// `sip.json`.
    pub sip: SipDocument,
    /// The users of all documents that hold some.
    pub users: Vec<UserDocument>,
}

/// Orders from outside calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminOrder {
    /// The process is going: new calls get 503 + Retry-After, registrations are answered, calls go on; those that are
    /// left after `within` are ended. Nothing takes it back.
    Leave {
        /// From now on.
        within: Duration,
    },
    /// The operator wants the same for a while, or has changed its mind. Refused when a newer operator has spoken.
    Ordered(NodeOrder),
    /// The process goes at once: no new calls, and an end to all there are. BYE with Reason to those answered, 503 to
    /// those that are not, CANCEL to callees.
    EndCalls,
}

/// From a media-node, or about one. A node is named with its incarnation, so that words of a former run are told
/// from those of the present one.
#[derive(Debug, Clone)]
pub enum MediaEvent {
    /// A stream is open and the node has said who it is; comes again with each announcement.
    Announced(Announcement),
    /// The stream of this run broke. The node may dial again: calls are given up only after a grace.
    Disconnected {
        /// Which.
        node: NodeName,
        /// Which run.
        incarnation: Incarnation,
    },
    /// Answer to a request.
    Replied {
        /// Which.
        node: NodeName,
        /// Which run.
        incarnation: Incarnation,
        /// The answer.
        reply: MediaReply,
    },
    /// Something happened unasked.
    Noticed {
        /// Which.
        node: NodeName,
        /// What.
        notice: MediaNotice,
    },
    /// The request could not be handed over (no stream, queue full): as refused with `Unavailable`.
    Undeliverable {
        /// Which.
        node: NodeName,
        /// The request's ticket.
        ticket: u64,
    },
}

/// What the switch asks for.
#[derive(Debug, Clone)]
pub enum Action {
    /// To the transaction layer.
    Sip(SipCommand),
    /// To a media-node.
    Media {
        /// Which.
        node: NodeName,
        /// What.
        request: MediaRequest,
    },
    /// These sessions of a media-node are still wanted: sent after each of its connects.
    Claim {
        /// Which.
        node: NodeName,
        /// The sessions.
        sessions: Vec<voip_contract::CallId>,
    },
    /// To the store; [`Event::Stored`] answers with the ticket.
    Store(Ticket, StoreRequest),
    /// For CDRs, metrics, logs and the ladder.
    Emit(Fact),
}
