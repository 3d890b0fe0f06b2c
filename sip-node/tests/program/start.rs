//! What is refused at start, and what changes while it runs.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};
use sip_core::{Header, Method, StatusCode};

use crate::calls::{talk, talk_between};
use crate::node::{Place, sip_document, users_document};
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

/// A volume as kubelet makes it: links through `..data` to a directory with everything of one state.
#[test]
fn a_volume_that_is_swapped_is_taken_over_as_a_whole() {
    let place = Place::new();
    let volume = Volume(place.config());
    std::fs::remove_dir_all(place.config()).unwrap();
    volume.swap("..2026_1", &[("users-00.json", &["1001"]), ("users-01.json", &["1002"])]);
    let node = place.start();
    let status = node.status();
    let files: Vec<_> = status.documents.keys().map(String::as_str).collect();
    assert_eq!(files, ["sip.json", "users-00.json", "users-01.json"]);
    assert_eq!(status.documents["users-01.json"], "1002");

    volume.swap("..2026_2", &[("users-00.json", &["1001"]), ("users-01.json", &["1002", "1003"])]);
    node.wait_for("the third user", |status| status.documents["users-01.json"] == "1002,1003");
    for user in ["1001", "1003"] {
        assert_eq!(Phone::new(&place, user).register().status().unwrap().code(), 200);
    }

    volume.swap("..2026_3", &[("users-00.json", &["1001", "1003"]), ("users-01.json", &["1002", "1003"])]);
    let status = node.wait_for("the rejection", |status| !status.rejected.is_empty());
    assert!(status.rejected[0].contains("users-01.json: users[1].username: another user"), "{status:?}");
    assert_eq!(status.documents["users-00.json"], "1001");
}

struct Volume(PathBuf);

impl Volume {
    fn swap(&self, state: &str, users: &[(&str, &[&str])]) {
        let directory = self.0.join(state);
        std::fs::create_dir_all(&directory).unwrap();
        let put = |file: &str, document: &Value| {
            std::fs::write(directory.join(file), document.to_string()).unwrap();
            let link = self.0.join(file);
            if !link.is_symlink() {
                symlink(format!("..data/{file}"), link).unwrap();
            }
        };
        put("sip.json", &sip_document());
        for (file, names) in users {
            put(file, &users_document(&names.join(","), names));
        }
        let before = std::fs::read_link(self.0.join("..data"));
        symlink(state, self.0.join("..data_tmp")).unwrap();
        std::fs::rename(self.0.join("..data_tmp"), self.0.join("..data")).unwrap();
        if let Ok(before) = before {
            std::fs::remove_dir_all(self.0.join(before)).unwrap();
        }
    }
}

#[test]
fn what_phones_are_told_is_the_advertised_address() {
    for bind in ["host", "0.0.0.0"] {
        let place = Place::new();
        let mut document = sip_document();
        let port = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
        document["listeners"][0]["port"] = json!(port);
        place.write_sip(&document);
        let host = if bind == "host" { place.host.to_string() } else { bind.to_owned() };
        let node = place.start_bound_to(&host, &["--advertise", "203.0.113.5"]);
        let mut phones = ["1001", "1002"].map(|user| Phone::new(&place, user));
        for phone in &mut phones {
            phone.call_port(port);
            if bind == "host" {
                phone.hear_only_the_server();
            }
        }
        let call = talk_between(&place, &node, phones);
        let ours = format!("203.0.113.5:{port}");
        assert!(call.invite.text(Header::Via).unwrap().contains(&format!("UDP {ours};")));
        for message in [&call.invite, &call.answer] {
            assert_eq!(message.text(Header::Contact).unwrap(), format!("<sip:{ours}>"));
        }
        call.caller.in_dialog("BYE", &call.answer, 3);
        let bye = call.callee.request(&Method::Bye);
        assert!(bye.text(Header::Via).unwrap().contains(&ours));
        call.callee.answer(&bye, StatusCode::OK, false);
        assert_eq!(call.caller.final_response(&Method::Bye).status(), Some(StatusCode::OK));
    }
}

#[test]
fn via_and_contact_name_the_address_that_documents_advertise() {
    let place = Place::new();
    let mut document = sip_document();
    document["listeners"][0]["advertised"] = json!("203.0.113.5:31060");
    place.write_sip(&document);
    let node = place.start();
    let call = talk(&place, &node);
    for (header, wanted) in [(Header::Via, "UDP 203.0.113.5:31060;"), (Header::Contact, "203.0.113.5:31060>")]
    {
        assert!(call.invite.text(header).unwrap().contains(wanted), "{:?}", call.invite);
    }

    document["listeners"][0]["advertised"] = json!("203.0.113.6:31061");
    document["fingerprint"] = json!("sip-2");
    place.write_sip(&document);
    node.wait_for("the new address", |status| status.documents["sip.json"] == "sip-2");
    call.caller.in_dialog("BYE", &call.answer, 3);
    let bye = call.callee.request(&Method::Bye);
    assert!(bye.text(Header::Via).unwrap().contains("UDP 203.0.113.6:31061;"), "{bye:?}");
    call.callee.answer(&bye, StatusCode::OK, false);
    assert_eq!(call.caller.final_response(&Method::Bye).status(), Some(StatusCode::OK));
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
