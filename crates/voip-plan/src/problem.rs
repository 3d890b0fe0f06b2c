//! What is wrong, in words that say where and what the smallest change is that mends it.

use serde::Serialize;

/// A field that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
#[error("{document}: {path}: {fact}: {mend}")]
pub struct FieldError {
    /// Kind and name: `VoipCluster voip/office`.
    pub document: String,
    /// Path of the field: `spec.media.pools[0].callsPerNode`.
    pub path: String,
    /// What is wrong with it.
    pub fact: String,
    /// The smallest change that mends it.
    pub mend: String,
}

/// Why a plan is less than what was asked for. The names are those of status conditions and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Reason {
    /// No range is free for a media-node or for control ports.
    NoRoom,
    /// A node has no address that callers can send to.
    NoAddress,
    /// Several port spaces stand behind one address.
    SharedAddress,
    /// Nobody has given the signaling Service an address yet.
    LoadBalancerPending,
    /// There is no node for a pool.
    NoMatchingNode,
    /// There are fewer nodes than a pool asks for.
    PoolShort,
    /// A change waits until the calls on a pod are over.
    HeldByCalls,
    /// It works, though probably not as meant.
    Advice,
}

/// Something that status, `voipctl plan` and events tell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
#[error("{document}: {path}: {fact}: {mend}")]
pub struct Problem {
    /// Kind and name: `VoipCluster voip/office`.
    pub document: String,
    /// Path of the field that can mend it.
    pub path: String,
    /// The class.
    pub reason: Reason,
    /// What is so.
    pub fact: String,
    /// The smallest change that mends it.
    pub mend: String,
}
