//! What a session needs from whoever runs it, and what it asks of them.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use voip_contract::LegId;

use crate::g711::Law;
use crate::latch::LatchPolicy;
use crate::port_pool::{PortPair, PortPool};

/// Where ports for legs come from.
///
/// The pool itself is one; a relay that binds both sockets before it gives a pair away is a better one, for what
/// it gives is really free.
pub trait Ports {
    /// A pair for one leg, which will be reached at `address`.
    fn take(&mut self, address: IpAddr) -> Option<PortPair>;

    /// A pair whose leg was not made after all: no [`Effect::OpenLeg`] named it.
    fn give_back(&mut self, pair: PortPair);
}

impl Ports for PortPool {
    fn take(&mut self, _address: IpAddr) -> Option<PortPair> {
        Self::take(self)
    }

    fn give_back(&mut self, pair: PortPair) {
        self.release(pair);
    }
}

/// The addresses that peers are told to send to, by where they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Told to everybody else; at most one per family counts, the first.
    pub outside: Vec<IpAddr>,
    /// Told to peers inside `local`; empty: as outside.
    pub inside: Vec<IpAddr>,
    /// The networks that are inside.
    pub local: Vec<IpNet>,
}

impl Addresses {
    /// The address for a peer whose signaling comes from `source`: of its family when there is one.
    pub fn for_peer(&self, source: IpAddr) -> Option<IpAddr> {
        let source = source.to_canonical();
        let same_family = |list: &[IpAddr]| list.iter().copied().find(|a| a.is_ipv4() == source.is_ipv4());
        let is_inside = self.local.iter().any(|net| net.contains(&source));
        let inside = if is_inside { same_family(&self.inside) } else { None };
        inside.or_else(|| same_family(&self.outside)).or_else(|| self.outside.first().copied())
    }
}

/// What a session may use while it handles a request.
pub struct Resources<'a> {
    /// Ports for new legs.
    pub ports: &'a mut dyn Ports,
    /// Our addresses.
    pub addresses: &'a Addresses,
    /// Whether a prompt of this name can be played.
    pub has_prompt: &'a dyn Fn(&str) -> bool,
}

/// What the relay is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A leg begins: its sockets are opened (unless [`Ports::take`] did so) and hear nobody yet.
    OpenLeg {
        /// The leg.
        leg: LegId,
        /// Its RTP port.
        rtp_port: u16,
        /// Its RTCP port, one above.
        rtcp_port: u16,
        /// The address that its peer is told; tells which address to bind.
        address: IpAddr,
    },
    /// Where the leg's peer is, after each completed exchange. Latches are made or renewed; connected sockets are
    /// unconnected.
    SetRemote {
        /// The leg.
        leg: LegId,
        /// Where RTP goes until the peer was heard.
        rtp: SocketAddr,
        /// Where RTCP goes until the peer was heard.
        rtcp: SocketAddr,
        /// Whom to hear, for RTP; for RTCP the same with `rtcp` as the signalled address.
        latch: LatchPolicy,
        /// False: the peer is on hold or sends only; no RTP is sent to it, whatever it would hear. RTCP is.
        receives: bool,
        /// Clock rate of its preferred codec, Hz, for jitter.
        clock_rate: u32,
    },
    /// RTP and RTCP that come from `from` are sent to `to`. Replaces what was routed from `from`; several legs are
    /// never routed to one.
    Route {
        /// Who is heard.
        from: LegId,
        /// Who hears.
        to: LegId,
    },
    /// What comes from `from` goes nowhere (it is still counted).
    Unroute {
        /// Who is no longer heard.
        from: LegId,
    },
    /// RTP that comes from the leg is sent back to it, RTCP is not. [`Effect::Unroute`] or [`Effect::Route`] ends it.
    Echo {
        /// Who hears itself.
        leg: LegId,
    },
    /// Plays a prompt to the leg, to which nothing is routed meanwhile, in place of what played before. When it ends
    /// by itself, [`crate::session::Session::play_finished`] is told.
    Play {
        /// Who hears it.
        leg: LegId,
        /// Tells this playing from others of the session.
        play: u32,
        /// Name of the prompt.
        prompt: String,
        /// In which law.
        law: Law,
        /// As which payload type.
        payload_type: u8,
        /// How often.
        repeat: u32,
    },
    /// Ends the prompt that plays to the leg.
    StopPlay {
        /// Who no longer hears it.
        leg: LegId,
    },
    /// A leg ends: its sockets are closed, then `rtp_port`'s pair goes back to the pool. What it counted is the
    /// `statistics` of the reply to `Drop` or `Release`.
    CloseLeg {
        /// The leg.
        leg: LegId,
        /// Its RTP port.
        rtp_port: u16,
    },
}
