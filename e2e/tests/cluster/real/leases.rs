//! The port leases of an office, as the API server has them.

use e2e::kubernetes::get;
use serde_json::Value;

use super::office::{NAME, Office};

/// The leases of the office's media-nodes: `(port space, lease)`.
pub(super) fn leases_of(office: &Office) -> Vec<(String, Value)> {
    let owner = format!("{}/{NAME}/", office.namespace());
    let spaces = get(&["rtpportleases"]);
    let of_space = |space: &Value| {
        let name = space["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let leases = space["spec"]["leases"].as_array().cloned().unwrap_or_default();
        let ours =
            leases.into_iter().filter(|lease| lease["id"].as_str().is_some_and(|id| id.starts_with(&owner)));
        ours.map(move |lease| (name.clone(), lease)).collect::<Vec<_>>()
    };
    spaces["items"].as_array().into_iter().flatten().flat_map(of_space).collect()
}
