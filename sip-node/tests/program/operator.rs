//! What an operator hears and what its orders bring about.

use std::time::{Duration, Instant};

use sip_core::{Header, Method, StatusCode};
use tokio::runtime::Runtime;
use voip_contract::Epoch;
use voip_contract::node_admin::{NodeOrder, NodeReport, Role, Service};
use voip_grpc::Security;
use voip_grpc::admin::{AdminSession, connect};

use crate::calls::{closed_record, talk};
use crate::node::{LONG, Place};
use crate::phone::Phone;

struct Operator {
    runtime: Runtime,
    session: AdminSession,
}

impl Operator {
    fn dial(place: &Place) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dialled = connect(place.peers(), Role::SipNode, &Security::Plaintext);
        let session = runtime.block_on(dialled).unwrap();
        Self { runtime, session }
    }

    fn order(&self, order: NodeOrder) {
        self.runtime.block_on(self.session.orders.send(order)).unwrap();
    }

    /// Reads on until a report is as wanted.
    fn wait_for(&mut self, wanted: impl Fn(&NodeReport) -> bool) -> NodeReport {
        let start = Instant::now();
        loop {
            let next = async { tokio::time::timeout(LONG, self.session.reports.next()).await };
            let report = self.runtime.block_on(next).expect("in time").unwrap().unwrap();
            if wanted(&report) {
                return report;
            }
            assert!(start.elapsed() < LONG, "{report:?}");
        }
    }
}

fn drain(epoch: u64, seconds: u32) -> NodeOrder {
    NodeOrder::Drain { epoch: Epoch(epoch), seconds }
}

#[test]
fn a_report_comes_at_once_and_says_what_runs() {
    let place = Place::new();
    let node = place.start_with(&["--name", "office-sip-0"]);
    let mut operator = Operator::dial(&place);
    let report = operator.wait_for(|_| true);
    assert_eq!((report.role, report.name.as_str()), (Role::SipNode, "office-sip-0"));
    assert_eq!((report.service, report.calls), (Service::Serving, 0));
    assert_eq!(report.documents["users.json"], "users-2");
    let call = talk(&place, &node);
    let report = operator.wait_for(|report| report.calls == 1);
    assert_eq!((report.registrations, report.media_nodes.len()), (2, 1));
    place.write_users(&["1001", "1002", "1003"]);
    operator.wait_for(|report| report.documents["users.json"] == "users-3");
    drop(call);
}

#[test]
fn a_drain_by_order_ends_at_its_deadline_and_can_be_taken_back() {
    let place = Place::new();
    let node = place.start();
    let call = talk(&place, &node);
    let mut operator = Operator::dial(&place);
    operator.order(drain(5, 1));
    operator.wait_for(|report| report.service == Service::Draining);
    let phone = Phone::new(&place, "1001");
    assert_eq!(phone.invite("1002").0.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    for phone in [&call.caller, &call.callee] {
        let bye = phone.request(&Method::Bye);
        assert!(bye.text(Header::Reason).unwrap().starts_with("SIP;cause=503;text="));
        phone.answer(&bye, StatusCode::OK, false);
    }
    operator.wait_for(|report| report.service == Service::Drained);
    assert_eq!(closed_record(&place).q850, 41);

    operator.order(NodeOrder::Return { epoch: Epoch(4) });
    operator.order(NodeOrder::Return { epoch: Epoch(5) });
    operator.wait_for(|report| report.service == Service::Serving);
    assert!(node.status().ready);
    operator.order(drain(4, 1));
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1_500) {
        assert_eq!(operator.wait_for(|_| true).service, Service::Serving, "an order of an older operator");
    }
}

#[test]
fn certificates_that_are_not_there_end_it() {
    let place = Place::new();
    let output = place.command().args(["--tls", "/nonexistent"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("--tls: read /nonexistent/tls.crt"), "{stderr}");
}
