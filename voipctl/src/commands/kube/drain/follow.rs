//! Waits until media-nodes are empty, and says how many calls are left.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use voip_contract::admin::{MediaNodeStatus, NodeState, StatusReport};

use crate::failure::Failure;
use crate::kubernetes::api::{Api, ApiError};
use crate::kubernetes::cluster::Cluster;
use crate::kubernetes::kubectl::{Kubectl, KubectlError};
use crate::kubernetes::media::{MediaNode, State};
use crate::show;

/// media-nodes tell sip-node as often what they carry.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Beyond the deadline of the calls: for the operator to order the drain, and for what ends the last call.
const GRACE: Duration = Duration::from_mins(1);

/// Why it is not known that they are empty.
#[derive(Debug, thiserror::Error)]
enum NotEmpty {
    #[error("the drain was ordered, but how many calls are left is not seen: {0}")]
    Unseen(ApiError),
    #[error("{0} after the deadline of the drain: look with kubectl voip calls")]
    CallsLeft(String),
    #[error(
        "nothing drains, though it was ordered {0} s ago: does the operator run and serve this namespace? \
         kubectl get pods -A -l app.kubernetes.io/name=voip-operator"
    )]
    NotObeyed(u64),
}

/// How far a drain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    /// Calls on the media-nodes.
    calls: u32,
    /// Media-nodes that may still be given calls.
    serving: usize,
}

/// Returns when `media` carry no calls and take none.
pub(super) async fn until_empty(
    kubectl: &Kubectl,
    cluster: &Cluster,
    media: &[MediaNode],
) -> Result<(), Failure> {
    let patience = Duration::from_secs(cluster.drain_seconds()).saturating_add(GRACE);
    let deadline = Instant::now() + patience;
    let mut api = None;
    let (mut told, mut missed) = (None, None);
    loop {
        match look(kubectl, cluster, &mut api, media).await {
            Ok(Left { calls: 0, serving: 0 }) => {
                show::print("drained: no calls are left\n");
                return Ok(());
            }
            Ok(left) => {
                if told != Some(left) {
                    show::print(&format!("{}\n", progress(left)));
                }
                told = Some(left);
                if Instant::now() >= deadline {
                    return Err(Failure::failed(late(left, patience)));
                }
            }
            Err(error) if passes(&error) && Instant::now() < deadline => {
                api = None;
                let words = error.to_string();
                if missed.as_ref() != Some(&words) {
                    show::complain(&format!("how many calls are left is not seen for now: {words}"));
                }
                missed = Some(words);
            }
            Err(error) => return Err(Failure::failed(NotEmpty::Unseen(error))),
        }
        sleep(LOOK_EVERY).await;
    }
}

/// sip-node may be replaced meanwhile, and the way to it ends with it.
fn passes(error: &ApiError) -> bool {
    match error {
        ApiError::Http(_) | ApiError::NoPod(_) => true,
        ApiError::Kubectl(error) => matches!(
            error,
            KubectlError::NotFound(_) | KubectlError::Failed { .. } | KubectlError::Unreachable(_)
        ),
        ApiError::NoToken(_) => false,
    }
}

async fn look(
    kubectl: &Kubectl,
    cluster: &Cluster,
    api: &mut Option<Api>,
    media: &[MediaNode],
) -> Result<Left, ApiError> {
    if api.is_none() {
        *api = Some(Api::open(kubectl, cluster).await?);
    }
    let Some(api) = api else { return Err(ApiError::NoPod(cluster.id())) };
    let status: StatusReport = api.get("/api/v1/status")?;
    Ok(left(media, &status.media_nodes))
}

fn left(media: &[MediaNode], seen: &[MediaNodeStatus]) -> Left {
    let mut left = Left { calls: 0, serving: 0 };
    for node in media {
        match seen.iter().find(|seen| seen.name == node.name) {
            Some(seen) if seen.state == NodeState::Draining => {
                left.calls = left.calls.saturating_add(seen.sessions);
            }
            // Its calls have been ended.
            Some(seen) if seen.state == NodeState::Lost => {}
            Some(seen) => {
                left.calls = left.calls.saturating_add(seen.sessions);
                left.serving += 1;
            }
            // A sip-node that has just started knows none yet.
            None if matches!(node.state, State::Ready | State::Draining) => left.serving += 1,
            None => {}
        }
    }
    left
}

fn progress(left: Left) -> String {
    let calls = format!("{} left", show::count(left.calls, "call"));
    if left.serving == 0 {
        return calls;
    }
    let nodes = u32::try_from(left.serving).unwrap_or(u32::MAX);
    format!("{calls}; {} not draining yet", show::count(nodes, "media-node"))
}

fn late(left: Left, patience: Duration) -> NotEmpty {
    if left.serving > 0 {
        NotEmpty::NotObeyed(patience.as_secs())
    } else {
        NotEmpty::CallsLeft(progress(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(name: &str, state: State) -> MediaNode {
        MediaNode {
            node: String::new(),
            pool: String::new(),
            shard: 0,
            ports: String::new(),
            control: String::new(),
            address: String::new(),
            state,
            name: name.to_owned(),
            trouble: String::new(),
        }
    }

    fn seen(name: &str, state: NodeState, sessions: u32) -> MediaNodeStatus {
        MediaNodeStatus {
            name: name.to_owned(),
            state,
            ports: String::new(),
            ports_in_use: 0,
            sessions,
            capacity: 10,
        }
    }

    #[test]
    fn calls_of_the_named_media_nodes_count_and_no_others() {
        let status = [
            seen("a", NodeState::Draining, 3),
            seen("b", NodeState::Ready, 2),
            seen("c", NodeState::Lost, 9),
            seen("x", NodeState::Ready, 9),
        ];
        let named = ["a", "b", "c"].map(|name| media(name, State::Ready));
        assert_eq!(left(&named, &status), Left { calls: 5, serving: 1 });
        assert_eq!(left(&named[..1], &status), Left { calls: 3, serving: 0 });
    }

    #[test]
    fn a_media_node_that_sip_node_does_not_know_is_empty_only_when_its_pod_is_not_there() {
        assert_eq!(left(&[media("a", State::Draining)], &[]), Left { calls: 0, serving: 1 });
        assert_eq!(left(&[media("a", State::Lost)], &[]), Left { calls: 0, serving: 0 });
    }

    #[test]
    fn what_is_left_is_said() {
        assert_eq!(progress(Left { calls: 1, serving: 0 }), "1 call left");
        assert_eq!(progress(Left { calls: 2, serving: 1 }), "2 calls left; 1 media-node not draining yet");
    }
}
