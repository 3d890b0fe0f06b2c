//! What sip-node and media-node say to each other over the stream that media-node opened.
//!
//! A *session* is the media of one call. SDP bodies are opaque to sip-node: it hands them over and gets back what
//! to send, with the few facts that a B2BUA needs. Every request is idempotent by (`session`, `generation`,
//! `epoch`) and operation: asked again, it is answered as before.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ids::{CallId, Epoch, Generation, Incarnation, LegId, NodeName};

/// Largest SDP body that either side accepts, in bytes.
pub const MAX_SDP_BYTES: usize = 16 * 1024;
/// Largest record that a sip-node leaves with a session, in bytes.
pub const MAX_RECORD_BYTES: usize = 2 * 1024;

/// What a media-node says of itself, at connect and once a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Its name in the plan.
    pub node: NodeName,
    /// This run of it.
    pub incarnation: Incarnation,
    /// Pool it belongs to.
    pub pool: String,
    /// First and last RTP port it may use.
    pub ports: (u16, u16),
    /// Calls that its usable ports allow, at most what was planned.
    pub capacity: u32,
    /// Sessions it holds.
    pub sessions: u32,
    /// Ports in use.
    pub ports_in_use: u32,
    /// It takes no new sessions.
    pub draining: bool,
}

/// sip-node to media-node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToMediaNode {
    /// First message on a stream: who owns the sessions asked for on it.
    Welcome {
        /// This run of sip-node.
        incarnation: Incarnation,
    },
    /// These sessions are still wanted. Sent after each connect; sessions of this owner that are not named are freed.
    Claim {
        /// The sessions.
        sessions: Vec<CallId>,
    },
    /// Asks for something.
    Request(MediaRequest),
}

/// media-node to sip-node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromMediaNode {
    /// Who I am and how loaded.
    Announce(Announcement),
    /// Answer to a request.
    Reply(MediaReply),
    /// Something happened unasked.
    Notice(MediaNotice),
}

/// Asks a media-node for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaRequest {
    /// Pairs the reply with the request; unique per sip-node incarnation.
    pub ticket: u64,
    /// The call.
    pub session: CallId,
    /// The owner's epoch; a lower one than seen before is refused.
    pub epoch: Epoch,
    /// The offer/answer exchange that this belongs to; 0 for operations outside one.
    pub generation: Generation,
    /// What is asked.
    pub operation: MediaOperation,
    /// The call's record so far, for whoever must write it when this sip-node is lost: media-node keeps the newest
    /// beside the session and hands it back in [`MediaNotice::Orphaned`]. Opaque to it; at most [`MAX_RECORD_BYTES`].
    /// Comes with the first request of a session and when the call is answered.
    pub record: Option<Vec<u8>>,
}

/// What is asked of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaOperation {
    /// `from` has offered `sdp`; the reply holds the offer for `to`. Makes the session and both legs as needed.
    ///
    /// While the exchange is open, the same offer may be passed on to further legs under the same generation; when all
    /// its branches are dropped, under a new one too. A leg that joins after `from` was answered is offered only what
    /// `from` was told, so that `from` need not be asked again.
    Offer {
        /// Who offers.
        from: LegSpec,
        /// Whom the offer is for.
        to: LegSpec,
        /// The offer.
        sdp: Vec<u8>,
    },
    /// `from` has answered the offer of this generation; the reply holds the answer for `to`. Media flows from here on.
    Answer {
        /// Who answers.
        from: LegSpec,
        /// Whom the answer is for.
        to: LegSpec,
        /// The answer.
        sdp: Vec<u8>,
        /// It came in a provisional response: media may flow, the exchange stays open for the final answer.
        provisional: bool,
    },
    /// The offer of this generation was refused or withdrawn: as if it had not been made. Legs that it made are gone,
    /// except one that was given an early answer: it keeps its ports. Success when no such offer is open.
    Rollback,
    /// media-node itself is the other side: answers the offer of `leg`. What is heard is said by [`MediaOperation::Play`]
    /// and [`MediaOperation::Echo`]; until then it sends nothing.
    AnswerLocally {
        /// Who offers.
        leg: LegSpec,
        /// The offer.
        sdp: Vec<u8>,
    },
    /// Plays a prompt to `leg`, in place of what it hears otherwise. [`MediaNotice::PlayFinished`] follows, unless an
    /// answer, the echo or another prompt ends it before.
    Play {
        /// Who hears it.
        leg: LegId,
        /// Name of the prompt.
        prompt: String,
        /// How often.
        repeat: u32,
    },
    /// Sends back to `leg` what it sends.
    Echo {
        /// Who hears itself.
        leg: LegId,
    },
    /// Removes `leg` (a branch that lost, or was not answered); the session stays. Answered with success for a leg
    /// unknown.
    Drop {
        /// The leg.
        leg: LegId,
    },
    /// Ends the session; the reply holds its statistics. Answered with success for a session unknown.
    Release,
}

