//! Start, documents, ports of others, the end.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use voip_contract::CallId;
use voip_contract::media::{MediaOperation, RefusalReason};

use super::harness::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_of_other_programs_are_skipped_and_told() {
    let foreign = vec![FIRST_PORT + 1, FIRST_PORT + 6];
    let node = Node::start(&Setup { ports: 12, calls: 2, foreign, ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    node.wait_for("/readyz", "ready", |ok, _| ok).await;
    assert_eq!(node.metric("voip_media_ports{state=\"foreign\"}").await, Some(4));
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (to_caller, to_callee) = sip_node.join(CallId(1), &caller, &callee).await;
    let mut used = [to_caller.port(), to_callee.port()];
    used.sort_unstable();
    assert_eq!(used, [FIRST_PORT + 2, FIRST_PORT + 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_taken_after_the_start_costs_capacity_until_it_is_given_up() {
    let node = Node::start(&Setup { ports: 12, calls: 3, ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    assert_eq!(sip_node.announcement(|_| true).await.capacity, 3);
    let foreign = std::net::UdpSocket::bind((node.address, FIRST_PORT + 1)).unwrap();
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (to_caller, _) = sip_node.join(CallId(1), &caller, &callee).await;
    caller.send(&packet(1), to_caller).await;
    assert_eq!(callee.receive().await, packet(1));
    sip_node.announcement(|node| node.capacity == 2).await;
    node.wait_for("/readyz", "not ready", |ok, body| !ok && body.contains("2 of 3 calls fit")).await;
    drop(foreign);
    sip_node.announcement(|node| node.capacity == 3).await;
    node.wait_for("/readyz", "ready again", |ok, _| ok).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_document_leaves_the_last_good_one() {
    let node = Node::start(&Setup { orphan_seconds: 600, ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    let phone = Phone::new().await;
    sip_node.answer(CallId(1), &phone).await;
    std::fs::write(node.directory.join("media.json"), "{\"version\": 1, \"speed\": 2}").unwrap();
    node.wait_for_metric("voip_media_document_rejected", 1).await;
    sip_node.ask(CallId(1), 0, MediaOperation::Echo { leg: CALLER }).await.unwrap();
    node.write_document(0);
    node.wait_for_metric("voip_media_document_rejected", 0).await;
    drop(sip_node);
    node.wait_for_metric("voip_media_sessions", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_end_it_drains_and_ends_with_the_last_call() {
    let mut node = Node::start(&Setup { extra: vec!["--drain".into(), "60".into()], ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (to_caller, _) = sip_node.join(CallId(1), &caller, &callee).await;
    node.signal(Signal::TERM);
    sip_node.announcement(|node| node.draining).await;
    let offer =
        MediaOperation::Offer { from: caller.spec(CALLER), to: callee.spec(CALLEE), sdp: caller.sdp() };
    let refused = sip_node.ask(CallId(2), 1, offer).await.unwrap_err();
    assert_eq!(refused.reason, RefusalReason::Unavailable);
    caller.send(&packet(1), to_caller).await;
    assert_eq!(callee.receive().await, packet(1), "the call goes on");
    assert!(node.has_ended().is_none());
    sip_node.ask(CallId(1), 0, MediaOperation::Release).await.unwrap();
    let (status, _) = node.exit().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_drain_it_ends_at_once_even_with_calls() {
    for by_signal in [true, false] {
        let mut node = Node::start(&Setup::default());
        let mut sip_node = SipNode::start(&node, 1).await;
        let phone = Phone::new().await;
        sip_node.answer(CallId(1), &phone).await;
        if by_signal {
            node.signal(Signal::INT);
        } else {
            node.close_input();
        }
        let (status, took) = node.exit().await;
        assert_eq!(status.code(), Some(0));
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

/// Runs the program with what must fail; gives the exit code and what it wrote.
fn fails(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_media-node")).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn bad_arguments_documents_and_ports_end_it_with_2_and_say_which() {
    let directory = std::env::temp_dir().join(format!("media-node-test-bad-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let config = directory.display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let http = taken.local_addr().unwrap().to_string();
    let base = |config: &'static str| {
        let fixed = ["--name", "a", "--bind", "127.0.0.1", "--ports", "20000-20063", "--calls", "1"];
        [&fixed[..], &["--sip-node", "127.0.0.1:9", "--config", config]].concat()
    };
    let config: &'static str = config.leak();

    let (code, said) = fails(&[&base(config)[..], &["--http", "127.0.0.1:0", "--ports", "1-2"]].concat());
    assert!(code == Some(2) && said.contains("--ports"), "{code:?} {said}");
    let (code, said) = fails(&[&base(config)[..], &["--http", "127.0.0.1:0"]].concat());
    assert!(code == Some(2) && said.contains("media.json"), "{code:?} {said}");
    std::fs::write(directory.join("media.json"), "{\n\"version\": 1,\n\"colour\": 1}").unwrap();
    let (code, said) = fails(&[&base(config)[..], &["--http", "127.0.0.1:0"]].concat());
    assert!(code == Some(2) && said.contains("line 3") && said.contains("colour"), "{code:?} {said}");
    let good = r#"{"version":1,"fingerprint":"0","cluster":"a/b","localCidrs":[],"orphanSeconds":60}"#;
    std::fs::write(directory.join("media.json"), good).unwrap();
    let (code, said) = fails(&[&base(config)[..], &["--http", &http]].concat());
    assert!(code == Some(2) && said.contains(&http), "{code:?} {said}");
    std::fs::remove_dir_all(&directory).unwrap();
}
