//! Packets between two phones.

use std::net::Ipv4Addr;

use tokio::net::UdpSocket;
use voip_contract::CallId;
use voip_contract::media::{LegStatistics, MediaOperation};

use super::harness::*;

fn of_leg(statistics: &[LegStatistics], leg: u32) -> &LegStatistics {
    statistics.iter().find(|statistics| statistics.leg == leg).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rtp_passes_bit_for_bit_both_ways_and_is_counted() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (to_caller, to_callee) = sip_node.join(CallId(1), &caller, &callee).await;
    for n in 0..500 {
        caller.send(&packet(n), to_caller).await;
        assert_eq!(callee.receive().await, packet(n));
        callee.send(&packet(n + 1_000), to_callee).await;
        assert_eq!(caller.receive().await, packet(n + 1_000));
    }
    let outcome = sip_node.ask(CallId(1), 0, MediaOperation::Release).await.unwrap();
    for leg in 0..2 {
        let counted = of_leg(&outcome.statistics, leg);
        assert_eq!((counted.packets_received, counted.packets_sent), (500, 500), "{counted:?}");
        assert_eq!((counted.packets_lost, counted.packets_refused), (0, 0), "{counted:?}");
        assert_eq!(counted.bytes_received, 500 * 172);
    }
    node.wait_for_metric("voip_media_packets_total{kind=\"relayed\"}", 1_000).await;
    node.wait_for_metric("voip_media_relayed_bytes_total", 172_000).await;
    let again = sip_node.ask(CallId(1), 0, MediaOperation::Release).await.unwrap();
    assert!(again.statistics.is_empty(), "it has ended already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rtcp_is_passed_on_beside_rtp() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (mut to_caller, _) = sip_node.join(CallId(1), &caller, &callee).await;
    let mut report = Vec::new();
    media_core::rtcp::ReceiverReport { ssrc: 5, block: None, cname: "caller" }.write(&mut report);
    to_caller.set_port(to_caller.port() + 1);
    caller.rtcp.send_to(&report, to_caller).await.unwrap();
    assert_eq!(receive(&callee.rtcp).await, report);
    node.wait_for_metric("voip_media_rtcp_packets_total{kind=\"relayed\"}", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_behind_a_nat_is_heard_on_whatever_port_it_uses() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let (mut caller, callee) = (Phone::new().await, Phone::new().await);
    caller.signalled = "10.1.2.3:4000".parse().unwrap();
    let (to_caller, to_callee) = sip_node.join(CallId(1), &caller, &callee).await;
    caller.send(&packet(1), to_caller).await;
    assert_eq!(callee.receive().await, packet(1));
    callee.send(&packet(2), to_callee).await;
    assert_eq!(caller.receive().await, packet(2), "sent to where it was heard, not to 10.1.2.3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_silence_the_phone_may_go_on_from_another_port() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (to_caller, to_callee) = sip_node.join(CallId(1), &caller, &callee).await;
    caller.send(&packet(1), to_caller).await;
    assert_eq!(callee.receive().await, packet(1));
    let moved = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut buffer = [0; 300];
    // The first ones are not heard: the old port has not been silent for long enough.
    let bytes = soon("a packet from the new port", async {
        loop {
            moved.send_to(&packet(2), to_caller).await.unwrap();
            let heard = callee.rtp.recv(&mut buffer);
            if let Ok(bytes) = tokio::time::timeout(std::time::Duration::from_millis(50), heard).await {
                return bytes.unwrap();
            }
        }
    })
    .await;
    assert_eq!(buffer[..bytes], packet(2));
    callee.send(&packet(3), to_callee).await;
    assert_eq!(receive(&moved).await, packet(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_noise_are_refused_and_counted() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (to_caller, _) = sip_node.join(CallId(1), &caller, &callee).await;
    let stranger = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 9), 0)).await.unwrap();
    for _ in 0..5 {
        stranger.send_to(&packet(66), to_caller).await.unwrap();
    }
    node.wait_for_metric("voip_media_dropped_total{reason=\"foreign_source\"}", 5).await;
    for noise in [&b""[..], b"x", &[0xff; 4_000], &[0x80; 11], &[0x9f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        caller.send(noise, to_caller).await;
    }
    node.wait_for_metric("voip_media_dropped_total{reason=\"not_rtp\"}", 5).await;
    caller.send(&packet(1), to_caller).await;
    assert_eq!(callee.receive().await, packet(1), "the first thing that the callee hears");
    let outcome = sip_node.ask(CallId(1), 0, MediaOperation::Release).await.unwrap();
    assert_eq!(of_leg(&outcome.statistics, 0).packets_refused, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_whose_peer_has_gone_sends_on() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (to_caller, to_callee) = sip_node.join(CallId(1), &caller, &callee).await;
    callee.send(&packet(1), to_callee).await;
    assert_eq!(caller.receive().await, packet(1));
    let address = callee.rtp.local_addr().unwrap();
    drop(callee.rtp);
    for n in 0..20 {
        caller.send(&packet(n), to_caller).await;
    }
    node.wait_for_metric("voip_media_packets_total{kind=\"relayed\"}", 21).await;
    // The phone is back: what its closed port had refused is no reason to stop.
    let callee = UdpSocket::bind(address).await.unwrap();
    caller.send(&packet(77), to_caller).await;
    assert_eq!(receive(&callee).await, packet(77));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_way_audio_is_noticed_and_its_end_too() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (to_caller, to_callee) = sip_node.join(CallId(1), &caller, &callee).await;
    let mut n = 0;
    soon("one-way audio to be noticed", async {
        while node.metric("voip_media_one_way_legs").await != Some(1) {
            caller.send(&packet(n), to_caller).await;
            n += 1;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(n > 50, "noticed after {n} packets, while the callee may just be slow to begin");
    callee.send(&packet(1), to_callee).await;
    node.wait_for_metric("voip_media_one_way_legs", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_on_hold_is_sent_nothing_until_it_resumes() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (to_caller, to_callee) = sip_node.join(CallId(1), &caller, &callee).await;
    caller.send(&packet(1), to_caller).await;
    assert_eq!(callee.receive().await, packet(1));
    let text = |phone: &Phone, direction: &str, version: u32| {
        let sdp = String::from_utf8(phone.sdp()).unwrap();
        sdp.replace("a=sendrecv", direction).replace("o=- 1 1", &format!("o=- 1 {version}")).into_bytes()
    };
    for (generation, offered, answered) in [(2, "a=sendonly", "a=recvonly"), (3, "a=sendrecv", "a=sendrecv")]
    {
        let offer = MediaOperation::Offer {
            from: callee.spec(CALLEE),
            to: caller.spec(CALLER),
            sdp: text(&callee, offered, generation),
        };
        sip_node.ask(CallId(1), generation, offer).await.unwrap();
        let answer = MediaOperation::Answer {
            from: caller.spec(CALLER),
            to: callee.spec(CALLEE),
            sdp: text(&caller, answered, generation),
            provisional: false,
        };
        sip_node.ask(CallId(1), generation, answer).await.unwrap();
        if generation == 2 {
            caller.send(&packet(2), to_caller).await;
            node.wait_for_metric("voip_media_dropped_total{reason=\"no_peer\"}", 1).await;
            callee.send(&packet(3), to_callee).await;
            assert_eq!(caller.receive().await, packet(3), "music on hold passes");
        }
    }
    caller.send(&packet(4), to_caller).await;
    assert_eq!(callee.receive().await, packet(4), "the first since the hold");
}