/// A leg in a request, with what signaling knows of its far end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegSpec {
    /// The leg.
    pub leg: LegId,
    /// Where its signaling comes from. RTP is accepted from the address in its SDP, or from this host when they differ.
    pub source: IpAddr,
}

/// Answer to a [`MediaRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaReply {
    /// The request's ticket.
    pub ticket: u64,
    /// The call.
    pub session: CallId,
    /// What came of it.
    pub result: Result<MediaOutcome, MediaRefusal>,
}

/// What a request brought.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MediaOutcome {
    /// The body to send on: an offer for `to`, an answer for `to`, or our own answer.
    pub sdp: Option<Vec<u8>>,
    /// What the body handed in says; none where no body was.
    pub facts: Option<SdpFacts>,
    /// Final statistics of each leg that ended with this request.
    pub statistics: Vec<LegStatistics>,
    /// From this any other media-node rebuilds the session. Opaque; versioned inside.
    pub snapshot: MediaSnapshot,
}

/// A session as opaque bytes, for storage beside the call. Empty once the session has ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaSnapshot(pub Vec<u8>);

/// What a B2BUA must know of an SDP body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SdpFacts {
    /// Direction of the audio as the sender of the body states it.
    pub direction: Direction,
    /// Codec names of the audio in preference order, `PCMU/8000`.
    pub codecs: Vec<String>,
    /// It differs from the sender's last body in more than the session version.
    pub changed: bool,
}

/// A media direction (RFC 4566 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Sends and receives.
    SendRecv,
    /// Sends only: the other side is on hold.
    SendOnly,
    /// Receives only.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// Why a request brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaRefusal {
    /// The class of reason, for status codes and metrics.
    pub reason: RefusalReason,
    /// One sentence for logs: what and where.
    pub detail: String,
}

/// Classes of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RefusalReason {
    /// The body is no SDP, or its answer does not fit its offer: 400 or 502.
    BadSdp,
    /// Nothing in it that we can carry (no audio, no codec in common): 488.
    NotAcceptable,
    /// No RTP port is free: 503.
    NoPorts,
    /// The table of sessions is full, or the node drains: 503.
    Unavailable,
    /// There is no such session, leg or exchange.
    Unknown,
    /// Another exchange is open (glare): 491.
    Glare,
    /// A newer owner has spoken: forget the call.
    StaleEpoch,
    /// There is no such prompt, or it cannot be read.
    NoPrompt,
}

/// What a media-node says unasked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaNotice {
    /// A prompt has been played to its end.
    PlayFinished {
        /// The call.
        session: CallId,
        /// Who heard it.
        leg: LegId,
    },
    /// A session is gone without `Release`: its media-node never had it, or ended it at the deadline of a drain.
    SessionLost {
        /// The call.
        session: CallId,
        /// Why, for logs.
        detail: String,
        /// It was the deadline of a drain.
        drained: bool,
    },
    /// A session of another sip-node was ended, because that one was lost and nobody claimed the session. Whoever hears
    /// this writes the call's record, unless it has one under that id. It is said to one sip-node; to another only when
    /// the stream to the first broke within seconds.
    Orphaned {
        /// The call.
        session: CallId,
        /// What its owner left last ([`MediaRequest::record`]).
        record: Vec<u8>,
        /// When the owner was lost, Unix time in milliseconds.
        lost_at_ms: u64,
    },
}

/// What one leg sent to us and got from us.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LegStatistics {
    /// The leg.
    pub leg: u32,
    /// RTP packets received from it.
    pub packets_received: u64,
    /// RTP payload and header bytes received from it.
    pub bytes_received: u64,
    /// RTP packets sent to it.
    pub packets_sent: u64,
    /// Packets that it sent and that never came (RFC 3550 appendix A.3).
    pub packets_lost: u64,
    /// Interarrival jitter of what it sent, microseconds (RFC 3550 section 6.4.1).
    pub jitter_us: u32,
    /// Packets refused: foreign source, no RTP.
    pub packets_refused: u64,
}
