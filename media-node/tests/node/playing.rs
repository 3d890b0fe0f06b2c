//! What media-node itself is heard to say.

use std::time::{Duration, Instant};

use media_core::rtp::Packet;
use voip_contract::CallId;
use voip_contract::media::{MediaNotice, MediaOperation, RefusalReason};

use super::harness::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_test_sends_back_what_it_hears() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let phone = Phone::new().await;
    let ours = sip_node.answer(CallId(1), &phone).await;
    sip_node.ask(CallId(1), 0, MediaOperation::Echo { leg: CALLER }).await.unwrap();
    for n in 0..100 {
        phone.send(&packet(n), ours).await;
        assert_eq!(phone.receive().await, packet(n));
    }
    node.wait_for_metric("voip_media_packets_total{kind=\"echoed\"}", 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_is_paced_complete_and_its_end_is_told() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let phone = Phone::new().await;
    sip_node.answer(CallId(1), &phone).await;
    let play = MediaOperation::Play { leg: CALLER, prompt: "welcome".to_owned(), repeat: 1 };
    sip_node.ask(CallId(1), 0, play).await.unwrap();
    let mut packets = Vec::new();
    let mut began = None;
    for _ in 0..100 {
        packets.push(phone.receive().await);
        began.get_or_insert_with(Instant::now);
    }
    // 99 gaps of 20 ms. Nothing makes a prompt faster than its pace; how late it is depends on the machine.
    let took = began.unwrap().elapsed();
    assert!(took >= Duration::from_millis(1_980 - 100), "{took:?}");
    assert_eq!(sip_node.notice().await, MediaNotice::PlayFinished { session: CallId(1), leg: CALLER });
    let headers: Vec<_> = packets.iter().map(|packet| Packet::parse(packet).unwrap()).collect();
    assert!(headers[0].header.marker && headers[1..].iter().all(|packet| !packet.header.marker));
    for pair in headers.windows(2) {
        assert_eq!(pair[1].header.sequence, pair[0].header.sequence.wrapping_add(1));
        assert_eq!(pair[1].header.timestamp, pair[0].header.timestamp.wrapping_add(160));
        assert_eq!(pair[1].header.ssrc, pair[0].header.ssrc);
    }
    assert!(headers.iter().all(|packet| packet.payload.len() == 160 && packet.header.payload_type == 0));
    let different: std::collections::HashSet<_> = headers.iter().map(|packet| packet.payload).collect();
    assert!(different.len() > 50, "tones, not silence");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_from_the_directory_is_played_and_a_bad_one_is_refused() {
    let prompts = std::env::temp_dir().join(format!("media-node-test-prompts-{}", std::process::id()));
    std::fs::create_dir_all(&prompts).unwrap();
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(prompts.join("hello.wav"), spec).unwrap();
    (0..16_000 * 2 / 10).for_each(|n: i16| writer.write_sample(n % 1_000).unwrap());
    writer.finalize().unwrap();
    std::fs::write(prompts.join("broken.wav"), b"no audio").unwrap();
    let extra = vec!["--prompts".to_owned(), prompts.display().to_string()];
    let node = Node::start(&Setup { extra, ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    std::fs::remove_dir_all(&prompts).unwrap();
    let phone = Phone::new().await;
    sip_node.answer(CallId(1), &phone).await;
    let play = |prompt: &str| MediaOperation::Play { leg: CALLER, prompt: prompt.to_owned(), repeat: 2 };
    let refused = sip_node.ask(CallId(1), 0, play("broken")).await.unwrap_err();
    assert_eq!(refused.reason, RefusalReason::NoPrompt);
    sip_node.ask(CallId(1), 0, play("hello")).await.unwrap();
    for _ in 0..10 {
        phone.receive().await;
    }
    assert_eq!(sip_node.notice().await, MediaNotice::PlayFinished { session: CallId(1), leg: CALLER });
    assert_eq!(node.metric("voip_media_packets_total{kind=\"prompt\"}").await, Some(10), "100 ms, twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_sent_where_we_are_the_other_side() {
    let node = Node::start(&Setup::default());
    let mut sip_node = SipNode::start(&node, 1).await;
    let phone = Phone::new().await;
    let ours = sip_node.answer(CallId(1), &phone).await;
    let play = MediaOperation::Play { leg: CALLER, prompt: "welcome".to_owned(), repeat: 5 };
    sip_node.ask(CallId(1), 0, play).await.unwrap();
    phone.send(&packet(0), ours).await;
    let report = receive(&phone.rtcp).await;
    let parsed: Vec<_> = media_core::rtcp::parse(&report).collect::<Result<_, _>>().unwrap();
    let media_core::rtcp::RtcpPacket::Sender { info, blocks, .. } = parsed[0] else { panic!("{parsed:?}") };
    assert!(info.packets >= 100, "half an interval at least: {info:?}");
    assert_eq!(info.bytes, info.packets * 160);
    assert_eq!(blocks.iter().next().unwrap().ssrc, 0xcafe);
}
