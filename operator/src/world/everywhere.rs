//! What is watched in the whole Kubernetes: nodes and leases, which all VoipClusters share, and the definitions of our kinds.

use kube::runtime::watcher::Config;
use kube::{Api, Client};
use voip_api::RtpPortLease;
use voip_plan::status::Fault;

use super::definitions::Definitions;
use super::faults::Faults;
use super::watch::{Kind, News, Work, keep, mark_of};
use super::{Holders, Scope, Shared, strip};
use crate::ClusterKey;
use crate::observe::nodes;

/// Watches it, and wakes those of `scopes` whom a change is about. The last work is that of the definitions.
pub(super) fn shared(client: &Client, scopes: &[Scope]) -> (Shared, Vec<Work>, Work) {
    let faults = Faults::default();
    let everybody = |what: &str| {
        let (scopes, faults, what) = (scopes.to_vec(), faults.clone(), what.to_owned());
        move |fault: Option<Fault>| {
            if faults.set(&what, fault.clone()) || fault.is_none() {
                scopes.iter().for_each(Scope::wake_all);
            }
        }
    };
    let told = everybody("nodes");
    let (nodes, nodes_work) = keep(
        Kind {
            plural: "nodes",
            api: Api::all(client.clone()),
            config: Config::default(),
            strip: nodes::strip,
            mark: |node| mark_of(format!("{:?}", nodes::node(node))),
        },
        &(),
        move |news| match news {
            News::Failed(fault) => told(Some(fault)),
            News::Changed(_) | News::Gone(_) | News::Listed => told(None),
        },
    );
    let told = everybody("rtpportleases");
    let concerned = scopes.to_vec();
    let (leases, leases_work) = keep(
        Kind {
            plural: "rtpportleases",
            api: Api::all(client.clone()),
            config: Config::default(),
            strip: strip::<RtpPortLease>,
            mark: |lease| mark_of(format!("{:?}", lease.spec)),
        },
        &(),
        move |news| match news {
            News::Failed(fault) => told(Some(fault)),
            News::Listed => told(None),
            News::Changed(lease) | News::Gone(lease) => wake_holders(&concerned, &lease),
        },
    );
    let (definitions, definitions_work) = Definitions::watch(client, everybody);
    let holders = scopes.iter().map(|of| Holders { clusters: of.clusters.clone(), pods: of.pods.clone() });
    (
        Shared { nodes, leases, holders: holders.collect(), definitions, faults },
        vec![nodes_work, leases_work],
        definitions_work,
    )
}

/// Those who have a lease in it.
fn wake_holders(scopes: &[Scope], object: &RtpPortLease) {
    for lease in &object.spec.leases {
        let mut parts = lease.id.split('/');
        let (Some(namespace), Some(name)) = (parts.next(), parts.next()) else { continue };
        for scope in scopes.iter().filter(|scope| scope.serves(namespace)) {
            scope.wakes.wake(ClusterKey { namespace: namespace.to_owned(), name: name.to_owned() });
        }
    }
}
