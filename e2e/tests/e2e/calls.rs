//! How calls begin and end, as callers, callees and CDRs see it.

use std::time::Duration;

use e2e::{Cluster, Up};
use serde_json::Value;
use softphone::{AnswerPolicy, Call, CallOptions, EndReason, EndedBy, Phone, PhoneError};

const SOON: Duration = Duration::from_secs(10);
const REGISTERED_FOR: Duration = Duration::from_mins(2);

/// 1001 registered with the usual behaviour, 1002 registered with this one.
fn pair(up: &Up, callee: AnswerPolicy) -> (Phone, Phone) {
    let mut config = up.phone_config("1002");
    config.answer = callee;
    let callee = Phone::start(config).expect("a phone starts");
    callee.register(REGISTERED_FOR).expect("1002 registers");
    let caller = up.phone("1001");
    caller.register(REGISTERED_FOR).expect("1001 registers");
    (caller, callee)
}

/// 1001 calls `number` and is refused.
fn refused(caller: &Phone, number: &str) -> EndReason {
    let call = caller.call(number, CallOptions::default()).expect("the INVITE goes out");
    call.wait_ended(Duration::from_secs(40)).expect("the call ends")
}

/// The only CDR, closed.
fn record(up: &Up) -> Value {
    up.closed_cdrs(1).remove(0)
}

fn answered(caller: &Phone, number: &str) -> Call {
    let call = caller.call(number, CallOptions::default()).expect("the INVITE goes out");
    call.wait_answered(SOON).expect("the call is answered");
    call
}

#[test]
fn a_number_that_leads_nowhere_is_404() {
    let mut cluster = Cluster::new();
    cluster.routes = "  - {id: users, pattern: \"1*\", actions: [{dial: {target: \"user/${destination}\"}}]}";
    let up = cluster.up();
    let (caller, _callee) = pair(&up, AnswerPolicy::Manual);
    assert_eq!(refused(&caller, "2999").status, Some(404), "no route");
    assert_eq!(refused(&caller, "1999").status, Some(404), "a route, but no such user");
    let records = up.closed_cdrs(2);
    for record in records {
        assert_eq!((&record["sipStatus"], &record["q850"]), (&404.into(), &1.into()), "{record}");
        assert_eq!(record["endedBy"], "system", "{record}");
        assert_eq!(record["durationMs"], 0, "{record}");
    }
    up.stop();
}

#[test]
fn a_user_who_is_not_registered_is_480() {
    let up = Cluster::new().up();
    let caller = up.phone("1001");
    assert_eq!(refused(&caller, "1002").status, Some(480));
    assert_eq!(record(&up)["sipStatus"], 480);
    up.stop();
}

#[test]
fn a_busy_callee_is_486() {
    let up = Cluster::new().up();
    let (caller, _callee) = pair(&up, AnswerPolicy::Busy);
    assert_eq!(refused(&caller, "1002").status, Some(486));
    let record = record(&up);
    assert_eq!((&record["sipStatus"], &record["q850"]), (&486.into(), &17.into()), "{record}");
    assert_eq!(record["endedBy"], "callee", "{record}");
    up.await_idle();
    up.stop();
}

#[test]
fn a_callee_who_declines_is_relayed() {
    let up = Cluster::new().up();
    let (caller, _callee) = pair(&up, AnswerPolicy::Decline(603));
    assert_eq!(refused(&caller, "1002").status, Some(603));
    assert_eq!(record(&up)["q850"], 21);
    up.await_idle();
    up.stop();
}

#[test]
fn nobody_answers_in_time_is_480() {
    let mut cluster = Cluster::new();
    cluster.routes = "  - {id: users, pattern: \"1*\", actions: [{dial: {target: \"user/${destination}\", timeoutSeconds: 2}}]}";
    let up = cluster.up();
    let (caller, callee) = pair(&up, AnswerPolicy::RingForever);
    let call = caller.call("1002", CallOptions::default()).unwrap();
    call.wait_ringing(SOON).expect("180 reaches the caller");
    let at_callee = callee.incoming(SOON).expect("the callee rings");
    assert_eq!(call.wait_ended(SOON).unwrap().status, Some(480));
    at_callee.wait_ended(SOON).expect("the callee gets CANCEL");
    let record = record(&up);
    assert_eq!((&record["sipStatus"], &record["q850"]), (&480.into(), &19.into()), "{record}");
    up.await_idle();
    up.stop();
}

#[test]
fn a_caller_who_gives_up_is_487() {
    let up = Cluster::new().up();
    let (caller, callee) = pair(&up, AnswerPolicy::RingForever);
    let call = caller.call("1002", CallOptions::default()).unwrap();
    call.wait_ringing(SOON).unwrap();
    let at_callee = callee.incoming(SOON).unwrap();
    call.cancel().unwrap();
    assert_eq!(call.wait_ended(SOON).unwrap().status, Some(487));
    at_callee.wait_ended(SOON).expect("the callee gets CANCEL");
    let record = record(&up);
    assert_eq!((&record["sipStatus"], &record["endedBy"]), (&487.into(), &"caller".into()), "{record}");
    up.await_idle();
    up.stop();
}

