//! How long the hot paths take, for reading: `cargo bench -p sip-core`. Nothing is asserted.
// A benchmark is about the clock.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_core::endpoint::Fingerprints;
use sip_core::{
    Endpoint, EndpointConfig, Flow, Header, Host, Limits, ListenerId, Message, Now, SentBy, SipCommand,
    SipEvent, SipOutput, StatusCode, Transport,
};

const INVITE: &str = include_str!("../tests/invite.sip");

/// The best of many short rounds, per unit: what it takes when nothing else runs.
fn report(name: &str, units: u32, mut round: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..200 {
        let start = Instant::now();
        for _ in 0..units {
            round();
        }
        best = best.min(start.elapsed());
    }
    println!("{name}: {} ns", (best / units).as_nanos());
}

fn endpoint() -> Endpoint {
    let sent_by =
        vec![SentBy { listener: ListenerId(0), host: Host::Ip(Ipv4Addr::LOCALHOST.into()), port: 5060 }];
    let (user_agent, limits) = (String::new(), Limits::default());
    Endpoint::new(EndpointConfig { incarnation: 1, seed: [1; 32], sent_by, user_agent, limits })
}

fn options(number: u64) -> Bytes {
    let text = format!(
        "OPTIONS sip:voip.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5062;rport;branch=z9hG4bK{number}\r\n\
         From: <sip:a@b>;tag=f{number}\r\nTo: <sip:voip.example>\r\nCall-ID: c{number}\r\nCSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\nUser-Agent: x\r\nContent-Length: 0\r\n\r\n"
    );
    text.into()
}

fn main() {
    let invite = Bytes::from(INVITE.replace('\n', "\r\n"));
    let fingerprints = Fingerprints::new(&[1; 32]);
    report("parse an INVITE", 500, || {
        black_box(Message::parse(black_box(invite.clone())).ok());
    });
    report("parse an INVITE and make its key", 500, || {
        let message = Message::parse(black_box(invite.clone()));
        black_box(message.ok().and_then(|message| fingerprints.server(&message, "INVITE")));
    });
    let message = Message::parse(invite.clone()).ok();
    if let Some(message) = &message {
        report("validate an INVITE", 500, || {
            black_box(message.validate().is_ok());
        });
        report("copy an INVITE with another Via", 500, || {
            black_box(
                message.edit().prepend(Header::Via, "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1").build(),
            );
        });
    }
    let mut endpoint = endpoint();
    let flow = Flow {
        listener: ListenerId(0),
        transport: Transport::Udp,
        remote: (Ipv4Addr::LOCALHOST, 5062).into(),
        connection: 0,
    };
    let mut number = 0;
    report("answer an OPTIONS transaction", 200, || {
        number += 1;
        // A thousand requests a second, so that old transactions end while new ones begin.
        let now =
            Now { instant: sip_core::Instant::from_start(Duration::from_millis(number)), ..Now::default() };
        endpoint.receive(now, flow, options(number));
        while let Some(output) = endpoint.poll(now) {
            if let SipOutput::Event(SipEvent::Request { key, message, .. }) = &output {
                let message = Message::response_to(message, StatusCode::OK).build();
                endpoint.command(now, SipCommand::Respond { key: *key, message });
            }
            black_box(output);
        }
    });
}
