//! Pods, nodes and wires that are lost in the middle of calls.

use std::net::Ipv4Addr;
use std::time::Duration;

use e2e::kubernetes::kubectl;
use e2e::process::Process;
use e2e::wait::{PATIENCE, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use softphone::{EndedBy, PhoneError};
use time::OffsetDateTime;

use super::nodes::{NODES, Node};
use super::office::Office;
use super::operator::Operator;
use super::phones::{Phones, SOON, Talk};

/// A lost media-node is seen after three seconds of silence at the latest, a program that ends at once. What the programs'
/// own tests measure is only bounded here, beside three nodes on one machine.
const LOSS_SEEN: Duration = Duration::from_secs(3 * PATIENCE as u64);
/// From there to the BYE at both phones, and to the CDR.
const REACTION: Duration = Duration::from_secs(2);

/// What a sip-node says when it sees that a media-node is cut off.
const STREAM_OVER: &str = "the stream of a media-node is over";

/// Pause between calls that find nobody registered: the other side has no event to wait on.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Three calls, on three nodes; of them the one on `node`, and the others.
fn talk_on(phones: &Phones, node: Node) -> (Talk, Vec<Talk>) {
    let mut talks: Vec<Talk> = NODES.iter().map(|_| phones.talk()).collect();
    let on_node = talks.iter().position(|talk| talk.relays()[0] == node.address());
    let on_node = on_node.unwrap_or_else(|| panic!("the calls are spread over all nodes, {}", node.name()));
    (talks.remove(on_node), talks)
}

/// The only call that has ended does so because `node` was lost at `lost_at`: when the sip-node has seen that, both phones
/// get a BYE that says why, and the call its CDR, in no time.
fn assert_ended(office: &Office, talk: &Talk, (node, lost_at): (Node, OffsetDateTime)) {
    for side in [&talk.caller, &talk.callee] {
        let end = side.wait_ended(LOSS_SEEN + REACTION).expect("BYE when the loss is seen");
        assert_eq!(end.by, EndedBy::Remote, "{end:?}");
        assert!(end.reason.is_some(), "{end:?}");
    }
    let bye = OffsetDateTime::now_utc();
    let await_line =
        |what: &str, wanted: &dyn Fn(&Value) -> bool| office.records.await_line(what, SOON, wanted);
    let cdr = await_line("its CDR", &|line| !line["cdr"]["answeredAtMs"].is_null());
    let name = format!("default-{}", node.name());
    let seen = await_line("the loss is seen", &|line| line["message"] == STREAM_OVER && line["node"] == name);
    let after_loss = (seen - lost_at).as_seconds_f64();
    let [bye, cdr] = [bye, cdr].map(|end| (end - seen).as_seconds_f64());
    println!(
        "{name}: seen {after_loss:.2} s after its loss, then BYE after {bye:.2} s and CDR after {cdr:.2} s"
    );
    assert!(bye.max(cdr) <= REACTION.as_secs_f64(), "BYE after {bye} s, CDR after {cdr} s");
}

/// The others never noticed.
fn end_whole(talks: &[Talk]) {
    for talk in talks {
        talk.assert_bit_for_bit();
        talk.hang_up();
    }
}

/// Waits until new calls land on `node` again.
fn await_calls_on(phones: &Phones, node: Node) -> usize {
    let mut made = 0;
    until(&format!("calls land on {}", node.name()), Duration::from_secs(20), || {
        let talks: Vec<Talk> = NODES.iter().map(|_| phones.talk()).collect();
        made += talks.len();
        let relays: Vec<_> = talks.iter().map(|talk| talk.relays()[0]).collect();
        talks.iter().for_each(Talk::hang_up);
        if relays.contains(&node.address()) { Ok(()) } else { Err(relays) }
    });
    made
}

/// The process of a pod's program, which runs on this machine like everything that runs on a test node.
fn process_of(pod: &Value) -> Process {
    let name = format!("POD_NAME={}", pod["metadata"]["name"].as_str().expect("pods have names"));
    let processes = std::fs::read_dir("/proc").expect("/proc is readable").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_it = |id: &u32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == name.as_bytes())
    };
    ids.into_iter().find(is_it).map_or_else(|| panic!("no process has {name}"), Process)
}

fn media_pod_on(office: &Office, node: Node) -> Value {
    let mut pods = office.pods("media").into_iter();
    pods.find(|pod| pod["spec"]["nodeName"] == node.name()).expect("a media-node on every node")
}

#[test]
fn cluster_c_a_media_node_that_is_killed_takes_only_its_own_calls_along() {
    let operator = Operator::take();
    let office = Office::on_host(&operator, "killed");
    let phones = Phones::register(&office);
    let node = Node(2);
    let (lost, others) = talk_on(&phones, node);
    let leases = office.leases();
    let (process, lost_at) = (process_of(&media_pod_on(&office, node)), OffsetDateTime::now_utc());
    process.signal(Signal::KILL);
    assert_ended(&office, &lost, (node, lost_at));
    // On another node, or on this one: its program starts again within a second.
    phones.talk().hang_up();
    end_whole(&others);
    let again = await_calls_on(&phones, node);
    office.records.await_answered(4 + again, SOON);
    assert_eq!(office.leases(), leases, "a program that starts again keeps its ports");
}

