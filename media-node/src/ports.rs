//! Ports that are really free: both sockets of a pair are bound before the pair is given away.
//!
//! A port that somebody else has is noted as foreign and skipped. It must not know sessions.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use media_core::port_pool::{PortPair, PortPool};
use media_core::session::Ports;

use crate::args::PortRange;

/// Both sockets of a leg.
pub(crate) type Sockets = (UdpSocket, UdpSocket);

/// The pool and the sockets that were bound but not yet handed to a leg.
#[derive(Debug)]
pub(crate) struct BoundPorts {
    bind: IpAddr,
    pool: PortPool,
    bound: HashMap<PortPair, Sockets>,
    /// Which of our ports others have; a pair is not used for one of its two.
    foreign: BTreeSet<u16>,
    /// Where the next look at foreign ports begins.
    next_look: usize,
}

/// Foreign pairs that are tried in one go.
const LOOK: usize = 256;

/// Why a pair could not be bound.
enum BindError {
    /// Somebody else has this port.
    Foreign(u16),
    /// Something that another port would not mend: no such address, too many open files.
    System(io::Error),
}

impl BoundPorts {
    /// Tries every port of `range` once. Fails when `bind` is no address of this machine.
    pub(crate) fn probe(bind: IpAddr, range: PortRange) -> io::Result<Self> {
        let mut pool = PortPool::new(range.first, range.last);
        let mut taken = BTreeSet::new();
        for port in range.first..=range.last {
            match UdpSocket::bind(SocketAddr::new(bind, port)) {
                Ok(_) => {}
                Err(error) if is_taken(&error) => {
                    pool.mark_foreign(port);
                    taken.insert(port);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(first) = taken.first() {
            let (ports, last) = (taken.len(), taken.last());
            tracing::warn!(ports, first, last, "RTP ports are taken by other programs and will not be used");
        }
        Ok(Self { bind, pool, bound: HashMap::new(), foreign: taken, next_look: 0 })
    }

    /// Takes back foreign pairs whose ports have become free. Tries some of them; the others next time.
    pub(crate) fn reclaim(&mut self) {
        let foreign = self.pool.foreign_pairs().count();
        if foreign == 0 {
            return;
        }
        let begin = self.next_look % foreign;
        let tried: Vec<_> = self.pool.foreign_pairs().skip(begin).take(LOOK).collect();
        self.next_look = if begin + tried.len() < foreign { begin + tried.len() } else { 0 };
        for pair in tried {
            if self.bind(pair).is_ok() && self.pool.reclaim(pair) {
                self.foreign.retain(|port| *port != pair.rtp() && *port != pair.rtcp());
                tracing::info!(port = pair.rtp(), "a pair of RTP ports is free again");
            }
        }
    }

    /// The sockets of a pair that [`Ports::take`] gave.
    pub(crate) fn sockets(&mut self, pair: PortPair) -> Option<Sockets> {
        self.bound.remove(&pair)
    }

    /// The sockets of `pair` are closed.
    pub(crate) fn release(&mut self, pair: PortPair) {
        self.pool.release(pair);
    }

    /// Pairs that may be used, in use or not.
    pub(crate) fn capacity(&self) -> usize {
        self.pool.capacity()
    }

    /// Pairs in use.
    pub(crate) fn in_use(&self) -> usize {
        self.pool.in_use()
    }

    /// Pairs that others keep from us.
    pub(crate) fn foreign(&self) -> usize {
        self.pool.foreign()
    }

    /// Ports that others have, in order.
    pub(crate) fn foreign_ports(&self) -> impl Iterator<Item = u16> {
        self.foreign.iter().copied()
    }

    fn bind(&self, pair: PortPair) -> Result<Sockets, BindError> {
        let bind = |port| {
            let socket = UdpSocket::bind(SocketAddr::new(self.bind, port)).map_err(|error| match error {
                error if is_taken(&error) => BindError::Foreign(port),
                error => BindError::System(error),
            })?;
            socket.set_nonblocking(true).map_err(BindError::System)?;
            Ok(socket)
        };
        Ok((bind(pair.rtp())?, bind(pair.rtcp())?))
    }
}

impl Ports for BoundPorts {
    fn take(&mut self, _address: IpAddr) -> Option<PortPair> {
        while let Some(pair) = self.pool.take() {
            match self.bind(pair) {
                Ok(sockets) => {
                    self.bound.insert(pair, sockets);
                    return Some(pair);
                }
                Err(BindError::Foreign(port)) => {
                    tracing::warn!(port, "an RTP port was taken by another program meanwhile");
                    self.foreign.insert(port);
                    self.pool.mark_foreign(port);
                    self.pool.release(pair);
                }
                Err(BindError::System(error)) => {
                    tracing::error!(port = pair.rtp(), %error, "an RTP port cannot be bound");
                    self.pool.release(pair);
                    return None;
                }
            }
        }
        None
    }

    fn give_back(&mut self, pair: PortPair) {
        self.bound.remove(&pair);
        self.pool.release(pair);
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Eight ports in a row, the first even, that were free a moment ago.
    fn range() -> PortRange {
        (0..1_000)
            .find_map(|_| {
                let found = UdpSocket::bind((LOCALHOST, 0)).ok()?.local_addr().ok()?.port() & !1;
                let last = found.checked_add(7)?;
                let free = (found..=last).all(|port| UdpSocket::bind((LOCALHOST, port)).is_ok());
                free.then_some(PortRange { first: found, last })
            })
            .unwrap()
    }

    #[test]
    fn a_port_taken_before_the_start_is_skipped() {
        let range = range();
        let _foreign = UdpSocket::bind((LOCALHOST, range.first + 3)).unwrap();
        let mut ports = BoundPorts::probe(LOCALHOST, range).unwrap();
        assert_eq!((ports.capacity(), ports.foreign()), (3, 1));
        assert_eq!(ports.foreign_ports().collect::<Vec<_>>(), [range.first + 3]);
        let taken: Vec<_> = std::iter::from_fn(|| ports.take(LOCALHOST)).map(PortPair::rtp).collect();
        assert_eq!(taken, [range.first, range.first + 4, range.first + 6]);
    }

    #[test]
    fn a_port_taken_later_is_skipped_too_and_the_next_given() {
        let range = range();
        let mut ports = BoundPorts::probe(LOCALHOST, range).unwrap();
        let _foreign = UdpSocket::bind((LOCALHOST, range.first + 1)).unwrap();
        assert_eq!(ports.take(LOCALHOST).map(PortPair::rtp), Some(range.first + 2));
        assert_eq!((ports.capacity(), ports.in_use()), (3, 1));
    }

    #[test]
    fn a_port_that_its_taker_gives_up_is_ours_again() {
        let range = range();
        let foreign = [0, 5].map(|offset| UdpSocket::bind((LOCALHOST, range.first + offset)).unwrap());
        let mut ports = BoundPorts::probe(LOCALHOST, range).unwrap();
        ports.reclaim();
        assert_eq!((ports.capacity(), ports.foreign()), (2, 2), "they are still taken");
        drop(foreign);
        ports.reclaim();
        assert_eq!((ports.capacity(), ports.foreign()), (4, 0));
        assert_eq!(ports.foreign_ports().next(), None);
        let taken: Vec<_> = std::iter::from_fn(|| ports.take(LOCALHOST)).map(PortPair::rtp).collect();
        assert_eq!(taken, [2, 6, 0, 4].map(|offset| range.first + offset));
    }

    #[test]
    fn what_is_given_back_is_closed() {
        let range = range();
        let mut ports = BoundPorts::probe(LOCALHOST, range).unwrap();
        let pair = ports.take(LOCALHOST).unwrap();
        assert!(UdpSocket::bind((LOCALHOST, pair.rtp())).is_err());
        ports.give_back(pair);
        assert!(UdpSocket::bind((LOCALHOST, pair.rtp())).is_ok());
        assert_eq!(ports.in_use(), 0);
    }

    #[test]
    fn an_address_of_another_machine_is_an_error() {
        assert!(BoundPorts::probe("192.0.2.1".parse().unwrap(), range()).is_err());
    }
}
