//! What is asked of the store. Every store, in memory or not, answers later through a [`Ticket`], never inline.

use crate::state::{AddressOfRecord, Binding, Call};
use voip_contract::CallId;

/// Pairs a reply with its request; unique per incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Asked of the store.
#[derive(Debug, Clone)]
pub enum StoreRequest {
    /// Applies a REGISTER to an AoR in one step (RFC 3261 section 10.3 step 7) and answers with its bindings.
    UpdateBindings {
        /// Whose.
        aor: AddressOfRecord,
        /// What.
        update: BindingUpdate,
        /// Bindings that have expired by this wall time (Unix ms) are dropped first.
        now_ms: u64,
    },
    /// Reads the bindings of an AoR that have not expired.
    LoadBindings {
        /// Whose.
        aor: AddressOfRecord,
        /// Wall time, Unix ms.
        now_ms: u64,
    },
    /// Writes a call as it is now.
    PutCall(Box<Call>),
    /// Forgets a call that has ended.
    RemoveCall(CallId),
}

/// A change of the bindings of one AoR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindingUpdate {
    /// Adds or refreshes these, and removes those whose expiry is 0. All or nothing.
    Apply {
        /// The bindings.
        bindings: Vec<Binding>,
        /// More than this many contacts are refused.
        max_contacts: u32,
    },
    /// Removes all (`Contact: *`) that this Call-ID and CSeq may remove.
    Clear {
        /// Call-ID of the REGISTER.
        call_id: String,
        /// Its CSeq number.
        cseq: u32,
    },
}

/// Answer of the store.
#[derive(Debug, Clone)]
pub enum StoreReply {
    /// The bindings as they are now, highest q first, then newest.
    Bindings(Vec<Binding>),
    /// Written or removed.
    Done,
    /// Refused: an older CSeq of the same Call-ID (RFC 3261 section 10.3): 500.
    OutOfOrder,
    /// Refused: too many contacts: 403.
    TooManyContacts,
    /// The store has no room or does not answer: 503.
    Unavailable,
}