#[test]
fn cluster_c_a_node_without_power_loses_its_calls_and_gets_its_ports_back() {
    let operator = Operator::take();
    let office = Office::on_host(&operator, "power");
    let sip = office.server().ip();
    let node = [Node(3), Node(2)].into_iter().find(|node| node.address() != sip).expect("one of two");
    let phones = Phones::register(&office);
    let (lost, others) = talk_on(&phones, node);
    let ports = |office: &Office| {
        let here = format!("@{}", node.name());
        let lease = office.leases().into_iter().find(|(id, _)| id.ends_with(&here));
        lease.map(|(_, lease)| (lease["rtp"].clone(), lease["state"].clone())).unwrap_or_default()
    };
    let (before, state) = ports(&office);
    assert_eq!(state, "Active");
    let lost_at = OffsetDateTime::now_utc();
    let power = node.without_power();
    assert_ended(&office, &lost, (node, lost_at));
    let elsewhere = phones.talk();
    assert_ne!(elsewhere.relays()[0], node.address());
    elsewhere.hang_up();
    end_whole(&others);
    office.records.await_answered(4, SOON);
    node.await_ready(false);
    // As a cloud's controller does with a machine that is gone.
    kubectl(&["delete", "node", &node.name()]).ok();
    until("its ports are in quarantine", Duration::from_secs(20), || {
        let now = ports(&office);
        if now == (before.clone(), "Quarantined".into()) { Ok(()) } else { Err(now) }
    });
    drop(power);
    until("its ports are leased again", Duration::from_secs(30), || {
        let now = ports(&office);
        if now == (before.clone(), "Active".into()) { Ok(()) } else { Err(now) }
    });
    await_calls_on(&phones, node);
}

#[test]
fn cluster_c_a_cut_link_ends_the_calls_behind_it_once() {
    let operator = Operator::take();
    let office = Office::on_host(&operator, "link");
    let sip = office.server().ip();
    let node = [Node(3), Node(2)].into_iter().find(|node| node.address() != sip).expect("one of two");
    let phones = Phones::register(&office);
    let (lost, others) = talk_on(&phones, node);
    let lost_at = OffsetDateTime::now_utc();
    let wire = node.without_wire();
    assert_ended(&office, &lost, (node, lost_at));
    let elsewhere = phones.talk();
    assert_ne!(elsewhere.relays()[0], node.address());
    elsewhere.hang_up();
    end_whole(&others);
    node.await_ready(false);
    drop(wire);
    let again = await_calls_on(&phones, node);
    office.records.await_answered(4 + again, SOON);
    let leases = office.leases();
    assert!(leases.values().all(|lease| lease["state"] == "Active"), "{leases:?}");
}

/// A sip-node that starts forgets its phones. Waits until both have come back by their own refresh, and talk.
fn await_both_registered(phones: &Phones, limit: Duration) {
    until("both phones are registered again", limit, || {
        let talk = phones.try_talk().inspect_err(|_| std::thread::sleep(ASK_EVERY))?;
        talk.assert_bit_for_bit();
        talk.hang_up();
        Ok::<_, PhoneError>(())
    });
}

#[test]
fn cluster_c_a_sip_node_that_is_killed_leaves_a_record_of_each_call_and_the_phones_come_back() {
    let operator = Operator::take();
    let mut office = Office::on_host(&operator, "sip-killed");
    let phones = Phones::register(&office);
    let talks = [phones.talk(), phones.talk()];
    talks.iter().for_each(Talk::assert_bit_for_bit);
    let pod = office.pods("signaling").remove(0);
    process_of(&pod).signal(Signal::KILL);
    until("the sip-node runs again", Duration::from_secs(20), || {
        let pods = office.pods("signaling");
        let restarts = pods[0]["status"]["containerStatuses"][0]["restartCount"].as_u64();
        if restarts == Some(1) { Ok(()) } else { Err(restarts) }
    });
    office.await_ready();
    await_both_registered(&phones, Duration::from_secs(40));
    let records = office.records.await_answered(talks.len() + 1, Duration::from_secs(15));
    let lost = records.iter().filter(|record| record["endedBy"] == "lost").count();
    assert_eq!(lost, talks.len(), "{records:?}");
}

#[test]
fn cluster_c_the_node_of_the_sip_node_is_lost_and_another_takes_over() {
    let operator = Operator::take();
    let mut office = Office::new(&operator, "sip-lost", &[]);
    let address = Ipv4Addr::new(10, 98, 0, 3);
    let mut spec = office.balanced_spec(&json!({"mode": "HostNetwork"}));
    let label = format!("example.com/{}=yes", office.namespace());
    let key = label.trim_end_matches("=yes");
    spec["signaling"]["template"] = json!({"spec": {"nodeSelector": {key: "yes"}}});
    kubectl(&["label", "node", "n2", &label]).ok();
    office.apply(&spec);
    office.balance(address);
    office.route(address);
    office.await_ready();
    let phones = Phones::register(&office);
    let (on_node, others) = talk_on(&phones, Node(2));
    kubectl(&["label", "node", "n3", &label]).ok();
    let power = Node(2).without_power();
    until("another sip-node is there", Duration::from_mins(1), || {
        let pods = office.pods("signaling");
        let new =
            pods.iter().any(|pod| pod["spec"]["nodeName"] == "n3" && pod["status"]["phase"] == "Running");
        if new { Ok(()) } else { Err(pods.len()) }
    });
    office.records.follow();
    office.route(address);
    await_both_registered(&phones, Duration::from_secs(40));
    // Those that went through other nodes; the record of the third was lost with both of its programs.
    office.records.await_answered(others.len() + 1, Duration::from_secs(15));
    drop((on_node, power));
    kubectl(&["label", "node", "n2", "n3", &format!("{key}-")]).ok();
}