#[test]
fn either_side_may_hang_up() {
    let up = Cluster::new().up();
    let (caller, callee) = pair(&up, AnswerPolicy::AnswerAfter { ringing: None });
    for (number, by) in [(1, "caller"), (2, "callee")] {
        let call = answered(&caller, "1002");
        let at_callee = callee.incoming(SOON).unwrap();
        at_callee.wait_answered(SOON).unwrap();
        let (leaver, other) = if by == "caller" { (&call, &at_callee) } else { (&at_callee, &call) };
        leaver.hangup().unwrap();
        let end = other.wait_ended(SOON).unwrap();
        assert_eq!(end.by, EndedBy::Remote);
        assert_eq!(leaver.wait_ended(SOON).unwrap().bye_status, Some(200));
        let record = up.closed_cdrs(number).pop().unwrap();
        assert_eq!((&record["sipStatus"], &record["q850"]), (&200.into(), &16.into()), "{record}");
        assert_eq!(record["endedBy"], by, "{record}");
    }
    up.await_idle();
    up.stop();
}

#[test]
fn a_cdr_holds_who_when_and_how_long() {
    let up = Cluster::new().up();
    let (caller, callee) = pair(&up, AnswerPolicy::AnswerAfter { ringing: Some(Duration::from_millis(300)) });
    let call = answered(&caller, "1002");
    let _at_callee = callee.incoming(SOON).unwrap();
    call.wait_media(SOON, |report| report.received >= 75).expect("a second and a half of audio");
    call.hangup().unwrap();
    call.wait_ended(SOON).unwrap();
    let talked = call.talk_time().expect("it was answered");
    let record = record(&up);
    assert_eq!((&record["from"], &record["to"]), (&"1001".into(), &"1002".into()), "{record}");
    let recorded = Duration::from_millis(record["durationMs"].as_u64().unwrap());
    assert!(
        recorded.abs_diff(talked) < Duration::from_millis(250),
        "talked {talked:?}, recorded {recorded:?}"
    );
    let times =
        ["startedAt", "answeredAt", "endedAt"].map(|field| record[field].as_str().unwrap().to_owned());
    assert!(times.is_sorted() && times.iter().all(|time| time.ends_with('Z')), "{times:?}");
    up.stop();
}

#[test]
fn a_caller_may_only_be_itself() {
    let up = Cluster::new().up();
    let (caller, _callee) = pair(&up, AnswerPolicy::Manual);
    let options = CallOptions { from_user: Some("1002".into()), ..CallOptions::default() };
    let call = caller.call("1002", options).unwrap();
    assert_eq!(call.wait_ended(SOON).unwrap().status, Some(403));
    assert!(up.cdrs().is_empty(), "what is refused at the door is no call");
    up.stop();
}

#[test]
fn a_call_of_a_stranger_is_refused() {
    let up = Cluster::new().up();
    let mut config = up.phone_config("1001");
    config.secret = softphone::Secret::Password("wrong".into());
    let stranger = Phone::start(config).unwrap();
    let end = refused(&stranger, "1002");
    assert!(end.wrong_credentials, "{end}");
    assert!(up.cdrs().is_empty(), "what is refused at the door is no call");
    up.await_metric("voip_sip_requests_refused_total", |refused| refused >= 1.0);
    up.stop();
}

#[test]
fn a_dialplan_tries_the_next_action_when_nobody_answers() {
    let mut cluster = Cluster::new();
    cluster.users.push("1003".into());
    cluster.routes = "  - {id: chain, pattern: \"600\", actions: [{dial: {target: user/1002, timeoutSeconds: 1}}, \
                      {dial: {target: user/1003}}]}\n  - {id: closed, pattern: \"601\", actions: [{hangup: {status: 410}}]}";
    let up = cluster.up();
    let (caller, _callee) = pair(&up, AnswerPolicy::RingForever);
    let second = up.phone("1003");
    second.register(REGISTERED_FOR).unwrap();
    let call = answered(&caller, "600");
    second.incoming(SOON).expect("1003 is called after 1002").wait_answered(SOON).unwrap();
    call.hangup().unwrap();
    call.wait_ended(SOON).unwrap();
    assert_eq!(refused(&caller, "601").status, Some(410));
    up.closed_cdrs(2);
    up.await_idle();
    up.stop();
}

#[test]
fn a_call_without_an_offer_is_offered_by_the_callee() {
    let up = Cluster::new().up();
    let (caller, callee) = pair(&up, AnswerPolicy::AnswerAfter { ringing: None });
    let options = CallOptions { late_offer: true, ..CallOptions::default() };
    let call = caller.call("1002", options).unwrap();
    call.wait_answered(SOON).unwrap();
    let at_callee = callee.incoming(SOON).unwrap();
    for side in [&call, &at_callee] {
        side.wait_media(SOON, |report| report.received >= 25).expect("audio both ways");
    }
    call.hangup().unwrap();
    at_callee.wait_ended(SOON).unwrap();
    up.closed_cdrs(1);
    up.stop();
}

#[test]
fn more_calls_than_a_user_may_have_are_refused() {
    let up = Cluster::new().up();
    let (caller, callee) = pair(&up, AnswerPolicy::AnswerAfter { ringing: None });
    // SipUser.spec.maxCalls is 4 by default.
    let calls: Vec<Call> = (0..4).map(|_| answered(&caller, "1002")).collect();
    let fifth = caller.call("1002", CallOptions::default()).unwrap();
    let error = fifth.wait_answered(SOON).expect_err("the fifth call is refused");
    assert!(matches!(&error, PhoneError::Ended(end) if end.status == Some(403)), "{error}");
    drop((calls, callee));
    up.await_idle();
    up.stop();
}
