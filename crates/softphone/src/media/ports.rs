//! A pair of free ports: RTP even, RTCP the next (RFC 3550 section 11).

use std::io;
use std::net::{IpAddr, UdpSocket};

/// Pairs tried before giving up; half of all free ports are odd.
const ATTEMPTS: usize = 64;

/// Two bound sockets.
#[derive(Debug)]
pub(crate) struct PortPair {
    /// Even port.
    pub(crate) rtp: UdpSocket,
    /// The port after.
    pub(crate) rtcp: UdpSocket,
}

/// Binds a pair on `ip`.
pub(crate) fn bind_pair(ip: IpAddr) -> io::Result<PortPair> {
    // Unfit sockets stay open until the end, so that the kernel does not offer the same port again.
    let mut unfit = Vec::new();
    for _ in 0..ATTEMPTS {
        let rtp = UdpSocket::bind((ip, 0))?;
        let port = rtp.local_addr()?.port();
        if port.is_multiple_of(2)
            && let Some(next) = port.checked_add(1)
            && let Ok(rtcp) = UdpSocket::bind((ip, next))
        {
            rtp.set_nonblocking(true)?;
            rtcp.set_nonblocking(true)?;
            return Ok(PortPair { rtp, rtcp });
        }
        unfit.push(rtp);
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no even port with a free odd port after it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_even_and_adjacent_and_do_not_overlap() {
        let pairs: Vec<_> = (0..50).map(|_| bind_pair("127.0.0.1".parse().unwrap()).unwrap()).collect();
        for pair in &pairs {
            let rtp = pair.rtp.local_addr().unwrap().port();
            assert_eq!((rtp % 2, pair.rtcp.local_addr().unwrap().port()), (0, rtp + 1));
        }
    }
}
