//! What operators are told, and the way of their orders to the decision thread. It decides nothing: whether an order is
//! obeyed is the switch's matter.

use std::sync::Arc;
use std::time::Duration;

use call_core::event::AdminOrder;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use voip_contract::Incarnation;
use voip_contract::node_admin::{NodeOrder, NodeReport, Role, Service};

use crate::config::ConfigState;
use crate::decide::{Control, Post, Snapshot};

/// Time between two reports in which nothing but figures changed.
const INTERVAL: Duration = Duration::from_secs(1);
/// Orders that wait for the decision thread.
const ORDERS: usize = 4;

/// What reports are made from.
pub(crate) struct Admin {
    /// Name in the plan.
    pub(crate) name: String,
    /// This run.
    pub(crate) incarnation: Incarnation,
    /// From the decision thread.
    pub(crate) snapshot: watch::Receiver<Arc<Snapshot>>,
    /// From the watch on the config directory.
    pub(crate) config: watch::Receiver<ConfigState>,
    /// To the decision thread.
    pub(crate) control: Post<Control>,
}

/// The ends that a server needs: the newest report, and where orders are put.
pub(crate) type Ends = (watch::Receiver<NodeReport>, mpsc::Sender<NodeOrder>);

impl Admin {
    /// The ends, and what runs between them and the rest: for as long as the decision thread does.
    pub(crate) fn open(self) -> (Ends, impl Future<Output = ()>) {
        let (reports, newest) = watch::channel(self.report());
        let (given, orders) = mpsc::channel(ORDERS);
        let control = self.control.clone();
        let work = async move {
            tokio::select! {
                () = self.tell(reports) => {}
                () = pass_on(orders, control) => {}
            }
        };
        ((newest, given), work)
    }

    /// Reports when something but figures changes, and otherwise once a second.
    async fn tell(mut self, reports: watch::Sender<NodeReport>) {
        let mut told = Instant::now();
        while self.something_changes().await {
            let report = self.report();
            if told.elapsed() >= INTERVAL || is_news(&report, &reports.borrow()) {
                told = Instant::now();
                reports.send_replace(report);
            }
        }
    }

    /// At least once a second, as snapshots come. False when the decision thread has ended.
    async fn something_changes(&mut self) -> bool {
        tokio::select! {
            changed = self.snapshot.changed() => changed.is_ok(),
            changed = self.config.changed() => changed.is_ok(),
        }
    }

    fn report(&self) -> NodeReport {
        let snapshot = Arc::clone(&self.snapshot.borrow());
        let switch = snapshot.switch.as_ref();
        NodeReport {
            role: Role::SipNode,
            name: self.name.clone(),
            incarnation: self.incarnation,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            service: service(&snapshot),
            calls: snapshot.open_calls(),
            registrations: switch.map_or(0, |switch| switch.registrations),
            documents: snapshot.documents.clone(),
            rejected: self.config.borrow().rejected.clone(),
            foreign_ports: Vec::new(),
            ephemeral_ports: None,
            media_nodes: switch.map_or_else(Vec::new, |switch| switch.media_nodes.clone()),
        }
    }
}

/// Drained is only who has nothing left to say either: the operator takes its way to callers away then.
fn service(snapshot: &Snapshot) -> Service {
    match &snapshot.switch {
        Some(switch) if switch.draining && snapshot.is_over() => Service::Drained,
        Some(switch) if switch.draining => Service::Draining,
        _ => Service::Serving,
    }
}

/// Whether they differ in more than figures.
fn is_news(new: &NodeReport, old: &NodeReport) -> bool {
    let states = |report: &NodeReport| -> Vec<_> {
        report.media_nodes.iter().map(|node| (node.name.clone(), node.state)).collect()
    };
    new.service != old.service
        || new.documents != old.documents
        || new.rejected != old.rejected
        || states(new) != states(old)
}

async fn pass_on(mut orders: mpsc::Receiver<NodeOrder>, control: Post<Control>) {
    while let Some(order) = orders.recv().await {
        if !control.put(Control::Admin(AdminOrder::Ordered(order))).await {
            return;
        }
    }
}
