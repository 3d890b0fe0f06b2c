//! Keeps programs running: starts them, starts them again when they die, stops them in order.
//!
//! It must not know what the programs are for; `up` does.

mod backoff;
mod keeper;
mod program;

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

pub(crate) use keeper::Event;
pub(crate) use program::{Program, SpawnError};

use keeper::Order;

/// From the request to stop to SIGKILL for whoever is still there.
const PATIENCE: Duration = Duration::from_secs(4);
/// How much of it the programs that are stopped first may take.
const FIRST_SHARE: Duration = Duration::from_millis(2_500);
/// More events than programs can cause between two looks.
const EVENTS: usize = 256;

/// The programs of one `up`.
#[derive(Debug)]
pub(crate) struct Supervisor {
    kept: Vec<Kept>,
    events: mpsc::Receiver<Event>,
    events_in: mpsc::Sender<Event>,
}

#[derive(Debug)]
struct Kept {
    name: String,
    orders: watch::Sender<Order>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Nothing runs yet.
    pub(crate) fn new() -> Self {
        let (events_in, events) = mpsc::channel(EVENTS);
        Self { kept: Vec::new(), events, events_in }
    }

    /// Starts `program` and keeps it running. An error when it cannot even be started.
    pub(crate) fn keep(&mut self, program: Program) -> Result<(), SpawnError> {
        let child = program.spawn()?;
        let name = program.name.clone();
        let (orders, inbox) = watch::channel(Order::Run);
        let task = tokio::spawn(keeper::keep(program, child, inbox, self.events_in.clone()));
        self.kept.push(Kept { name, orders, task });
        Ok(())
    }

    /// What happens next. Pending for as long as nothing does.
    pub(crate) async fn next(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            // Not reached: a sender is kept here.
            None => std::future::pending().await,
        }
    }

    /// Ends everything: SIGTERM to the programs whose name is `first`, then to the others, SIGKILL after 4 s. Waits
    /// until all are gone. `hurry` completing makes it SIGKILL at once.
    pub(crate) async fn stop(self, first: &str, hurry: impl Future<Output = ()>) {
        let now = Instant::now();
        let (share, deadline) = (now + FIRST_SHARE, now + PATIENCE);
        let (leaders, followers): (Vec<_>, Vec<_>) = self.kept.into_iter().partition(|k| k.name == first);
        let orders: Vec<_> = leaders.iter().chain(&followers).map(|k| k.orders.clone()).collect();
        let gently = async {
            end(leaders, Order::Terminate, share).await;
            end(followers, Order::Terminate, deadline).await;
        };
        let done = tokio::select! {
            () = gently => true,
            () = hurry => false,
        };
        for order in &orders {
            order.send_replace(Order::Kill);
        }
        if !done {
            tracing::debug!("killed at once");
        }
        for order in orders {
            // The receiver goes with the keeper, which ends with its program.
            order.closed().await;
        }
    }
}

/// Gives `order` and waits until all have ended, at most until `deadline`.
async fn end(kept: Vec<Kept>, order: Order, deadline: Instant) {
    for one in &kept {
        one.orders.send_replace(order);
    }
    for one in kept {
        // Later is the caller's business, which still holds the sender.
        let _ = timeout_at(deadline, one.task).await;
    }
}

#[cfg(test)]
mod tests;
