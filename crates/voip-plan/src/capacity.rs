//! How many calls fit.

use serde::Serialize;

use crate::nodes::by_node;
use crate::plan::MediaPod;

/// Capacity of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// Calls at once, on the nodes that are ready.
    pub calls: u32,
    /// The same when the node with the most calls fails.
    pub calls_without_one_node: u32,
    /// Ports of the range that nobody has leased, in the port spaces that are used.
    pub ports_free: u32,
}

pub(crate) fn of(media: &[MediaPod], ports_free: u32) -> Capacity {
    let ready = media.iter().filter(|pod| pod.ready);
    let nodes = by_node(ready.map(|pod| (pod.node.as_str(), pod.capacity)));
    let calls = nodes.values().copied().fold(0, u32::saturating_add);
    let largest = nodes.values().copied().max().unwrap_or(0);
    Capacity { calls, calls_without_one_node: calls.saturating_sub(largest), ports_free }
}
