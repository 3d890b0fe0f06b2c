//! `voipctl up`: starts, supervises, takes edits over, ends.

use std::time::Duration;

use super::harness::{Site, eventually, json, mode, signal};
use super::processes::{children_of_executable, program};

const BOUND: Duration = Duration::from_secs(5);

#[test]
fn it_serves_until_ctrl_c_and_leaves_nothing_behind() {
    let site = Site::new();
    let mut up = site.up().ready();
    for text in [
        "ready: 2 media-nodes, 8 calls at a time",
        &format!("server    127.0.0.1:{}, transport UDP", site.sip_port()),
        "1002  as in Secret desk",
        "*43        echo test",
        &format!("call 1002 --as 1001 --duration 5s --state-dir {}", site.state().display()),
    ] {
        assert!(up.seen().contains(text), "{text} is not in\n{}", up.seen());
    }
    let status = site.voipctl(&["status", "-o", "json"]);
    assert_eq!((status.code, status.err.as_str()), (Some(0), ""));
    let status = json(&status.out);
    assert_eq!(status["ready"], true);
    assert_eq!(status["mediaNodes"][1]["state"], "Ready");
    assert_eq!(json(&site.voipctl(&["cdrs", "-o", "json"]).out), serde_json::json!([]));
    for file in ["up.json", "passwords.json", "sip/users.json"] {
        assert_eq!(mode(&site.state().join(file)), 0o600, "{file}");
    }
    assert_eq!(children_of_executable(&site.state()).len(), 3);
    up.signal("INT");
    let (status, took) = up.wait();
    assert_eq!(status.code(), Some(0));
    assert!(took < BOUND, "{took:?}");
    up.wait_for("stopped: 0 calls ended");
    assert_eq!(children_of_executable(&site.state()), Vec::<u32>::new());
    assert!(!site.state().join("up.json").exists());
    assert!(site.voipctl(&["status"]).refused().starts_with("no up runs on"));
}

#[test]
fn generated_passwords_stay_the_same() {
    let site = Site::new();
    let line = |mut up: super::harness::Up| {
        let line = up.wait_for("1001  ").trim().to_owned();
        let up = up.ready();
        up.signal("TERM");
        let mut up = up;
        up.wait();
        line
    };
    let first = line(site.up());
    assert_eq!(first.split_whitespace().nth(1).unwrap().len(), 16, "{first}");
    assert_eq!(first, line(site.up()));
}

#[test]
fn a_second_up_on_the_same_state_directory_names_the_first() {
    let site = Site::new();
    let up = site.up().ready();
    let second = site.up_to_its_end();
    let expected = format!("another up (pid {}) runs on {}", up.pid(), site.state().display());
    assert!(second.refused().starts_with(&expected), "{second:?}");
    assert_eq!(json(&site.voipctl(&["status", "-o", "json"]).out)["ready"], true);
}

#[test]
fn two_run_side_by_side() {
    let (one, two) = (Site::new(), Site::new());
    let (_one, _two) = (one.up().ready(), two.up().ready());
    for site in [&one, &two] {
        assert_eq!(json(&site.voipctl(&["status", "-o", "json"]).out)["ready"], true);
    }
}

#[test]
fn killed_it_takes_its_programs_along() {
    let site = Site::new();
    let mut up = site.up().ready();
    up.signal("KILL");
    up.wait();
    eventually("no program is left", || children_of_executable(&site.state()).is_empty());
    assert!(site.voipctl(&["status"]).refused().starts_with("no up runs on"));
    // What was left behind hinders nobody.
    site.up().ready();
}

#[test]
fn a_program_that_dies_is_started_again() {
    let site = Site::new();
    let mut up = site.up().ready();
    for name in ["media-node", "sip-node"] {
        let pid = program(&site.state(), &format!("run {name}")).unwrap();
        signal(pid, "KILL");
        let died = up.wait_for("died (signal 9, SIGKILL), starts again in 0.1 s");
        assert!(died.starts_with(name), "{died}");
        up.wait_for("is started again");
        assert_eq!(site.voipctl(&["status", "--wait", "20s"]).code, Some(0));
        eventually("three programs", || children_of_executable(&site.state()).len() == 3);
        assert!(!children_of_executable(&site.state()).contains(&pid));
    }
    up.signal("TERM");
    assert_eq!(up.wait().0.code(), Some(0));
}

#[test]
fn good_edits_are_applied_and_bad_ones_are_not() {
    let site = Site::new();
    let mut up = site.up().ready();
    let new_user = "---
apiVersion: voip.dev/v1alpha1
kind: SipUser
metadata: {name: \"1003\"}
spec: {clusterRef: {name: office}}
";
    let yaml = format!("{}{new_user}", site.yaml());
    site.write(&yaml);
    up.wait_for("is applied: user 1003 added");
    up.wait_for("1003  ");
    site.write(&yaml.replace("callsPerNode: 4", "callsPerNode: none"));
    up.wait_for("error: ");
    up.wait_for("is not applied, the last good one keeps running");
    site.write(&yaml.replace("callsPerNode: 4", "callsPerNode: 5"));
    up.wait_for("is not applied: restart up to apply spec.media.pools");
    assert_eq!(json(&site.voipctl(&["status", "-o", "json"]).out)["ready"], true);
}

#[test]
fn waiting_for_status_waits_for_up_to_appear() {
    let site = Site::new();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| site.voipctl(&["status", "--wait", "30s", "-o", "json"]));
        let _up = site.up().ready();
        let status = waiting.join().unwrap();
        assert_eq!(status.code, Some(0), "{status:?}");
        assert_eq!(json(&status.out)["ready"], true);
    });
}
