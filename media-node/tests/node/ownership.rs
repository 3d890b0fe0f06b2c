//! Whose sessions are whose, when sip-nodes come and go.

use std::time::{Duration, Instant};

use voip_contract::CallId;
use voip_contract::media::{MediaNotice, MediaOperation, RefusalReason};

use super::harness::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_a_sip_node_that_is_gone_are_freed_after_a_while() {
    let node = Node::start(&Setup { orphan_seconds: 2, ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (to_caller, _) = sip_node.join(CallId(1), &caller, &callee).await;
    drop(sip_node);
    let gone = Instant::now();
    caller.send(&packet(1), to_caller).await;
    assert_eq!(callee.receive().await, packet(1), "the phones talk on");
    // Another one comes; what its predecessor left is none of its business.
    let mut successor = SipNode::start(&node, 2).await;
    successor.claim(&[]).await;
    let freed = successor.announcement(|node| node.sessions == 0 && node.ports_in_use == 0).await;
    assert!(gone.elapsed() >= Duration::from_secs(2), "freed after {:?}: {freed:?}", gone.elapsed());
    assert_eq!(node.metric("voip_media_orphans_freed_total").await, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_sip_node_finds_its_sessions_again_and_frees_the_others() {
    let node = Node::start(&Setup { orphan_seconds: 3, ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    let phones = [Phone::new().await, Phone::new().await];
    let (to_caller, _) = sip_node.join(CallId(1), &phones[0], &phones[1]).await;
    let other = Phone::new().await;
    sip_node.answer(CallId(2), &other).await;
    sip_node.reconnect().await;
    sip_node.claim(&[CallId(1), CallId(99)]).await;
    let MediaNotice::SessionLost { session, drained: false, .. } = sip_node.notice().await else {
        panic!("another notice")
    };
    assert_eq!(session, CallId(99), "claimed, but never known here");
    sip_node.announcement(|node| node.sessions == 1 && node.ports_in_use == 4).await;
    // Longer than an orphan would be kept.
    let claimed = Instant::now();
    while claimed.elapsed() < Duration::from_secs(5) {
        assert_eq!(sip_node.announcement(|_| true).await.sessions, 1);
    }
    phones[0].send(&packet(1), to_caller).await;
    assert_eq!(phones[1].receive().await, packet(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_may_take_sessions_over() {
    let node = Node::start(&Setup { orphan_seconds: 2, ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    let phone = Phone::new().await;
    sip_node.answer(CallId(1), &phone).await;
    drop(sip_node);
    let mut successor = SipNode::start(&node, 2).await;
    successor.claim(&[CallId(1)]).await;
    successor.ask(CallId(1), 0, MediaOperation::Echo { leg: CALLER }).await.unwrap();
    let taken = Instant::now();
    while taken.elapsed() < Duration::from_secs(4) {
        assert_eq!(successor.announcement(|_| true).await.sessions, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sip_node_that_restarts_is_dialled_again_without_help() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let first = sip_node.announcement(|_| true).await;
    drop(sip_node);
    node.wait_for("/readyz", "not ready", |ok, body| !ok && body.contains("no sip-node")).await;
    let mut sip_node = SipNode::start(&node, 2).await;
    assert_eq!(sip_node.announcement(|_| true).await.incarnation, first.incarnation);
    node.wait_for("/readyz", "ready", |ok, _| ok).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_sessions_leak_no_port() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    for n in 0..2_000_u128 {
        sip_node.join(CallId(n), &caller, &callee).await;
        if n % 3 == 0 {
            let drop = MediaOperation::Drop { leg: CALLEE };
            assert_eq!(sip_node.ask(CallId(n), 0, drop).await.unwrap().statistics.len(), 1);
        }
        sip_node.ask(CallId(n), 0, MediaOperation::Release).await.unwrap();
    }
    let idle = sip_node.announcement(|node| node.sessions == 0).await;
    assert_eq!((idle.ports_in_use, idle.capacity), (0, 8));
    node.wait_for_metric("voip_media_legs", 0).await;
    node.wait_for_metric("voip_media_ports{state=\"free\"}", 64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_node_refuses_and_takes_again_once_there_is_room() {
    let node = Node::start(&Setup { ports: 8, calls: 2, ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    sip_node.join(CallId(1), &caller, &callee).await;
    sip_node.join(CallId(2), &caller, &callee).await;
    let offer =
        || MediaOperation::Offer { from: caller.spec(CALLER), to: callee.spec(CALLEE), sdp: caller.sdp() };
    let refused = sip_node.ask(CallId(3), 1, offer()).await.unwrap_err();
    assert_eq!(refused.reason, RefusalReason::NoPorts);
    sip_node.ask(CallId(1), 0, MediaOperation::Release).await.unwrap();
    sip_node.ask(CallId(3), 1, offer()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_that_ends_while_the_sip_node_is_away_is_told_when_it_is_back() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let (phone, witness) = (Phone::new().await, Phone::new().await);
    for (session, phone, repeat) in [(CallId(1), &phone, 1), (CallId(2), &witness, 2)] {
        sip_node.answer(session, phone).await;
        let play = MediaOperation::Play { leg: CALLER, prompt: "welcome".to_owned(), repeat };
        sip_node.ask(session, 0, play).await.unwrap();
    }
    sip_node.disconnect();
    // The prompt has 100 packets; who began later and hears half a second more of it knows that it is over.
    for _ in 0..125 {
        witness.receive().await;
    }
    sip_node.reconnect().await;
    sip_node.claim(&[CallId(1)]).await;
    assert_eq!(sip_node.notice().await, MediaNotice::PlayFinished { session: CallId(1), leg: CALLER });
}
