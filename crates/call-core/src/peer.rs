//! Where the requests to a peer are sent: NAT, contacts that are somewhere else, and route sets (RFC 3261 section
//! 12.2.1.1, RFC 3327, RFC 3581). Names are not resolved here: for them the way a message came is the way back.

use std::net::SocketAddr;

use sip_core::{Dialog, Flow, Message, NameAddr, Uri};

use crate::state::Binding;

/// Port of a URI without one, over UDP and TCP.
const DEFAULT_PORT: u16 = 5060;

/// Where requests for `contact` go, given by a request that came over `flow`.
///
/// - The contact is where the request came from, NAT apart: that address with the contact's own port.
/// - The sender names itself in Via as it does in Contact, yet comes from elsewhere: it is behind NAT, and only the
///   way it came leads back.
/// - The contact is another address: a third party that can be reached there.
pub(crate) fn flow_to_contact(request: &Message, contact: &Uri, flow: Flow) -> Flow {
    let Some(address) = contact.host.ip() else { return flow };
    let behind_nat = address != flow.remote.ip()
        && request
            .via()
            .is_ok_and(|via| via.host.matches(&contact.host) || via.host.ip() != Some(flow.remote.ip()));
    if behind_nat { flow } else { to_address(flow, contact).unwrap_or(flow) }
}

/// Where requests of `dialog` go after a response that came over `source` and may have named another target. A target
/// that is not where the response came from is behind a NAT or a proxy: there `flow` has worked, and goes on.
pub(crate) fn flow_to_target(dialog: &Dialog, source: Flow, flow: Flow) -> Flow {
    let here = dialog.remote_target.host.ip() == Some(source.remote.ip());
    let direct = if here { to_address(flow, &dialog.remote_target).unwrap_or(flow) } else { flow };
    next_hop(&dialog.route_set, direct)
}

/// Where requests with that route set go: to its first hop, else over `flow`.
pub(crate) fn next_hop(routes: &[NameAddr], flow: Flow) -> Flow {
    routes.first().and_then(|first| to_address(flow, &first.uri)).unwrap_or(flow)
}

/// Where requests outside a dialog go for a binding: to the first hop of its path, else over its flow.
pub(crate) fn flow_to_binding(binding: &Binding) -> Flow {
    let path: Vec<NameAddr> = binding.path.iter().filter_map(|hop| hop.parse().ok()).collect();
    next_hop(&path, binding.flow)
}

/// The contact of a binding as a Request-URI.
pub(crate) fn target(binding: &Binding) -> Option<Uri> {
    let mut uri = Uri::parse(&binding.contact).ok()?;
    // `method` and headers have no place in a Request-URI (RFC 3261 section 19.1.1).
    uri.params.remove("method");
    uri.headers = None;
    Some(uri)
}

/// `flow`, to the address of `uri`. Only datagrams can be sent anywhere: a connection is its own way.
fn to_address(flow: Flow, uri: &Uri) -> Option<Flow> {
    let address = uri.host.ip()?;
    if flow.transport.is_reliable() || address.is_ipv4() != flow.remote.is_ipv4() {
        return None;
    }
    Some(Flow { remote: SocketAddr::new(address, uri.port.unwrap_or(DEFAULT_PORT)), ..flow })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_core::{Header, ListenerId, Method, Transport};

    fn flow(remote: &str) -> Flow {
        Flow {
            listener: ListenerId(0),
            transport: Transport::Udp,
            remote: remote.parse().unwrap(),
            connection: 0,
        }
    }

    fn from(via: &str) -> Message {
        Message::request(Method::Register, &"sip:x")
            .header(Header::Via, format!("SIP/2.0/UDP {via};branch=z"))
            .build()
    }

    #[test]
    fn the_contact_decides_unless_nat_is_between() {
        let cases = [
            // (sent-by, contact, source) -> where to
            ("192.0.2.1:5060", "sip:a@192.0.2.1:5070", "192.0.2.1:5060", "192.0.2.1:5070"),
            ("192.0.2.1", "sip:a@192.0.2.1", "192.0.2.1:5060", "192.0.2.1:5060"),
            ("10.0.0.5:5060", "sip:a@10.0.0.5:5060", "203.0.113.9:40000", "203.0.113.9:40000"),
            ("192.0.2.1:5060", "sip:a@192.0.2.7:5060", "192.0.2.1:5060", "192.0.2.7:5060"),
            ("phone.example", "sip:a@phone.example", "192.0.2.1:5060", "192.0.2.1:5060"),
            ("192.0.2.1", "sip:a@[2001:db8::1]", "192.0.2.1:5060", "192.0.2.1:5060"),
        ];
        for (via, contact, source, expected) in cases {
            let found = flow_to_contact(&from(via), &Uri::parse(contact).unwrap(), flow(source));
            assert_eq!(found, flow(expected), "{via} {contact} {source}");
        }
    }

    #[test]
    fn a_response_may_move_the_target_but_not_behind_a_nat() {
        let dialog = |contact: &str, route: &str| {
            let request = Message::request(Method::Invite, &"sip:x")
                .header(Header::From, "<sip:a@x>;tag=a")
                .header(Header::To, "<sip:b@x>")
                .header(Header::CallId, "c")
                .header(Header::CSeq, "1 INVITE")
                .build();
            let response = Message::response_to(&request, sip_core::StatusCode::OK).to_tag("b");
            let response =
                response.header(Header::Contact, contact).header(Header::RecordRoute, route).build();
            Dialog::from_response(&request, &response).unwrap()
        };
        let (flow, source) = (flow("192.0.2.1:5060"), flow("192.0.2.1:40000"));
        let to = |dialog: Dialog| flow_to_target(&dialog, source, flow).remote.to_string();
        let direct = |contact| Dialog { route_set: Vec::new(), ..dialog(contact, "<sip:192.0.2.9;lr>") };
        assert_eq!(to(direct("<sip:b@192.0.2.1:5062>")), "192.0.2.1:5062");
        assert_eq!(to(direct("<sip:b@10.0.0.5:5062>")), "192.0.2.1:5060");
        assert_eq!(to(direct("<sip:b@phone.example>")), "192.0.2.1:5060");
        assert_eq!(to(dialog("<sip:b@192.0.2.1:5062>", "<sip:192.0.2.9;lr>")), "192.0.2.9:5060");
    }

    #[test]
    fn a_route_set_comes_first() {
        let routes = [NameAddr::new(Uri::parse("sip:192.0.2.9;lr").unwrap())];
        assert_eq!(next_hop(&routes, flow("192.0.2.1:9")), flow("192.0.2.9:5060"));
        assert_eq!(next_hop(&[], flow("192.0.2.1:9")), flow("192.0.2.1:9"));
    }
}
