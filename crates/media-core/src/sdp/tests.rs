use proptest::prelude::*;

use super::samples::*;
use super::*;

fn parse(text: &str) -> Description {
    Description::parse(text.as_bytes()).unwrap()
}

fn problem(text: &str) -> (usize, Problem) {
    let error = Description::parse(text.as_bytes()).unwrap_err();
    (error.line, error.problem)
}

const SAMPLES: [&str; 5] = [SOFTPHONE_OFFER, NATTED_OFFER, PBX_ANSWER, BROWSER_OFFER, IPV6_OFFER];

#[test]
fn every_line_is_kept_in_its_place() {
    for sample in SAMPLES {
        let expected = sample.replace("\r\n", "\n").replace('\n', "\r\n");
        assert_eq!(parse(sample).to_string(), expected);
    }
}

#[test]
fn what_no_rule_allows_but_phones_send_is_read() {
    let minimal = "v=0\no=- 1 1 IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n";
    assert_eq!(parse(minimal).media.len(), 1);
    let odd =
        "v=0\r\nt=0 0\r\no=- 1 1 IN IP4 phone.example\r\nc=IN IP4 192.0.2.1/127\r\nz=\r\ns= \r\n\r\n\r\n";
    assert_eq!(parse(odd).session.len(), 6);
}

#[test]
fn bytes_that_are_no_utf_8_survive() {
    let body = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=Caf\xe9\r\n";
    assert_eq!(Description::parse(body).unwrap().to_bytes(), body);
}

#[test]
fn errors_name_line_and_reason() {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n";
    let cases = [
        ("", 1, Problem::Version),
        ("hello", 1, Problem::Version),
        ("v=1\r\n", 1, Problem::Version),
        ("o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n", 1, Problem::Version),
        ("v=0\r\n", 2, Problem::OriginCount),
        ("v=0\r\no=- 1 IN IP4 192.0.2.1\r\n", 2, Problem::Origin),
        ("v=0\r\no=- 1 1 ATM IP4 192.0.2.1\r\n", 2, Problem::Origin),
        (&format!("{head}o=- 1 1 IN IP4 192.0.2.1\r\n"), 4, Problem::OriginCount),
        (&format!("{head}v=0\r\n"), 3, Problem::Version),
        (&format!("{head}c=IN IP4 192.0.2.300\r\n"), 3, Problem::Connection),
        (&format!("{head}c=IN IP6 192.0.2.1\r\n"), 3, Problem::Connection),
        (&format!("{head}c=IN IP4\r\n"), 3, Problem::Connection),
        (&format!("{head}m=audio 70000 RTP/AVP 0\r\n"), 3, Problem::Media),
        (&format!("{head}m=audio 4000 RTP/AVP\r\n"), 3, Problem::Media),
        (&format!("{head}m=audio\r\n"), 3, Problem::Media),
        (&format!("{head}a=x\0y\r\n"), 3, Problem::ForbiddenByte),
        (&format!("{head}a=x\ry\r\n"), 3, Problem::ForbiddenByte),
        (&format!("{head}\r\na=x\r\n"), 3, Problem::NoType),
        (&format!("{head}A=x\r\n"), 3, Problem::NoType),
        (&format!("{head}{}", "a=x\r\n".repeat(MAX_LINES)), MAX_LINES + 1, Problem::TooManyLines),
        (
            &format!("{head}{}", "m=audio 0 RTP/AVP 0\r\n".repeat(MAX_MEDIA + 1)),
            MAX_MEDIA + 3,
            Problem::TooManyMedia,
        ),
        (&format!("{head}a={}", "x".repeat(MAX_SDP_BYTES)), 1, Problem::TooLarge),
    ];
    for (text, line, expected) in cases {
        assert_eq!(problem(text), (line, expected), "{}", text.get(..60).unwrap_or(text).escape_debug());
    }
    let error = Description::parse(b"v=0\r\nnonsense").unwrap_err();
    assert_eq!(error.to_string(), "SDP line 2: it does not begin with a lower-case letter and '='");
}

#[test]
fn the_connection_of_the_media_goes_before_that_of_the_session() {
    let both = parse(
        "v=0\no=- 1 1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.2\nm=audio 4002 RTP/AVP 0\n",
    );
    let host = |n: usize| both.connection(&both.media[n]).unwrap().host;
    assert_eq!(host(0), Host::Address("192.0.2.2".parse().unwrap()));
    assert_eq!(host(1), Host::Address("192.0.2.1".parse().unwrap()));
    let named = parse("v=0\no=- 1 1 IN IP4 a\nc=IN IP4 media.example\nm=audio 4000 RTP/AVP 0\n");
    assert_eq!(named.connection(&named.media[0]).unwrap().host, Host::Name("media.example".to_owned()));
    let six = parse(IPV6_OFFER);
    assert_eq!(six.connection(&six.media[0]).unwrap().host, Host::Address("2001:db8::5".parse().unwrap()));
}

