//! Records of calls whose sip-node is lost.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use voip_contract::CallId;
use voip_contract::media::{MediaNotice, MediaOperation};

use super::harness::*;

fn unix_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Asserts that nothing is told for a while.
async fn is_told_nothing(sip_node: &mut SipNode) {
    let silence = tokio::time::timeout(Duration::from_secs(3), sip_node.notice()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_record_goes_once_to_another_sip_node() {
    let node = Node::start(&Setup { orphan_seconds: 1, ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    let phones = [Phone::new().await, Phone::new().await];
    sip_node.answer_with(CallId(1), &phones[0], b"begun").await;
    let echo = MediaOperation::Echo { leg: CALLER };
    sip_node.ask_with(CallId(1), 0, echo, Some(b"answered")).await.unwrap();
    sip_node.answer(CallId(2), &phones[1]).await;
    let before = unix_ms();
    drop(sip_node);
    node.wait_for_metric("voip_media_orphans_freed_total", 2).await;
    let after = unix_ms();
    let mut successor = SipNode::start(&node, 2).await;
    let MediaNotice::Orphaned { session, record, lost_at_ms } = successor.notice().await else {
        panic!("another notice")
    };
    assert_eq!((session, record.as_slice()), (CallId(1), &b"answered"[..]));
    assert!((before..after).contains(&lost_at_ms), "{before} {lost_at_ms} {after}");
    // Not the call that left no record; and not again, once the stream has proved to be alive.
    let handed_over = Instant::now();
    while handed_over.elapsed() < Duration::from_secs(7) {
        successor.announcement(|_| true).await;
    }
    successor.reconnect().await;
    is_told_nothing(&mut successor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_whose_stream_broke_at_once_is_told_again() {
    let node = Node::start(&Setup { orphan_seconds: 0, ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    let phone = Phone::new().await;
    sip_node.answer_with(CallId(1), &phone, b"begun").await;
    drop(sip_node);
    for incarnation in [2, 3] {
        let mut successor = SipNode::start(&node, incarnation).await;
        let notice = successor.notice().await;
        assert!(matches!(notice, MediaNotice::Orphaned { session: CallId(1), .. }), "{notice:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_comes_back_writes_its_records_itself() {
    let node = Node::start(&Setup { orphan_seconds: 0, ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    let phone = Phone::new().await;
    sip_node.answer_with(CallId(1), &phone, b"begun").await;
    drop(sip_node);
    node.wait_for_metric("voip_media_orphans_freed_total", 1).await;
    let mut same = SipNode::start(&node, 1).await;
    same.claim(&[CallId(1)]).await;
    let notice = same.notice().await;
    assert!(matches!(notice, MediaNotice::SessionLost { session: CallId(1), .. }), "{notice:?}");
    drop(same);
    let mut successor = SipNode::start(&node, 2).await;
    is_told_nothing(&mut successor).await;
}
