use std::sync::atomic::AtomicU32;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::testing::scripted;

/// What is told of a watch that ends once with this status.
async fn told_after(status: Value) -> Vec<&'static str> {
    let watches = Arc::new(AtomicU32::new(0));
    let client = scripted(move |asked| {
        let (watches, status) = (Arc::clone(&watches), status.clone());
        async move {
            if !asked.query.contains("watch=true") {
                let metadata = json!({"resourceVersion": "1"});
                return (
                    200,
                    json!({"apiVersion": "v1", "kind": "NodeList", "metadata": metadata, "items": []}),
                );
            }
            match watches.fetch_add(1, Ordering::Relaxed) {
                0 => (200, json!({"type": "ERROR", "object": status})),
                _ => std::future::pending().await,
            }
        }
    });
    let kind = Kind::<Node> {
        plural: "nodes",
        api: Api::all(client),
        config: Config::default(),
        strip: |_| (),
        mark: every_version,
    };
    let (tell, mut told) = mpsc::unbounded_channel();
    let (_, work) = keep(kind, &(), move |news| {
        let name = match news {
            News::Failed(_) => "failed",
            News::Listed => "listed",
            News::Changed(_) | News::Gone(_) => "changed",
        };
        tell.send(name).ok();
    });
    tokio::time::timeout(Duration::from_mins(1), work).await.ok();
    let mut all = Vec::new();
    told.recv_many(&mut all, 9).await;
    all
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_starts_anew_is_no_failure() {
    let status = |code: u16, reason: &str| json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "too old"});
    assert_eq!(told_after(status(410, "Expired")).await, ["listed", "listed"]);
    assert_eq!(told_after(status(500, "InternalError")).await, ["listed", "failed"]);
}
