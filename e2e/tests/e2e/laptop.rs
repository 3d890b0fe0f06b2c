//! `voipctl up` and the commands of the second terminal.

use std::time::{Duration, Instant};

use e2e::{Cluster, Up, wait};
use rustix::process::Signal;
use serde_json::Value;
use softphone::{AnswerPolicy, CallOptions, Phone};

const SOON: Duration = Duration::from_secs(10);

fn registered(up: &Up, user: &str) -> Phone {
    let mut config = up.phone_config(user);
    config.answer = AnswerPolicy::AnswerAfter { ringing: None };
    let phone = Phone::start(config).expect("a phone starts");
    phone.register(Duration::from_mins(1)).expect("the phone registers");
    phone
}

#[test]
fn a_call_between_two_users_is_made_and_measured() {
    let up = Cluster::new().up();
    let result = up.json(&["call", "1002", "--as", "1001", "--duration", "2s", "-o", "json"]);
    assert_eq!(result["status"], 200, "{result}");
    assert_eq!(result["audioMatches"], true, "{result}");
    assert!(result["setupMs"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 5000.0), "{result}");
    for side in ["caller", "callee"] {
        let side = &result[side];
        assert!(side["sent"].as_u64().unwrap() >= 90, "{result}");
        assert!(side["received"].as_u64().unwrap() >= 80, "{result}");
        assert_eq!(side["lost"], 0, "{result}");
        assert!(side["jitterMs"].as_f64().is_some() && side["mos"].as_f64().unwrap() > 4.0, "{result}");
    }
    up.closed_cdrs(1);
    up.await_idle();
    up.stop();
}

#[test]
fn a_foreign_phone_that_answers_is_not_judged() {
    let up = Cluster::new().up();
    let _foreign = registered(&up, "1002");
    let result = up.json(&["call", "1002", "--as", "1001", "--duration", "1s", "-o", "json"]);
    assert_eq!((&result["status"], &result["callee"]), (&200.into(), &Value::Null), "{result}");
    assert_eq!(result["audioMatches"], Value::Null, "{result}");
    up.stop();
}

#[test]
fn the_echo_test_is_one_command() {
    let up = Cluster::new().up();
    let result = up.json(&["call", "*43", "--as", "1001", "--duration", "1s", "-o", "json"]);
    assert_eq!((&result["status"], &result["audioMatches"]), (&200.into(), &true.into()), "{result}");
    up.stop();
}

#[test]
fn a_call_that_fails_ends_with_1_and_says_why() {
    let up = Cluster::new().up();
    let output = up.cluster.run(&["call", "2999", "--as", "1001"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("404") && error.contains("2999"), "{error}");
    up.stop();
}

#[test]
fn ctrl_c_ends_the_calls_with_bye_and_leaves_nothing() {
    let up = Cluster::new().up();
    let (caller, callee) = (registered(&up, "1001"), registered(&up, "1002"));
    let call = caller.call("1002", CallOptions::default()).unwrap();
    call.wait_answered(SOON).unwrap();
    let at_callee = callee.incoming(SOON).unwrap();
    let ringing = caller.call("*43", CallOptions::default()).unwrap();
    ringing.wait_answered(SOON).unwrap();
    let server = up.cluster.server();
    up.process().signal(Signal::INT);
    for side in [&call, &at_callee, &ringing] {
        side.wait_ended(Duration::from_secs(5)).expect("BYE on Ctrl-C");
    }
    let mut up = up;
    let started = Instant::now();
    assert_eq!(up.exit_code(Duration::from_secs(5)), Some(0), "{}", up.stderr());
    assert!(started.elapsed() < Duration::from_secs(5));
    std::net::UdpSocket::bind(server).expect("the SIP port is free again");
    let output = up.cluster.run(&["cdrs", "-o", "json"]);
    let records: Vec<Value> = serde_json::from_slice(&output.stdout).expect("CDRs can be read without up");
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record["endedBy"] == "system"), "{records:?}");
}

#[test]
fn killed_outright_it_takes_its_children_along() {
    let mut up = Cluster::new().up();
    let children = up.process().children();
    assert_eq!(children.len(), 3);
    up.process().signal(Signal::KILL);
    up.exit_code(SOON);
    wait::until("the children end", Duration::from_secs(5), || {
        let left: Vec<_> = children.iter().filter(|child| child.runs()).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    let output = up.cluster.run(&["status"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("no up runs on"), "{error}");
}

#[test]
fn two_clusters_run_side_by_side() {
    let (first, second) = (Cluster::new().up(), Cluster::new().up());
    for up in [&first, &second] {
        let result = up.json(&["call", "1002", "--as", "1001", "--duration", "1s", "-o", "json"]);
        assert_eq!(result["audioMatches"], true, "{result}");
    }
    assert_eq!((first.closed_cdrs(1).len(), second.closed_cdrs(1).len()), (1, 1));
    first.stop();
    second.stop();
}

#[test]
fn a_new_user_can_call_without_a_restart_and_a_bad_file_changes_nothing() {
    let up = Cluster::new().up();
    let sip_node = up.sip_node();
    let yaml = up.cluster.yaml();
    up.cluster.write(&yaml.replace("callsPerNode: 40", "callsPerNode: many"));
    wait::until("the bad file is complained about", SOON, || {
        let said = up.stdout() + &up.stderr();
        if said.contains("callsPerNode") { Ok(()) } else { Err(said) }
    });
    let more = yaml
        .replace("\"1002\"", "\"1003\"")
        .replace("1002-sip", "1003-sip")
        .replace("secret-1002", "secret-1003");
    let added =
        more.split("---\n").filter(|document| document.contains("1003")).collect::<Vec<_>>().join("---\n");
    up.cluster.write(&format!("{yaml}---\n{added}"));
    wait::until("the new user is let in", SOON, || {
        let mut config = up.phone_config("1003");
        config.patience = Duration::from_secs(2);
        Phone::start(config).and_then(|phone| phone.register(Duration::from_mins(1)))
    });
    assert_eq!(up.sip_node(), sip_node, "no restart");
    up.stop();
}
