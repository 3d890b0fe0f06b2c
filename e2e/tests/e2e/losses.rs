//! Programs that die, and what becomes of the calls.

use std::time::{Duration, Instant};

use e2e::{Cluster, Up, wait};
use rustix::process::Signal;
use serde_json::Value;
use softphone::{AnswerPolicy, Call, CallOptions, Phone};

const SOON: Duration = Duration::from_secs(10);
const REGISTERED_FOR: Duration = Duration::from_mins(2);

fn pair(up: &Up) -> (Phone, Phone) {
    let phone = |user: &str| {
        let mut config = up.phone_config(user);
        config.answer = AnswerPolicy::AnswerAfter { ringing: None };
        let phone = Phone::start(config).expect("a phone starts");
        phone.register(REGISTERED_FOR).expect("the phone registers");
        phone
    };
    (phone("1001"), phone("1002"))
}

fn talk(caller: &Phone, callee: &Phone) -> (Call, Call) {
    let call = caller.call("1002", CallOptions::default()).expect("the INVITE goes out");
    call.wait_answered(SOON).expect("the call is answered");
    let at_callee = callee.incoming(SOON).expect("the callee is called");
    call.wait_media(SOON, |report| report.received >= 10).expect("audio flows");
    (call, at_callee)
}

fn node(status: &Value, wanted: impl Fn(&Value) -> bool) -> Option<String> {
    let nodes = status["mediaNodes"].as_array()?;
    nodes.iter().find(|node| wanted(node)).and_then(|node| node["name"].as_str()).map(str::to_owned)
}

#[test]
fn a_media_node_that_dies_takes_its_calls_down_in_order() {
    let up = Cluster::new().up();
    let (caller, callee) = pair(&up);
    let (call, at_callee) = talk(&caller, &callee);
    let name = wait::until("a media node holds the call", SOON, || {
        node(&up.status(), |node| node["sessions"] == 1).ok_or("none")
    });
    let victim = up.media_node(&name).expect("the media-node runs");
    victim.signal(Signal::KILL);
    let died = Instant::now();
    for side in [&call, &at_callee] {
        let end = side.wait_ended(Duration::from_secs(2)).expect("BYE within 2 s");
        assert!(
            end.reason.as_deref().is_some_and(|reason| reason.contains("cause=")),
            "a Reason header: {end:?}"
        );
    }
    assert!(died.elapsed() < Duration::from_secs(2));
    let record = up.closed_cdrs(1).remove(0);
    assert_eq!(record["endedBy"], "system", "{record}");
    assert_eq!(record["sipStatus"], 200, "{record}");
    assert_ne!(record["q850"], 16, "{record}");
    up.await_metric("voip_media_nodes_lost_total", |lost| lost >= 1.0);

    // Calls go on over the other node, and over both once `up` has started the dead one again.
    let (second, _far) = talk(&caller, &callee);
    second.hangup().unwrap();
    second.wait_ended(SOON).unwrap();
    wait::until("the dead node is back", SOON, || {
        node(&up.status(), |node| node["name"] == name.as_str() && node["state"] == "Ready")
            .ok_or(up.status())
    });
    assert!(up.stdout().contains(&name) || up.stderr().contains(&name), "up says what it started again");
    let calls: Vec<_> = (0..4).map(|_| talk(&caller, &callee)).collect();
    wait::until("the node that came back is used again", SOON, || {
        node(&up.status(), |node| node["name"] == name.as_str() && node["sessions"] != 0).ok_or("not used")
    });
    drop(calls);
    up.await_idle();
    up.stop();
}

#[test]
fn a_sip_node_that_dies_comes_back_and_the_media_nodes_find_it() {
    let up = Cluster::new().up();
    let (caller, callee) = pair(&up);
    let (call, at_callee) = talk(&caller, &callee);
    let victim = up.sip_node();
    victim.signal(Signal::KILL);
    wait::until("another sip-node runs and calls are possible", SOON, || {
        let output = up.cluster.run(&["status", "-o", "json"]);
        let status: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        let ready = |node: &Value| node["state"] == "Ready";
        let nodes =
            status["mediaNodes"].as_array().map_or(0, |nodes| nodes.iter().filter(|n| ready(n)).count());
        if status["ready"] == true && nodes == 2 { Ok(()) } else { Err(status.to_string()) }
    });
    assert_ne!(up.sip_node(), victim);
    let record = up.closed_cdrs(1).remove(0);
    assert_eq!(record["endedBy"], "lost", "the row that the crash left open is closed: {record}");
    drop((call, at_callee));
    for phone in [&caller, &callee] {
        phone.register(REGISTERED_FOR).expect("phones register again: bindings live in memory");
    }
    let (again, _far) = talk(&caller, &callee);
    again.hangup().unwrap();
    again.wait_ended(SOON).unwrap();
    up.closed_cdrs(2);
    // Sessions of the former sip-node are freed once the new one has not claimed them.
    wait::until("sessions of the dead sip-node are freed", Duration::from_secs(75), || {
        let status = up.status();
        if node(&status, |node| node["portsInUse"] != 0).is_none() { Ok(()) } else { Err(status) }
    });
    up.stop();
}

#[test]
fn without_a_media_node_calls_wait_and_registration_works() {
    let mut cluster = Cluster::new();
    cluster.nodes = 1;
    let up = cluster.up();
    let (caller, _callee) = pair(&up);
    let only = up.media_node("default-0").expect("the media-node runs");
    // Stopped, not killed: nobody starts it again, and its connection stays open but silent.
    only.signal(Signal::STOP);
    wait::until("the silent media node is given up", SOON, || {
        node(&up.status(), |node| node["state"] == "Lost").ok_or(up.status())
    });
    let call = caller.call("1002", CallOptions::default()).unwrap();
    assert_eq!(call.wait_ended(SOON).unwrap().status, Some(503));
    caller.register(REGISTERED_FOR).expect("registration needs no media");
    only.signal(Signal::CONT);
    wait::until("the media node is used again", SOON, || {
        node(&up.status(), |node| node["state"] == "Ready").ok_or(up.status())
    });
    up.stop();
}
