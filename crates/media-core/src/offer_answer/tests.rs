use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::g711::Law;
use crate::sdp::samples::*;
use crate::sdp::{Codec, Description, Direction};

const PLACE: Place = Place { address: IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)), port: 30_000 };

fn source(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn offer(text: &str) -> Body {
    Body::offer(text.as_bytes(), None).unwrap()
}

/// `text` as a new leg is offered it.
fn passed_on(text: &str) -> String {
    let body = offer(text);
    let mut passed = relay(&body, &Layout::default(), PLACE, body.direction(), None);
    LocalOrigin::new(84).stamp(&mut passed, PLACE.address);
    passed.to_string()
}

fn pbx(with: &str, instead: &str) -> String {
    assert!(PBX_ANSWER.contains(with), "{with}");
    PBX_ANSWER.replace(with, instead)
}

#[test]
fn an_offer_is_passed_on_with_our_address_and_without_what_plain_rtp_cannot_do() {
    let expected = "v=0\r\no=- 42 1 IN IP4 198.51.100.1\r\ns=Z\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
        m=audio 30000 RTP/AVP 8 0 3 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n\
        a=X-app-version:5.6\r\na=sendrecv\r\n";
    assert_eq!(passed_on(NATTED_OFFER), expected);
}

#[test]
fn a_new_leg_is_offered_audio_alone_and_without_feedback() {
    let passed = passed_on(SOFTPHONE_OFFER);
    assert!(passed.contains("m=audio 30000 RTP/AVP 96 0 8 101\r\n"), "{passed}");
    assert!(passed.contains("a=rtcp-xr:") && passed.contains("a=record:off"), "{passed}");
    assert!(
        !passed.contains("m=video") && !passed.contains("rtcp-fb") && !passed.contains("192.0.2."),
        "{passed}"
    );
}

#[test]
fn a_media_connection_line_is_rewritten_where_it_is() {
    let passed = passed_on(IPV6_OFFER);
    assert!(
        passed
            .ends_with("m=audio 30000 RTP/AVP 9 0\r\nc=IN IP4 198.51.100.1\r\na=ptime:30\r\na=sendrecv\r\n")
    );
}

#[test]
fn the_answer_lists_the_sections_and_the_profile_of_the_offer() {
    let asked = offer(SOFTPHONE_OFFER);
    let answer = Body::answer(PBX_ANSWER.as_bytes(), &Layout::default(), asked.codecs()).unwrap();
    let passed = relay(&answer, asked.layout(), PLACE, Direction::SendRecv, None).to_string();
    assert!(passed.contains("m=audio 30000 RTP/AVPF 0 101\r\n"), "{passed}");
    assert!(passed.ends_with("a=maxptime:150\r\na=sendrecv\r\nm=video 0 RTP/AVPF 97\r\n"), "{passed}");
}

#[test]
fn audio_is_found_behind_other_sections_and_beside_an_encrypted_one() {
    let body = "v=0\no=- 1 1 IN IP4 a\nc=IN IP4 192.0.2.1\nm=video 5000 RTP/AVP 97\nm=audio 5002 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\nm=audio 5004 RTP/AVP 8\n";
    let body = offer(body);
    assert_eq!((body.layout().audio(), body.layout().sections().len()), (2, 3));
    assert_eq!(body.codecs()[0].law(), Some(Law::Alaw));
}

#[test]
fn audio_stays_in_its_section_when_a_second_one_is_added() {
    let first =
        offer("v=0\no=- 1 1 IN IP4 a\nc=IN IP4 192.0.2.1\nm=image 0 udptl t38\nm=audio 5002 RTP/AVP 0\n");
    let more = "v=0\no=- 1 2 IN IP4 a\nc=IN IP4 192.0.2.1\nm=audio 5000 RTP/AVP 0\nm=audio 5002 RTP/AVP 0\n";
    assert_eq!(Body::offer(more.as_bytes(), Some(first.layout())).unwrap().layout().audio(), 1);
}

#[test]
fn offers_that_we_cannot_carry_are_not_acceptable() {
    let base = "v=0\no=- 1 1 IN IP4 a\nc=IN IP4 192.0.2.1\n";
    let cases = [
        (BROWSER_OFFER.to_owned(), "encrypted"),
        (base.to_owned(), "there is no audio"),
        (format!("{base}m=video 5000 RTP/AVP 97\n"), "there is no audio"),
        (format!("{base}m=audio 0 RTP/AVP 0\n"), "there is no audio"),
        (format!("{base}m=audio 5000 udptl t38\n"), "not RTP"),
        (format!("{base}m=audio 5000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000\n"), "no codec"),
        ("v=0\no=- 1 1 IN IP4 a\nm=audio 5000 RTP/AVP 0\n".to_owned(), "no c= line"),
        ("v=0\no=- 1 1 IN IP4 a\nc=IN IP4 239.1.1.1/127\nm=audio 5000 RTP/AVP 0\n".to_owned(), "multicast"),
    ];
    for (text, why) in cases {
        let error = Body::offer(text.as_bytes(), None).unwrap_err();
        assert_eq!(error.reason(), RefusalReason::NotAcceptable, "{text}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn answers_that_do_not_fit_are_bad() {
    let asked = offer(NATTED_OFFER);
    let answer = |text: &str| Body::answer(text.as_bytes(), &Layout::default(), asked.codecs());
    assert!(answer(PBX_ANSWER).is_ok());
    let more = format!("{PBX_ANSWER}m=video 0 RTP/AVP 97\n");
    let g729 = pbx("AVP 0 101", "AVP 18 101");
    let video = pbx("m=audio", "m=video");
    let encrypted = pbx("RTP/AVP", "RTP/SAVP");
    for text in [&more, &g729, &video, &encrypted, "v=0"] {
        assert_eq!(answer(text).unwrap_err().reason(), RefusalReason::BadSdp, "{text}");
    }
    let refused = answer(&pbx("m=audio 18124", "m=audio 0")).unwrap_err();
    assert_eq!(refused.reason(), RefusalReason::NotAcceptable);
}

#[test]
fn a_codec_is_the_same_under_another_payload_type_and_case() {
    let asked = offer(SOFTPHONE_OFFER);
    let text = pbx("AVP 0 101\na=rtpmap:0 PCMU/8000", "AVP 110 101\na=rtpmap:110 OPUS/48000/2");
    assert!(Body::answer(text.as_bytes(), &Layout::default(), asked.codecs()).is_ok());
}

#[test]
fn both_styles_of_hold_are_read_and_written_as_a_direction() {
    let direction = |text: &str| offer(text).direction();
    assert_eq!(direction(&pbx("a=sendrecv", "a=sendonly")), Direction::SendOnly);
    assert_eq!(direction(&pbx("a=sendrecv", "a=inactive")), Direction::Inactive);
    assert_eq!(direction(&pbx("c=IN IP4 192.0.2.20", "c=IN IP4 0.0.0.0")), Direction::SendOnly);
    let both = pbx("c=IN IP4 192.0.2.20", "c=IN IP4 0.0.0.0").replace("a=sendrecv", "a=recvonly");
    assert_eq!(direction(&both), Direction::Inactive);
    let passed = passed_on(&pbx("c=IN IP4 192.0.2.20", "c=IN IP4 0.0.0.0"));
    assert!(passed.contains("c=IN IP4 198.51.100.1\r\n") && passed.ends_with("a=sendonly\r\n"), "{passed}");
}

#[test]
fn an_answer_never_claims_more_than_was_offered() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let table = [
        (SendRecv, SendRecv, SendRecv),
        (SendRecv, RecvOnly, RecvOnly),
        (SendOnly, SendRecv, RecvOnly),
        (SendOnly, SendOnly, Inactive),
        (RecvOnly, SendRecv, SendOnly),
        (Inactive, SendRecv, Inactive),
    ];
    for (offered, wants, expected) in table {
        assert_eq!(answered(offered, wants), expected, "{offered:?} {wants:?}");
    }
}

#[test]
fn the_remote_is_where_the_body_says_or_where_its_sender_is() {
    let remote = |text: &str| offer(text).remote(source("203.0.113.9")).unwrap();
    let natted = remote(NATTED_OFFER);
    assert_eq!(
        (natted.rtp, natted.rtcp),
        ("10.1.2.3:8000".parse().unwrap(), "10.1.2.3:8010".parse().unwrap())
    );
    assert_eq!(remote(PBX_ANSWER).rtcp, "192.0.2.20:18125".parse().unwrap());
    assert_eq!(
        remote(&pbx("c=IN IP4 192.0.2.20", "c=IN IP4 0.0.0.0")).rtp,
        "203.0.113.9:18124".parse().unwrap()
    );
    assert_eq!(
        remote(&pbx("c=IN IP4 192.0.2.20", "c=IN IP4 pbx.example")).rtp,
        "203.0.113.9:18124".parse().unwrap()
    );
}

#[test]
fn the_version_rises_when_the_content_changes_and_not_before() {
    let mut origin = LocalOrigin::new(84);
    let mut send = |text: &str| {
        let body = offer(text);
        let mut passed = relay(&body, &Layout::default(), PLACE, body.direction(), None);
        origin.stamp(&mut passed, PLACE.address);
        let origin = passed.origin().unwrap();
        (origin.session_id.to_owned(), origin.version.to_owned())
    };
    let is = |version: &str| ("42".to_owned(), version.to_owned());
    assert_eq!(send(PBX_ANSWER), is("1"));
    assert_eq!(send(&pbx("1690000001 2", "1690000001 3")), is("1"));
    assert_eq!(send(&pbx("a=sendrecv", "a=sendonly")), is("2"));
    assert_eq!(send(PBX_ANSWER), is("3"));
}

#[test]
fn changed_means_more_than_the_session_version() {
    let first = offer(PBX_ANSWER);
    assert!(first.facts(None).changed);
    let changed = |text: &str| offer(text).facts(Some(first.fingerprint())).changed;
    assert!(!changed(PBX_ANSWER) && !changed(&pbx("1690000001 2", "1690000001 3")));
    assert!(changed(&pbx("18124", "18126")) && changed(&pbx("a=sendrecv", "a=sendonly")));
    assert!(changed(&pbx("1690000001 2", "1690000002 2")));
    assert_eq!(first.facts(None).codecs, ["PCMU/8000", "telephone-event/8000"]);
}

#[test]
fn a_local_answer_takes_one_law_in_the_order_of_the_offer_and_keeps_telephone_events() {
    let both = [Law::Ulaw, Law::Alaw];
    let answer = answer_locally(&offer(SOFTPHONE_OFFER), PLACE, &both, Direction::SendRecv).unwrap();
    assert_eq!((answer.law, answer.direction), (Law::Ulaw, Direction::SendRecv));
    let text = answer.description.to_string();
    let expected = "m=audio 30000 RTP/AVPF 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=ptime:20\r\na=sendrecv\r\nm=video 0 RTP/AVPF 97\r\n";
    assert!(text.ends_with(expected), "{text}");
    let alaw = answer_locally(&offer(NATTED_OFFER), PLACE, &both, Direction::SendRecv).unwrap();
    assert_eq!(alaw.law, Law::Alaw);
    assert!(alaw.description.to_string().contains("a=fmtp:101 0-16\r\n"));
    let held =
        answer_locally(&offer(&pbx("a=sendrecv", "a=sendonly")), PLACE, &both, Direction::SendRecv).unwrap();
    assert_eq!(held.direction, Direction::RecvOnly);
}

#[test]
fn without_g711_there_is_no_local_answer() {
    let g729 = offer(&pbx("AVP 0 101\na=rtpmap:0 PCMU/8000", "AVP 18 101"));
    let error = answer_locally(&g729, PLACE, &[Law::Ulaw, Law::Alaw], Direction::SendRecv).unwrap_err();
    assert_eq!(error.reason(), RefusalReason::NotAcceptable);
}

#[test]
fn codecs_that_a_leg_is_not_bound_to_are_left_out_with_their_lines() {
    let body = offer(SOFTPHONE_OFFER);
    let only: Vec<Codec> = body.codecs().iter().filter(|c| c.law() == Some(Law::Alaw)).cloned().collect();
    let passed = relay(&body, &Layout::default(), PLACE, Direction::SendRecv, Some(&only)).to_string();
    assert!(passed.contains("m=audio 30000 RTP/AVP 8 101\r\n") && !passed.contains("opus"), "{passed}");
    assert!(!passed.contains("a=fmtp:96") && passed.contains("a=rtpmap:101"), "{passed}");
}

proptest! {
    #[test]
    fn whatever_is_passed_on_is_sdp_with_our_address_and_one_audio(sample in prop::sample::select(vec![SOFTPHONE_OFFER, NATTED_OFFER, PBX_ANSWER, IPV6_OFFER]), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = sample.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(body) = Body::offer(&bytes, None) {
            let mut passed = relay(&body, body.layout(), PLACE, body.direction(), None);
            LocalOrigin::new(1).stamp(&mut passed, PLACE.address);
            let again = Description::parse(&passed.to_bytes()).unwrap();
            prop_assert_eq!(&again, &passed);
            prop_assert_eq!(again.media.iter().filter(|media| media.line.port != 0).count(), 1);
            let audio = &again.media[body.layout().audio()];
            let at = again.connection(audio).unwrap().host;
            prop_assert_eq!(at, crate::sdp::Host::Address(PLACE.address));
            prop_assert_eq!(again.direction(audio), body.direction());
        }
    }
}
