//! `kubectl voip drain`: names nodes in an annotation of the VoipCluster, upon which the operator empties their
//! media-nodes, and waits until they are.

mod follow;

use std::collections::BTreeSet;

use voip_plan::objects::names::DRAIN;

use crate::cli::kube::DrainArgs;
use crate::failure::Failure;
use crate::kubernetes::cluster::{CLUSTERS, Cluster, FindError, choose, find};
use crate::kubernetes::kubectl::{Kubectl, KubectlError};
use crate::kubernetes::media::nodes;
use crate::show;

/// The operator writes to the VoipCluster too.
const ATTEMPTS: usize = 10;

/// What cannot be drained.
#[derive(Debug, thiserror::Error)]
enum DrainError {
    #[error("{0} is the VoipCluster: say which of its nodes to drain (kubectl voip nodes {0})")]
    NoNodes(String),
    #[error("{cluster} has no media-node on {unknown}: it has some on {known}")]
    UnknownNode { cluster: String, unknown: String, known: String },
}

/// Runs the command.
pub(crate) async fn run(kubectl: &Kubectl, args: &DrainArgs) -> Result<(), Failure> {
    let (cluster, named) = read(kubectl, &args.words)?;
    let kubectl = kubectl.within(cluster.namespace());
    if args.undo {
        let before = change(&kubectl, cluster, |drained| drained.retain(|node| !named.contains(node)))?;
        show::print(&undone(&named, &before));
        return Ok(());
    }
    let (nodes, unseen) = nodes(&kubectl, &cluster);
    for error in unseen {
        show::complain(&format!("not all is seen: {error}"));
    }
    check(&cluster, &named, nodes.iter().map(|node| node.node.as_str()).collect()).map_err(Failure::input)?;
    change(&kubectl, cluster.clone(), |drained| drained.extend(named.iter().cloned()))?;
    let list = named.iter().cloned().collect::<Vec<_>>().join(", ");
    show::print(&format!("asked to drain: {list}\n"));
    if args.no_wait {
        return Ok(());
    }
    let mut media = nodes;
    media.retain(|node| named.contains(&node.node));
    follow::until_empty(&kubectl, &cluster, &media).await
}

/// The first of several words may be the VoipCluster's name.
fn read(kubectl: &Kubectl, words: &[String]) -> Result<(Cluster, BTreeSet<String>), Failure> {
    let all: Vec<Cluster> = kubectl.list(&[CLUSTERS]).map_err(FindError::from)?;
    let first = words.first().map(String::as_str).unwrap_or_default();
    let is_name = all.iter().any(|cluster| cluster.name() == first);
    let (name, nodes) = match words {
        [name] if is_name => return Err(Failure::input(DrainError::NoNodes(name.clone()))),
        [name, nodes @ ..] if is_name => (Some(name.as_str()), nodes),
        nodes => (None, nodes),
    };
    Ok((choose(all, name, kubectl.namespace())?, nodes.iter().cloned().collect()))
}

fn check(cluster: &Cluster, named: &BTreeSet<String>, known: BTreeSet<&str>) -> Result<(), DrainError> {
    let unknown: Vec<&str> = named.iter().map(String::as_str).filter(|name| !known.contains(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let known = known.into_iter().take(10).collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "none".to_owned() } else { known };
    Err(DrainError::UnknownNode { cluster: cluster.id(), unknown: unknown.join(", "), known })
}

/// Writes the annotation unless somebody else wrote in between, then tries again. Returns the names that it had.
fn change(
    kubectl: &Kubectl,
    mut cluster: Cluster,
    change: impl Fn(&mut BTreeSet<String>),
) -> Result<BTreeSet<String>, Failure> {
    let name = cluster.name().to_owned();
    for _ in 1..ATTEMPTS {
        match write(kubectl, &cluster, &change) {
            Err(KubectlError::Conflict(_)) => cluster = find(kubectl, Some(&name))?,
            done => return Ok(done?),
        }
    }
    Ok(write(kubectl, &cluster, &change)?)
}

fn write(
    kubectl: &Kubectl,
    cluster: &Cluster,
    change: impl Fn(&mut BTreeSet<String>),
) -> Result<BTreeSet<String>, KubectlError> {
    let before: BTreeSet<String> = cluster.drained().into_iter().map(str::to_owned).collect();
    let mut after = before.clone();
    change(&mut after);
    if after != before {
        let value = match after.into_iter().collect::<Vec<_>>().join(",") {
            none if none.is_empty() => format!("{DRAIN}-"),
            some => format!("{DRAIN}={some}"),
        };
        let version = cluster.metadata.resource_version.as_deref().unwrap_or_default();
        let version = format!("--resource-version={version}");
        kubectl.run(&["annotate", CLUSTERS, cluster.name(), &value, "--overwrite", &version], "")?;
    }
    Ok(before)
}

fn undone(named: &BTreeSet<String>, before: &BTreeSet<String>) -> String {
    let line = |node: &String| {
        if before.contains(node) {
            format!("{node}: takes calls again as soon as the operator has told it\n")
        } else {
            format!("{node}: nobody had asked to drain it\n")
        }
    };
    named.iter().map(line).collect()
}
