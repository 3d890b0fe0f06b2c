//! What the API says, and to whom.

use voip_contract::admin::CallsReport;

use crate::calls::talk;
use crate::node::{Node, Place};

fn calls(node: &Node<'_>) -> CallsReport {
    let text = node.get("/api/v1/calls").unwrap();
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn calls_that_last_are_listed() {
    let place = Place::new();
    let node = place.start();
    assert_eq!(calls(&node), CallsReport::default());
    let _call = talk(&place, &node);
    let report = calls(&node);
    let [call] = report.calls.as_slice() else { panic!("{report:?}") };
    assert_eq!((report.total, call.from.as_str(), call.to.as_str()), (1, "1001", "1002"));
    assert_eq!(call.media_node.as_deref(), Some("default-0"));
    assert!(call.answered_at_ms.unwrap() >= call.started_at_ms);
}

#[test]
fn with_a_token_the_api_is_for_its_holders_and_probes_are_for_everybody() {
    let place = Place::new();
    let file = place.root.join("token");
    std::fs::write(&file, "first").unwrap();
    let node = place.start_with(&["--api-token", file.to_str().unwrap()]);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert!(node.get(path).unwrap().starts_with("HTTP/1.1 200"), "{path}");
    }
    for path in ["/api/v1/status", "/api/v1/calls", "/api/v1/registrations/1001"] {
        for headers in ["", "Authorization: Bearer second\r\n", "Authorization: Basic first\r\n"] {
            let refused = node.get_with(path, headers).unwrap();
            assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("{\"error\":"), "{refused}");
        }
        let served = node.get_with(path, "Authorization: Bearer first\r\n").unwrap();
        assert!(served.starts_with("HTTP/1.1 200"), "{served}");
    }
    std::fs::write(&file, "second").unwrap();
    let served = node.get_with("/api/v1/status", "Authorization: Bearer second\r\n").unwrap();
    assert!(served.starts_with("HTTP/1.1 200"), "{served}");
}

#[test]
fn a_token_that_is_not_there_ends_it() {
    let place = Place::new();
    let output = place.command().args(["--api-token", "/nonexistent"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--api-token /nonexistent: "));
}
