//! How each listener names itself in Via: where peers without `rport` send their responses (RFC 3261 section 18.2.2).
//! The same address as in Contact: what the documents say, else what the program was started with.

use std::net::IpAddr;

use sip_core::{Host, ListenerId, SentBy};
use voip_contract::config::Listener;

/// For listeners that are started with `address`.
pub(crate) fn sent_by(address: IpAddr, listeners: &[Listener]) -> Vec<SentBy> {
    let name = |(index, listener): (u16, &Listener)| {
        let told = listener.advertised.map(|told| (told.ip(), told.port()));
        let (address, port) = told.unwrap_or((address, listener.port));
        SentBy { listener: ListenerId(index), host: Host::Ip(address), port }
    };
    (0_u16..).zip(listeners).map(name).collect()
}
