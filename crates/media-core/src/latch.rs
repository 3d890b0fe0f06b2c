//! Learns where a plain RTP or RTCP leg really sends from, and refuses everybody else.
//!
//! One latch per socket. It must not know the socket; the relay asks it for each datagram of a source that the
//! kernel did not already check (a connected socket hears its peer only). Nothing here allocates.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Silence after which the same host may go on from another port.
pub const DEFAULT_SILENCE: Duration = Duration::from_secs(1);

/// What signaling says about the far end of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatchPolicy {
    /// The address in its SDP.
    pub signalled: SocketAddr,
    /// The host its SIP messages come from. When it is another one than in `signalled`, the leg is taken to be
    /// behind a NAT: any port of this host will do.
    pub source: IpAddr,
}

impl LatchPolicy {
    fn allows(&self, source: SocketAddr) -> bool {
        source == self.signalled || (self.behind_nat() && source.ip() == self.source)
    }

    fn behind_nat(&self) -> bool {
        self.signalled.ip() != self.source
    }

    fn same_host(&self, source: SocketAddr) -> bool {
        source.ip() == self.signalled.ip() || source.ip() == self.source
    }
}

/// What to do with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is from the peer.
    Accept,
    /// It is from the peer, whose address is known from now on: the socket may be connected to it.
    AcceptAndConnect(SocketAddr),
    /// It is from somebody else; counted.
    Refuse,
}

/// The state of learning one peer's address.
#[derive(Debug, Clone)]
pub struct Latch {
    policy: LatchPolicy,
    silence: Duration,
    learned: Option<SocketAddr>,
    /// When the peer was heard last, or the policy was set.
    heard: Duration,
    /// Until then another allowed source takes over at once.
    relearn_until: Duration,
    refused: u64,
}

impl Latch {
    /// Nothing is known but `policy`. After `silence` without a packet another port of the same host is accepted.
    pub fn new(now: Duration, policy: LatchPolicy, silence: Duration) -> Self {
        let policy = canonical(policy);
        Self { policy, silence, learned: None, heard: now, relearn_until: now, refused: 0 }
    }

    /// Judges a datagram from `source`.
    pub fn accept(&mut self, now: Duration, source: SocketAddr) -> Verdict {
        let source = canonical_socket(source);
        if self.learned == Some(source) {
            self.heard = now;
            return Verdict::Accept;
        }
        if self.may_learn(now, source) {
            self.learned = Some(source);
            self.heard = now;
            self.relearn_until = now;
            return Verdict::AcceptAndConnect(source);
        }
        self.refused = self.refused.saturating_add(1);
        Verdict::Refuse
    }

    /// An offer/answer exchange was completed. A connected socket must be unconnected, because the peer may now send
    /// from elsewhere; packets go to the signalled address again if that has changed.
    pub fn renew(&mut self, now: Duration, policy: LatchPolicy) {
        let policy = canonical(policy);
        let moved = policy.signalled != self.policy.signalled || policy.source != self.policy.source;
        self.policy = policy;
        self.relearn_until = now.saturating_add(self.silence);
        if moved {
            self.learned = None;
            self.heard = now;
        }
    }

    /// True when the peer has been silent so long that the same host may go on from another port: a connected
    /// socket must then be unconnected, or the kernel would keep that port from us.
    pub fn is_silent(&self, now: Duration) -> bool {
        now.saturating_sub(self.heard) >= self.silence
    }

    /// Where to send: what was learned, else what was signalled.
    pub fn destination(&self) -> SocketAddr {
        self.learned.unwrap_or(self.policy.signalled)
    }

    /// The address that was learned.
    pub fn learned(&self) -> Option<SocketAddr> {
        self.learned
    }

    /// Datagrams refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Notes that the kernel took a datagram from the connected peer, in place of [`Latch::accept`].
    pub fn heard(&mut self, now: Duration) {
        self.heard = now;
    }

    fn may_learn(&self, now: Duration, source: SocketAddr) -> bool {
        match self.learned {
            None => self.policy.allows(source) || (self.policy.same_host(source) && self.is_silent(now)),
            Some(_) if now < self.relearn_until && self.policy.allows(source) => true,
            Some(learned) => source.ip() == learned.ip() && self.is_silent(now),
        }
    }
}

fn canonical(policy: LatchPolicy) -> LatchPolicy {
    LatchPolicy { signalled: canonical_socket(policy.signalled), source: policy.source.to_canonical() }
}

/// An IPv4 peer of an IPv6 socket is the same peer; scope and flow label do not tell peers apart.
fn canonical_socket(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
