//! Bad input ends `up` and `plan` with exit code 2, one clear message and nothing left running.

use std::net::UdpSocket;

use super::harness::{Finished, Site, voipctl};
use super::processes::children_of_executable;

/// What both commands say of the file after one change.
fn refusal(from: &str, to: &str) -> String {
    let site = Site::new();
    let yaml = site.yaml();
    assert!(yaml.contains(from), "{from}");
    site.write(&yaml.replacen(from, to, 1));
    let plan = Finished::of(voipctl().arg("plan").arg(site.file()));
    let up = site.up_to_its_end();
    assert_eq!(plan.refused(), up.refused());
    assert_eq!((plan.out.as_str(), up.out.as_str()), ("", ""));
    assert_eq!(children_of_executable(&site.state()), Vec::<u32>::new());
    plan.refused().replace(site.file().to_str().unwrap(), "FILE")
}

#[test]
fn syntax_and_schema_errors_name_file_and_line() {
    for (from, to, message) in [
        ("spec:\n  signaling:", "spec: [\n  signaling:", "FILE:"),
        (
            "callsPerNode: 4",
            "callsPerNod: 4",
            "FILE:10: unknown field `callsPerNod`: did you mean `callsPerNode`?",
        ),
        ("kind: SipUser", "kind: SipPhone", "FILE:14: voip.dev/v1alpha1 SipPhone is not known here"),
        ("protocol: UDP", "protocol: SCTP", "FILE:7: `SCTP` is not possible here: use UDP"),
    ] {
        let refusal = refusal(from, to);
        assert!(refusal.starts_with(message), "{refusal}");
    }
}

#[test]
fn rules_name_document_field_and_mend() {
    for (from, to, parts) in [
        (
            "  signaling:\n",
            "  signaling:\n    replicas: 2\n",
            &[
                "FILE:6: VoipCluster default/office: ",
                "spec.signaling.replicas",
                "set signaling.replicas to 1",
            ][..],
        ),
        (
            "callsPerNode: 4",
            "callsPerNode: 0",
            &["FILE:10: VoipCluster default/office: spec.media.pools[0].callsPerNode"],
        ),
        (
            "passwordSecretRef: {name: desk}",
            "passwordSecretRef: {name: gone}",
            &["SipUser default/1002", "passwordSecretRef", "gone"],
        ),
        ("callsPerNode: 4", "callsPerNode: 400", &["FILE:", "VoipCluster default/office", "spec."]),
        (
            "{clusterRef: {name: office}}",
            "{clusterRef: {name: ofice}}",
            &["SipUser default/1001", "spec.clusterRef.name"],
        ),
    ] {
        let refusal = refusal(from, to);
        for part in parts {
            assert!(refusal.contains(part), "{part} is not in: {refusal}");
        }
    }
}

#[test]
fn several_mistakes_are_told_at_once() {
    let site = Site::new();
    let yaml = site
        .yaml()
        .replace("callsPerNode: 4", "callsPerNode: 99999")
        .replace("name: desk}\nstr", "name: table}\nstr");
    site.write(&yaml);
    let refusal = site.up_to_its_end();
    let refusal = refusal.refused();
    assert!(refusal.starts_with("2 mistakes:\n"), "{refusal}");
    assert_eq!(refusal.lines().count(), 3, "{refusal}");
}

#[test]
fn a_taken_port_is_named_with_its_field() {
    let site = Site::new();
    let _holder = UdpSocket::bind(("127.0.0.1", site.sip_port())).unwrap();
    let up = site.up_to_its_end();
    let expected = format!(
        "port {}/UDP on 127.0.0.1 is taken: stop the program that has it, or change \
         spec.signaling.listeners[0].port ({}:7)",
        site.sip_port(),
        site.file().display()
    );
    assert_eq!(up.refused(), expected);
}

#[test]
fn taken_rtp_ports_are_named_with_the_calls_that_do_not_fit() {
    let site = Site::new();
    // Nearly all of what two media-nodes are given.
    let taken = site.first_port()..site.first_port() + 120;
    let _holders: Vec<_> = taken.map(|port| UdpSocket::bind(("127.0.0.1", port)).unwrap()).collect();
    let up = site.up_to_its_end();
    let refusal = up.refused();
    for part in
        ["media-node default-0 has room for", "of 4 calls", "spec.network.portRange", "office.yaml:11"]
    {
        assert!(refusal.contains(part), "{part} is not in: {refusal}");
    }
    assert_eq!(children_of_executable(&site.state()), Vec::<u32>::new());
}

#[test]
fn a_foreign_address_and_a_missing_file_are_refused() {
    let site = Site::new();
    let file = site.file();
    let file = file.to_str().unwrap();
    let up = site.voipctl(&["up", file, "--address", "203.0.113.7"]);
    assert!(up.refused().starts_with("--address 203.0.113.7 is not an address of this machine"), "{up:?}");
    let up = site.voipctl(&["up", "/nowhere.yaml"]);
    assert!(up.refused().starts_with("cannot read /nowhere.yaml: "), "{up:?}");
}

#[test]
fn without_an_up_the_other_commands_say_so() {
    let site = Site::new();
    let expected = format!("no up runs on {}", site.state().display());
    for arguments in [&["status"][..], &["status", "--wait", "200ms"], &["call", "1002", "--as", "1001"]] {
        assert_eq!(site.voipctl(arguments).refused(), expected, "{arguments:?}");
    }
    let cdrs = site.voipctl(&["cdrs"]);
    assert!(cdrs.refused().contains("there are no CDRs"), "{cdrs:?}");
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for arguments in
        [&["status", "--wait", "soon"][..], &["up"], &["call", "1002"], &["plan", "x", "-o", "xml"]]
    {
        assert_eq!(Finished::of(voipctl().args(arguments)).code, Some(2), "{arguments:?}");
    }
}
