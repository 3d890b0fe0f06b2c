//! The registrar, as phones and strangers see it.

use std::net::UdpSocket;
use std::time::Duration;

use e2e::{Cluster, Up, wait};
use softphone::{Phone, PhoneError, Secret};

/// Sends one datagram to the cluster and returns the answer.
fn ask(up: &Up, socket: &UdpSocket, request: &str) -> String {
    socket.send_to(request.as_bytes(), up.cluster.server()).expect("loopback takes a datagram");
    let mut buffer = [0; 8192];
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket takes a time-out");
    let length = socket.recv(&mut buffer).expect("sip-node answers");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn register(up: &Up, socket: &UdpSocket, user: &str, number: u32, authorization: &str) -> String {
    let (local, server) = (socket.local_addr().expect("a bound socket has an address"), up.cluster.server());
    ask(
        up,
        socket,
        &format!(
            "REGISTER sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{user}{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{server}>;tag=x\r\nTo: <sip:{user}@{server}>\r\nCall-ID: {user}@x\r\n\
             CSeq: {number} REGISTER\r\nContact: <sip:{user}@{local}>\r\n{authorization}Content-Length: 0\r\n\r\n"
        ),
    )
}

/// The answer without what differs from one request to the next by its nature: of a challenge only the nonce.
fn shape(answer: &str, user: &str) -> String {
    let volatile = ["Via:", "To:", "From:", "Call-ID:"];
    let lines = answer.lines().map(|line| {
        if let Some((before, rest)) = line.split_once("nonce=\"") {
            let after = rest.split_once('"').map_or("", |(_, after)| after);
            return format!("{before}nonce=\"…\"{after}");
        }
        let name = volatile.iter().find(|name| line.starts_with(**name));
        name.map_or_else(|| line.replace(user, "USER"), |name| format!("{name} …"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_answered_alike() {
    let up = Cluster::new().up();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let answers = ["1001", "9999"].map(|user| {
        let challenge = register(&up, &socket, user, 1, "");
        assert!(challenge.starts_with("SIP/2.0 401 "), "{challenge}");
        let nonce =
            challenge.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
        let realm =
            challenge.split("realm=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
        let credentials = format!(
            "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:x\", \
             algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\", response=\"{}\"\r\n",
            "0".repeat(32)
        );
        let answer = register(&up, &socket, user, 2, &credentials);
        (shape(&challenge, user), shape(&answer, user))
    });
    assert_eq!(answers[0], answers[1]);
    assert!(!answers[0].1.starts_with("SIP/2.0 200"), "{}", answers[0].1);
    up.stop();
}

#[test]
fn a_phone_with_a_wrong_password_is_told_so() {
    let up = Cluster::new().up();
    let mut config = up.phone_config("1001");
    config.secret = Secret::Password("wrong".into());
    let phone = Phone::start(config).unwrap();
    let error = phone.register(Duration::from_mins(1)).expect_err("refused");
    assert!(
        matches!(error, PhoneError::WrongCredentials { .. } | PhoneError::Refused { status: 403, .. }),
        "{error}"
    );
    assert_eq!(up.status()["registrations"], 0);
    up.stop();
}

#[test]
fn registrations_are_counted_granted_for_two_minutes_at_most_and_removed() {
    let up = Cluster::new().up();
    let phone = up.phone("1001");
    let granted = phone.register(Duration::from_hours(1)).unwrap();
    assert!(granted <= Duration::from_mins(2), "{granted:?}");
    wait::until("the binding is counted", Duration::from_secs(2), || {
        match up.status()["registrations"].as_u64() {
            Some(1) => Ok(()),
            other => Err(other),
        }
    });
    phone.unregister().unwrap();
    wait::until("the binding is gone", Duration::from_secs(2), || {
        match up.status()["registrations"].as_u64() {
            Some(0) => Ok(()),
            other => Err(other),
        }
    });
    up.stop();
}

#[test]
fn each_digest_algorithm_lets_a_phone_in() {
    for digest in ["[MD5]", "[SHA-256]", "[SHA-512-256]", "[SHA-512-256, SHA-256, MD5]"] {
        let mut cluster = Cluster::new();
        cluster.digest = digest;
        let up = cluster.up();
        let phone = up.phone("1001");
        phone.register(Duration::from_mins(1)).unwrap_or_else(|error| panic!("{digest}: {error}"));
        up.stop();
    }
}
