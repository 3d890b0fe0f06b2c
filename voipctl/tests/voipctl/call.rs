//! `voipctl call` through a cluster that `voipctl up` runs, and the records that calls leave.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::{Finished, PATIENCE, Site, eventually, json as parsed, signal};
use super::processes::with_arguments;

fn call(site: &Site, number: &str, caller: &str, duration: &str) -> Finished {
    site.voipctl(&["call", number, "--as", caller, "--duration", duration, "-o", "json"])
}

fn status(site: &Site) -> Value {
    parsed(&site.voipctl(&["status", "-o", "json"]).out)
}

/// The record of the only call that was, once it is complete: it is written a moment after the end.
fn record(site: &Site) -> Value {
    let read = || parsed(&site.voipctl(&["cdrs", "-o", "json"]).out);
    eventually("the record is complete", || read()[0]["endedAt"].is_string());
    let records = read();
    assert_eq!(records.as_array().unwrap().len(), 1, "{records}");
    records[0].clone()
}

/// With a dialplan that also knows an announcement and a number that is refused.
fn site() -> Site {
    let site = Site::new();
    let dialplan = r"---
apiVersion: voip.dev/v1alpha1
kind: Dialplan
metadata: {name: main}
spec:
  clusterRef: {name: office}
  routes:
  - {id: people, pattern: '10*', actions: [{dial: {target: 'user/${destination}'}}]}
  - {id: echo, pattern: '\*43', actions: [{echo: {}}]}
  - {id: announcement, pattern: '\*44', actions: [{playAudio: {prompt: welcome}}]}
  - {id: premium, pattern: '900*', actions: [{hangup: {status: 403}}]}
";
    site.write(&format!("{}{dialplan}", site.yaml()));
    site
}

#[test]
fn a_call_between_two_users_is_checked_both_ways_and_recorded() {
    let site = site();
    let _up = site.up().ready();
    let done = call(&site, "1002", "1001", "1s");
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:?}");
    let report = parsed(&done.out);
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&report), ["audioMatches", "callee", "caller", "setupMs", "status"]);
    assert_eq!((&report["status"], &report["audioMatches"]), (&json!(200), &json!(true)));
    for end in ["caller", "callee"] {
        assert_eq!(fields(&report[end]), ["jitterMs", "lost", "mos", "received", "sent"]);
        assert!(report[end]["received"].as_u64().unwrap() >= 40, "{report}");
        assert!(report[end]["mos"].as_f64().unwrap() > 4.0, "{report}");
    }
    let record = record(&site);
    for (field, value) in [
        ("from", json!("1001")),
        ("to", json!("1002")),
        ("sipStatus", json!(200)),
        ("q850", json!(16)),
        ("endedBy", json!("caller")),
    ] {
        assert_eq!(record[field], value, "{record}");
    }
    assert!((900..3_000).contains(&record["durationMs"].as_u64().unwrap()), "{record}");
    // Neither phone is left behind.
    eventually("nothing is left", || {
        let status = status(&site);
        status["registrations"] == 0 && status["activeCalls"] == 0
    });
}

#[test]
fn the_user_with_a_password_from_a_secret_calls_too() {
    let site = site();
    let _up = site.up().ready();
    let report = parsed(&call(&site, "1001", "1002", "300ms").out);
    assert_eq!(report["audioMatches"], true, "{report}");
}

#[test]
fn the_echo_test_must_bring_back_what_was_sent() {
    let site = site();
    let _up = site.up().ready();
    let report = parsed(&call(&site, "*43", "1001", "500ms").out);
    assert_eq!((&report["callee"], &report["audioMatches"]), (&Value::Null, &json!(true)), "{report}");
}

#[test]
fn an_announcement_is_heard_and_not_checked() {
    let site = site();
    let _up = site.up().ready();
    let done = call(&site, "*44", "1001", "500ms");
    let report = parsed(&done.out);
    assert_eq!((done.code, &report["audioMatches"]), (Some(0), &Value::Null), "{done:?}");
    assert!(report["caller"]["received"].as_u64().unwrap() > 10, "{report}");
}

#[test]
fn a_call_that_fails_says_its_status() {
    let site = site();
    let _up = site.up().ready();
    for (number, code) in [("900123", 403), ("5555", 404), ("1099", 404)] {
        let done = call(&site, number, "1001", "1s");
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.err.contains(&format!("the call to {number} failed: {code} ")), "{done:?}");
        let report = parsed(&done.out);
        assert_eq!((&report["status"], &report["setupMs"]), (&json!(code), &Value::Null));
    }
    assert!(call(&site, "1002", "1009", "1s").refused().contains("there are 1001, 1002"));
    assert!(call(&site, "1001", "1001", "1s").refused().starts_with("1001 is 1001 itself"));
}

#[test]
fn a_phone_that_somebody_registered_is_left_to_answer() {
    let site = site();
    let _up = site.up().ready();
    std::thread::scope(|scope| {
        // While it calls, 1002 is registered, and its phone answers calls too.
        let other = scope.spawn(|| call(&site, "*43", "1002", "4s"));
        eventually("1002 is registered", || status(&site)["registrations"] == 1);
        let report = parsed(&call(&site, "1002", "1001", "300ms").out);
        assert_eq!(report["status"], 200, "{report}");
        assert_eq!((&report["callee"], &report["audioMatches"]), (&Value::Null, &Value::Null), "{report}");
        assert_eq!(other.join().unwrap().code, Some(0));
    });
}

#[test]
fn ctrl_c_hangs_up() {
    let site = site();
    let _up = site.up().ready();
    std::thread::scope(|scope| {
        let long = scope.spawn(|| call(&site, "*43", "1001", "10m"));
        eventually("the call is up", || status(&site)["activeCalls"] == 1);
        eventually("it has been answered", || {
            parsed(&site.voipctl(&["cdrs", "-o", "json"]).out)[0]["answeredAt"].is_string()
        });
        for pid in with_arguments(&site.state(), "call *43") {
            signal(pid, "INT");
        }
        let done = long.join().unwrap();
        assert_eq!((done.code, done.err.trim_end()), (Some(1), "error: interrupted"));
    });
    eventually("the call is over", || status(&site)["activeCalls"] == 0);
    assert_eq!(record(&site)["endedBy"], "caller");
}

#[test]
fn up_ends_calls_when_it_is_stopped_and_the_caller_hears_of_it() {
    let site = site();
    let mut up = site.up().ready();
    std::thread::scope(|scope| {
        let long = scope.spawn(|| call(&site, "1002", "1001", "10m"));
        eventually("it has been answered", || {
            parsed(&site.voipctl(&["cdrs", "-o", "json"]).out)[0]["answeredAt"].is_string()
        });
        let start = Instant::now();
        up.signal("INT");
        assert_eq!(up.wait().0.code(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        let done = long.join().unwrap();
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.err.contains("the call ended before it was hung up"), "{done:?}");
        assert!(start.elapsed() < PATIENCE);
    });
    up.wait_for("stopped: 1 call ended");
    assert_eq!(record(&site)["endedBy"], "system");
}