#[test]
fn codecs_come_from_rtpmap_or_from_rfc_3551() {
    let names = |text: &str| {
        let body = parse(text);
        body.media[0].codecs().iter().map(|c| format!("{} {c}", c.payload_type)).collect::<Vec<_>>()
    };
    assert_eq!(
        names(SOFTPHONE_OFFER),
        ["96 opus/48000/2", "0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000"]
    );
    assert_eq!(names(IPV6_OFFER), ["9 G722/8000", "0 PCMU/8000"]);
    let odd = "v=0\no=- 1 1 IN IP4 a\nm=audio 1 RTP/AVP 0 97 98 99 300 x\na=rtpmap:0 PCMU/16000\na=rtpmap:97 broken\na=rtpmap:98 L16/0\n";
    assert_eq!(names(odd), ["0 PCMU/16000"]);
}

#[test]
fn a_payload_type_counts_once_however_often_it_is_named() {
    let text = format!(
        "v=0\no=- 1 1 IN IP4 a\nm=audio 1 RTP/AVP{}\na=rtpmap:97 A/1\na=rtpmap:97 B/1\n",
        " 97 0 255".repeat(1_000)
    );
    let codecs = parse(&text).media[0].codecs();
    assert_eq!(codecs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["A/1", "PCMU/8000"]);
}

#[test]
fn attributes_have_types() {
    let natted = parse(NATTED_OFFER);
    let audio = &natted.media[0];
    let rtcp = RtcpAttribute { port: 8010, address: Some("10.1.2.3".parse().unwrap()) };
    assert_eq!((audio.rtcp(), audio.fmtp(101), audio.fmtp(0)), (Some(rtcp), Some("0-16"), None));
    assert_eq!(natted.direction(audio), Direction::SendRecv);
    assert_eq!(parse(IPV6_OFFER).media[0].ptime_ms(), Some(30));
    assert!(parse(BROWSER_OFFER).media[0].rtcp_mux() && !audio.rtcp_mux());
    let held =
        parse("v=0\no=- 1 1 IN IP4 a\na=inactive\nm=audio 1 RTP/AVP 0\nm=audio 1 RTP/AVP 0\na=recvonly\n");
    assert_eq!([0, 1].map(|n| held.direction(&held.media[n])), [Direction::Inactive, Direction::RecvOnly]);
    let origin = natted.origin().unwrap();
    assert_eq!(
        (origin.username, origin.session_id, origin.version, origin.address),
        ("Z", "0", "55120033", "IN IP4 10.1.2.3")
    );
}

#[test]
fn a_line_of_another_makes_no_second_line() {
    assert!(Line::new(b'a', "x\r\nm=audio").is_none() && Line::new(b'=', "x").is_none());
    assert_eq!(Line::new(b'a', "x").unwrap().attribute(), Some(("x", None)));
}

/// Reads everything that can be read of a body.
fn read_all(body: &Description) {
    body.origin();
    for media in &body.media {
        body.connection(media);
        body.direction(media);
        media.codecs();
        media.rtcp();
        media.ptime_ms();
        media.fmtp(96);
        assert!(
            media.lines.iter().all(|line| line.of_payload_type().is_none() || line.attribute().is_some())
        );
    }
}

/// A sample with some of its bytes replaced, removed or doubled.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 0..12);
    (prop::sample::select(SAMPLES.to_vec()), edits).prop_map(|(sample, edits)| {
        let mut bytes = sample.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes.truncate(at.max(1)),
                _ => drop(bytes.remove(at).min(byte)),
            }
            if bytes.is_empty() {
                bytes.push(byte);
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(body) = Description::parse(&bytes) {
            read_all(&body);
        }
    }

    #[test]
    fn mutated_bodies_are_read_without_panic_and_survive_printing(bytes in mutated()) {
        if let Ok(body) = Description::parse(&bytes) {
            read_all(&body);
            prop_assert_eq!(Description::parse(&body.to_bytes()), Ok(body));
        }
    }

    #[test]
    fn made_bodies_survive_printing(lines in prop::collection::vec(("[a-ln-uw-z]", "[ -~]{0,30}"), 0..20), ports in prop::collection::vec(any::<u16>(), 0..4)) {
        let free = lines.into_iter().filter(|(kind, _)| !matches!(kind.as_str(), "o" | "c"));
        let lines: Vec<Line> = free.map(|(kind, value)| Line::new(kind.as_bytes()[0], value).unwrap()).collect();
        let head = [Line::own(b'v', 0), Line::own(b'o', "- 1 2 IN IP6 ::1")];
        let media = ports.into_iter().map(|port| Media {
            line: MediaLine { kind: "audio".into(), port, count: (port % 2 == 0).then_some(port), protocol: "RTP/AVP".into(), formats: vec!["0".into()] },
            lines: lines.clone(),
        });
        let body = Description { session: head.into_iter().chain(lines.clone()).collect(), media: media.collect() };
        prop_assert_eq!(Description::parse(&body.to_bytes()), Ok(body));
    }
}
