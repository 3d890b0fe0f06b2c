//! The vocabulary between an [`Endpoint`](crate::Endpoint) and the element that uses it: commands in, events out.
//!
//! An endpoint owns transactions: retransmission, matching, CANCEL and ACK for failures, 100 Trying, 2xx
//! retransmission. Its user owns dialogs and decides.

use bytes::Bytes;

use crate::flow::Flow;
use crate::message::Message;

/// A server transaction, numbered by the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey(pub u64);

/// A client transaction, numbered by the endpoint's user, who never uses a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(pub u64);

/// What the endpoint is told to do.
#[derive(Debug, Clone)]
pub enum SipCommand {
    /// Starts a client transaction. The endpoint puts its own Via on top, with a branch that names this incarnation.
    /// An INVITE that got a provisional response rings until it is answered or cancelled: no timer ends it.
    Request {
        /// Its number.
        key: ClientKey,
        /// Where to.
        flow: Flow,
        /// The request, without our Via.
        message: Message,
    },
    /// Sends a request, not INVITE, for what sending and answering it does to NATs and firewalls on the way (RFC 5626
    /// section 4.4). It is repeated for a short while only, and no event tells what became of it.
    Probe {
        /// Its number, of the same count as that of a `Request`.
        key: ClientKey,
        /// Where to.
        flow: Flow,
        /// The request, without our Via.
        message: Message,
    },
    /// Acknowledges a 2xx (RFC 3261 section 13.2.2.4). Kept, and sent again whenever that 2xx comes again. One per
    /// To-tag of the INVITE's answers.
    Ack {
        /// The INVITE's transaction.
        key: ClientKey,
        /// Where to.
        flow: Flow,
        /// The ACK, without our Via.
        message: Message,
    },
    /// Cancels an INVITE (section 9.1): held until a provisional response has come, pointless after a final one. The
    /// INVITE's own final response (usually 487) still comes as an event.
    Cancel {
        /// The INVITE's transaction.
        key: ClientKey,
        /// Value of a Reason header (RFC 3326), if any.
        reason: Option<String>,
    },
    /// Answers a request. A 2xx to an INVITE is retransmitted until its ACK (section 13.3.1.4).
    Respond {
        /// The request's transaction.
        key: ServerKey,
        /// The response, complete: see [`Message::response_to`](crate::message::Message).
        message: Message,
    },
}

/// What the endpoint reports.
#[derive(Debug, Clone)]
pub enum SipEvent {
    /// A request that must be answered, in or outside a dialog. Never ACK or CANCEL.
    Request {
        /// Its transaction.
        key: ServerKey,
        /// Where it came from, and where its responses go.
        flow: Flow,
        /// The request, with `received` and `rport` filled in (RFC 3581).
        message: Message,
    },
    /// The ACK for a 2xx that was sent on `key`.
    Acked {
        /// The INVITE's transaction.
        key: ServerKey,
        /// The ACK: it may carry an answer.
        message: Message,
    },
    /// No ACK came for a 2xx within 64*T1: the dialog should be ended by BYE (section 13.3.1.4).
    AckMissing {
        /// The INVITE's transaction.
        key: ServerKey,
    },
    /// The caller gave up an INVITE that has no final response. The CANCEL is answered; the INVITE is not yet (487).
    Cancelled {
        /// The INVITE's transaction.
        key: ServerKey,
        /// The CANCEL: it may carry a Reason.
        message: Message,
    },
    /// A response to a request of ours. Provisional ones as they come; one final one, except that an INVITE gets each
    /// 2xx of another To-tag. 100 is not reported.
    Response {
        /// The request's transaction.
        key: ClientKey,
        /// Where it came from.
        flow: Flow,
        /// The response.
        message: Message,
    },
    /// No final response in time (Timer B or F): to be treated as 408 (section 8.1.3.1).
    TimedOut {
        /// The request's transaction.
        key: ClientKey,
    },
    /// The request could not be sent: to be treated as 503 (section 8.1.3.1).
    Failed {
        /// The request's transaction.
        key: ClientKey,
    },
}

/// What comes out of [`Endpoint::poll`](crate::Endpoint).
#[derive(Debug, Clone)]
pub enum SipOutput {
    /// Bytes for the wire.
    Transmit {
        /// Where to.
        flow: Flow,
        /// One datagram, or one message on a stream.
        bytes: Bytes,
    },
    /// Something for the user.
    Event(SipEvent),
}
