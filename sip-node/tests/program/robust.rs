//! Bytes that are no SIP, or lie.

use crate::node::{Node, Place};
use crate::phone::{Phone, SDP};

fn still_serves(place: &Place, node: &mut Node<'_>) {
    assert_eq!(Phone::new(place, "1001").register().status().unwrap().code(), 200);
    assert!(node.child.try_wait().unwrap().is_none());
}

#[test]
fn noise_is_dropped_and_counted() {
    let place = Place::new();
    let mut node = place.start();
    let phone = Phone::new(&place, "1001");
    // A fixed sequence: a failure can be had again.
    let mut state = 0x9e37_79b9_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(4_096)
    .collect();
    phone.send(&noise);
    phone.send(&vec![b'A'; 65_507]);
    phone.send(b"INVITE sip:1002@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0");
    phone.send(b"");
    phone.send(b"\r\n\r\n");
    still_serves(&place, &mut node);
    node.wait_for_metric("voip_sip_malformed_total", 3);
    assert!(node.metric("voip_sip_datagrams_received_total") >= 5);
}

#[test]
fn a_lying_content_length_is_refused_and_an_excess_is_cut_off() {
    let place = Place::new();
    let mut node = place.start();
    let phone = Phone::new(&place, "1001");
    let opening = phone.opening("OPTIONS", "1002", "lying", 1);
    phone.send(format!("{opening}Content-Length: 4000\r\n\r\nshort").as_bytes());
    let response = phone.receive();
    assert_eq!(response.status().unwrap().code(), 400);
    node.wait_for_metric("voip_sip_malformed_total", 1);

    let opening = phone.opening("REGISTER", "1001", "excess", 1);
    phone.send(format!("{opening}Content-Length: 0\r\n\r\n{SDP}").as_bytes());
    assert_eq!(phone.receive().status().unwrap().code(), 401);
    still_serves(&place, &mut node);
}
