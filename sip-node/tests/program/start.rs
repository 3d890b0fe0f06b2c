//! What is refused at start, and what changes while it runs.

use std::net::{TcpListener, UdpSocket};

use serde_json::json;

use crate::node::{Place, sip_document};
use crate::phone::Phone;

#[test]
fn a_bad_document_ends_it_with_file_and_line() {
    let place = Place::new();
    let mut document = sip_document();
    document["realms"] = json!("office");
    place.write_sip(&document);
    let (code, stderr) = place.run_to_end();
    assert_eq!(code, Some(2), "{stderr}");
    let text = std::fs::read_to_string(place.config().join("sip.json")).unwrap();
    let line = 1 + text.lines().position(|line| line.contains("realms")).unwrap();
    assert!(stderr.contains(&format!("config/sip.json:{line}:")), "{stderr}");
    assert!(stderr.contains("unknown field `realms`"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_taken_port_is_named_whichever_it_is() {
    for port in [5060, 8080, 9090] {
        let place = Place::new();
        let _udp = (port == 5060).then(|| UdpSocket::bind((place.host, port)).unwrap());
        let _tcp = (port != 5060).then(|| TcpListener::bind((place.host, port)).unwrap());
        let (code, stderr) = place.run_to_end();
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(&format!("port {port} is taken")), "{stderr}");
        assert!(!place.state().join("cdrs.sqlite").exists());
    }
}

#[test]
fn a_second_one_on_the_same_state_is_refused() {
    let place = Place::new();
    let _node = place.start();
    let mut other = Place::new();
    std::fs::remove_dir_all(&other.root).unwrap();
    other.root.clone_from(&place.root);
    let (code, stderr) = other.run_to_end();
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("another sip-node runs on it"), "{stderr}");
}

#[test]
fn an_address_that_says_nothing_must_be_explained() {
    let place = Place::new();
    let output = place.command_bound_to("0.0.0.0").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("add --advertise IP"));
}

#[test]
fn new_users_are_taken_over_and_bad_documents_are_not() {
    let place = Place::new();
    let node = place.start();
    let status = node.status();
    assert_eq!(status.documents["sip.json"], "sip-1");
    assert_eq!(status.documents["users.json"], "users-2");
    assert!(status.rejected.is_empty() && !status.ready);

    place.write_users(&["1001", "1002", "1003"]);
    node.wait_for("the third user", |status| status.documents["users.json"] == "users-3");
    assert_eq!(Phone::new(&place, "1003").register().status().unwrap().code(), 200);

    let mut document = sip_document();
    document["fingerprint"] = json!("sip-2");
    document["digestAlgorithms"] = json!(["ROT13"]);
    place.write_sip(&document);
    let status = node.wait_for("the rejection", |status| !status.rejected.is_empty());
    assert!(status.rejected[0].contains("sip.json:"), "{status:?}");
    assert!(status.rejected[0].contains("ROT13"), "{status:?}");
    assert_eq!(status.documents["sip.json"], "sip-1");
    assert_eq!(node.metric("voip_config_rejected"), 1);
    assert_eq!(Phone::new(&place, "1003").register().status().unwrap().code(), 200);

    document["digestAlgorithms"] = json!(["SHA-256"]);
    place.write_sip(&document);
    let status = node.wait_for("the mended document", |status| status.documents["sip.json"] == "sip-2");
    assert!(status.rejected.is_empty());
    assert_eq!(node.metric("voip_config_rejected"), 0);
}

#[test]
fn listeners_change_only_at_a_restart() {
    let place = Place::new();
    let node = place.start();
    let mut document = sip_document();
    document["listeners"][0]["port"] = json!(5070);
    document["fingerprint"] = json!("sip-2");
    place.write_sip(&document);
    let status = node.wait_for("the rejection", |status| !status.rejected.is_empty());
    assert!(status.rejected[0].contains("listeners: they change only at a restart"), "{status:?}");
    assert_eq!(status.documents["sip.json"], "sip-1");
}
