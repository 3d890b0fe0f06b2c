//! Digest against the examples of RFC 2617, RFC 7616 and between our two sides.

use super::*;
use crate::header::Header;
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;
use crate::time::{Now, WallTime};

const REALM: &str = "voip.example";

fn exchange<'a>(algorithm: DigestAlgorithm, nonce: &'a str, nc: &'a str, cnonce: &'a str) -> Exchange<'a> {
    Exchange {
        algorithm,
        nonce,
        protection: Some((nc, cnonce, "auth")),
        method: "GET",
        uri: "/dir/index.html",
    }
}

#[test]
fn rfc_2617_section_3_5() {
    let secret = ha1(DigestAlgorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
    let made = exchange(DigestAlgorithm::Md5, "dcd98b7102dd2f0e8b11d0f600bfb0c093", "00000001", "0a4f113b");
    assert_eq!(made.response(&secret), "6629fae49393a05397450978507c4ef1");
}

#[test]
fn rfc_7616_section_3_9_1() {
    let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    let cases = [
        (DigestAlgorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (DigestAlgorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ];
    for (algorithm, expected) in cases {
        let secret = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
        assert_eq!(exchange(algorithm, nonce, "00000001", cnonce).response(&secret), expected);
    }
}

#[test]
fn sha_512_256_is_the_truncated_hash_with_its_own_start() {
    // FIPS 180-4 example of SHA-512/256: "abc".
    let expected = "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23";
    assert_eq!(DigestAlgorithm::Sha512_256.hash(&["abc"]), expected);
}

fn at(seconds: u64) -> Now {
    Now { wall: WallTime(1_000_000_000_000 + seconds * 1000), ..Now::default() }
}

fn register(credentials: Option<(Header, String)>) -> Message {
    let builder = Message::request(Method::Register, &"sip:voip.example");
    match credentials {
        Some((header, value)) => builder.header(header, value).build(),
        None => builder.build(),
    }
}

fn challenge(server: &mut Authenticator, now: Now, algorithms: &[DigestAlgorithm]) -> Message {
    let request = register(None);
    let builder = Message::response_to(&request, StatusCode::UNAUTHORIZED);
    let values = server.challenges(now, REALM, algorithms, false);
    values.into_iter().fold(builder, |builder, value| builder.header(Header::WwwAuthenticate, value)).build()
}

fn users(user: &str, algorithm: DigestAlgorithm) -> Option<String> {
    (user == "1001").then(|| ha1(algorithm, "1001", REALM, "secret"))
}

const LOGIN: Login<'_> = Login { user: "1001", secret: Secret::Password("secret") };

fn answer(challenge: &Message, login: &Login<'_>, count: u32) -> Message {
    let answer = respond(challenge, &Method::Register, "sip:voip.example", login, "c0", count);
    register(Some(answer.unwrap()))
}

#[test]
fn each_algorithm_is_accepted_and_the_strongest_is_chosen() {
    use DigestAlgorithm::{Md5, Sha256, Sha512_256};
    for offered in [&[Md5][..], &[Sha256], &[Sha512_256], &[Sha256, Md5], &[Md5, Sha512_256, Sha256]] {
        let mut server = Authenticator::new([1; 32], 1);
        let challenge = challenge(&mut server, at(0), offered);
        let answered = answer(&challenge, &LOGIN, 1);
        let strongest = offered.iter().max().unwrap();
        assert!(
            answered
                .text(Header::Authorization)
                .unwrap()
                .contains(&format!("algorithm={},", strongest.token()))
        );
        let verdict = server.verify(at(1), &answered, REALM, users);
        assert_eq!(verdict, Verdict::Accepted { username: "1001".into() });
    }
}

#[test]
fn a_known_ha1_limits_the_choice() {
    let mut server = Authenticator::new([1; 32], 1);
    let challenge = challenge(&mut server, at(0), &[DigestAlgorithm::Sha256, DigestAlgorithm::Md5]);
    let known = [(DigestAlgorithm::Md5, ha1(DigestAlgorithm::Md5, "1001", REALM, "secret"))];
    let login = Login { user: "1001", secret: Secret::Ha1(&known) };
    let verdict = server.verify(at(1), &answer(&challenge, &login, 1), REALM, users);
    assert_eq!(verdict, Verdict::Accepted { username: "1001".into() });
}

#[test]
fn wrong_password_and_unknown_user_get_the_same_verdict() {
    let mut server = Authenticator::new([1; 32], 1);
    let challenge = challenge(&mut server, at(0), &[DigestAlgorithm::Sha256]);
    for (user, password) in [("1001", "wrong"), ("9999", "secret"), ("", "")] {
        let login = Login { user, secret: Secret::Password(password) };
        let verdict = server.verify(at(1), &answer(&challenge, &login, 1), REALM, users);
        assert_eq!(verdict, Verdict::Rejected(Rejection::WrongPassword));
    }
    assert_eq!(server.nonces(), 0, "a stranger fills no table");
}

#[test]
fn counts_go_on_beyond_a_byte_and_replays_are_stale() {
    let mut server = Authenticator::new([1; 32], 1);
    let challenge = challenge(&mut server, at(0), &[DigestAlgorithm::Md5]);
    for count in 1..=300 {
        let verdict = server.verify(at(1), &answer(&challenge, &LOGIN, count), REALM, users);
        assert_eq!(verdict, Verdict::Accepted { username: "1001".into() }, "{count}");
    }
    assert_eq!(server.verify(at(1), &answer(&challenge, &LOGIN, 300), REALM, users), Verdict::Stale);
}

#[test]
fn another_process_with_the_secret_verifies_and_one_without_says_stale() {
    let mut maker = Authenticator::new([1; 32], 1);
    let answered = answer(&challenge(&mut maker, at(0), &[DigestAlgorithm::Sha256]), &LOGIN, 1);
    let mut peer = Authenticator::new([1; 32], 2);
    assert_eq!(peer.verify(at(1), &answered, REALM, users), Verdict::Accepted { username: "1001".into() });
    let mut stranger = Authenticator::new([2; 32], 1);
    assert_eq!(stranger.verify(at(1), &answered, REALM, users), Verdict::Stale);
    assert_eq!(maker.verify(at(301), &answered, REALM, users), Verdict::Stale);
}

#[test]
fn two_challenges_of_the_same_moment_differ() {
    let mut server = Authenticator::new([1; 32], 1);
    let first = server.challenges(at(0), REALM, &[DigestAlgorithm::Md5], false);
    assert_ne!(first, server.challenges(at(0), REALM, &[DigestAlgorithm::Md5], false));
}

#[test]
fn what_is_missing_malformed_or_wrong_is_told_apart() {
    let mut server = Authenticator::new([1; 32], 1);
    let mut verdict = |value: Option<&str>| {
        let request = register(value.map(|value| (Header::Authorization, value.to_owned())));
        server.verify(at(0), &request, REALM, users)
    };
    assert_eq!(verdict(None), Verdict::Missing);
    assert_eq!(verdict(Some("Basic YWJj")), Verdict::Missing);
    assert_eq!(verdict(Some("Digest realm=\"other\", username=\"1001\"")), Verdict::Missing);
    let malformed = Verdict::Rejected(Rejection::Malformed);
    assert_eq!(verdict(Some("Digest realm=\"voip.example\", username=\"1001\"")), malformed);
    let rest = "Digest realm=\"voip.example\", username=\"1001\", nonce=\"0\", response=\"0\", qop=auth, cnonce=\"x\"";
    assert_eq!(verdict(Some(&format!("{rest}, uri=\"sip:voip.example\", nc=1"))), malformed);
    let wrong = Verdict::Rejected(Rejection::WrongPassword);
    assert_eq!(verdict(Some(&format!("{rest}, uri=\"sip:voip.example\", nc=00000001"))), wrong);
}

#[test]
fn the_uri_of_credentials_need_not_be_the_request_uri() {
    let mut server = Authenticator::new([1; 32], 1);
    let challenge = server.challenges(at(0), REALM, &[DigestAlgorithm::Md5], false);
    let refused = Message::response_to(&register(None), StatusCode::UNAUTHORIZED)
        .header(Header::WwwAuthenticate, &challenge[0])
        .build();
    let (name, value) = respond(&refused, &Method::Register, "sip:192.0.2.1:5060", &LOGIN, "c", 1).unwrap();
    let accepted = Verdict::Accepted { username: "1001".into() };
    assert_eq!(server.verify(at(0), &register(Some((name, value))), REALM, users), accepted);
}

#[test]
fn an_answer_needs_a_challenge_that_is_understood() {
    let request = register(None);
    let refused = |builder: crate::MessageBuilder| {
        respond(&builder.build(), &Method::Register, "sip:voip.example", &LOGIN, "c", 1).unwrap_err()
    };
    assert_eq!(refused(Message::response_to(&request, StatusCode::OK)), DigestError::NotAChallenge);
    for value in [
        "Digest realm=\"a\", nonce=\"b\", algorithm=AKAv1-MD5",
        "Digest realm=\"a\", nonce=\"b\", qop=\"auth-int\"",
    ] {
        let response =
            Message::response_to(&request, StatusCode::UNAUTHORIZED).header(Header::WwwAuthenticate, value);
        assert_eq!(refused(response), DigestError::NothingSupported);
    }
}

#[test]
fn a_server_of_rfc_2069_is_answered_without_protection() {
    let value = "Digest realm=\"a\", nonce=\"b\", opaque=\"o\"";
    let response = Message::response_to(&register(None), StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    let response = response.header(Header::ProxyAuthenticate, value).build();
    let (header, value) = respond(&response, &Method::Register, "sip:a", &LOGIN, "c", 1).unwrap();
    assert_eq!(header, Header::ProxyAuthorization);
    assert!(!value.contains("qop") && value.contains("opaque=\"o\""));
}
