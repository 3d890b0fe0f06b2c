//! `kubectl voip nodes`: all media-nodes.

use std::fmt::Write;

use crate::cli::kube::ShowArgs;
use crate::failure::Failure;
use crate::kubernetes::cluster::find;
use crate::kubernetes::kubectl::Kubectl;
use crate::kubernetes::media::{MediaNode, nodes};
use crate::show;

/// Runs the command.
pub(crate) fn run(kubectl: &Kubectl, args: &ShowArgs) -> Result<(), Failure> {
    let cluster = find(kubectl, args.name.as_deref())?;
    let (nodes, unseen) = nodes(kubectl, &cluster);
    match args.output {
        Some(_) => show::print(&show::json(&nodes)),
        None if nodes.is_empty() => {
            show::print(&format!("{} has no media-nodes yet: kubectl voip status says why\n", cluster.id()));
        }
        None => show::print(&text(&nodes)),
    }
    for error in unseen {
        show::complain(&format!("not all is seen: {error}"));
    }
    Ok(())
}

fn text(nodes: &[MediaNode]) -> String {
    let rows = nodes.iter().map(|node| {
        let or_none = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
        vec![
            node.node.clone(),
            node.pool.clone(),
            node.shard.to_string(),
            or_none(&node.ports),
            or_none(&node.control),
            or_none(&node.address),
            format!("{:?}", node.state),
        ]
    });
    let heads = ["NODE", "POOL", "SHARD", "PORTS", "CONTROL", "ADDRESS", "STATE"];
    let mut text = show::table(&heads, rows);
    for node in nodes.iter().filter(|node| !node.trouble.is_empty()) {
        let _ = writeln!(text, "\n{}: {}", node.node, node.trouble);
    }
    text
}
