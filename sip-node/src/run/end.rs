//! Waits for the end and brings it about: calls are ended while everything still works, then CDRs are written.

use std::sync::Arc;
use std::time::Duration;

use call_core::event::AdminOrder;
use tokio::sync::watch;
use tracing::{info, warn};
use voip_telemetry::shutdown::{Cause, Signals};

use super::RunError;
use super::open::Opened;
use crate::args::Args;
use crate::decide::{Control, Post, Snapshot};
use crate::media;

/// How long calls have to end, and their BYEs to be answered.
const CALLS: Duration = Duration::from_millis(2_500);
/// How long CDRs have to be written.
const CDRS: Duration = Duration::from_secs(1);

/// How long log lines have to be written.
const LOG: Duration = Duration::from_millis(200);

/// Serves until a signal or until something dies, then ends calls and writes CDRs.
pub(super) async fn serve(opened: Opened, mut signals: Signals, args: &Args) -> Result<(), RunError> {
    let Opened {
        incarnation, health, router, http, peers, admin, watch, control, media, mut snapshot, ..
    } = opened;
    let mut http = tokio::spawn(voip_telemetry::http::serve(http, router, std::future::pending()));
    let ((reports, orders), admin) = admin.open();
    let mut media = tokio::spawn(media::serve(peers.operators(reports, orders), incarnation, media));
    tokio::spawn(admin);
    let documents = control.clone();
    let mut watch = tokio::spawn(watch.run(async move |loaded| {
        documents.put(Control::Config(loaded)).await;
    }));
    let mut ended = opened.ended;
    // The first snapshot is there: the listeners are open and are looked at.
    let looked = snapshot.wait_for(|snapshot| snapshot.switch.is_some()).await.is_ok();
    if looked {
        health.ready("decisions");
        info!(
            name = %args.name, %incarnation, bind = %args.bind, peers = %args.peers, http = %args.http,
            "sip-node runs"
        );
    }
    let drain = Duration::from_secs(args.drain);
    let mut leaving = Leaving { control, snapshot };
    let mut died = async || {
        tokio::select! {
            Some(thread) = ended.recv() => thread,
            _ = &mut http => "the HTTP server",
            _ = &mut media => "the server for media-nodes",
            _ = &mut watch => "the watch on the config directory",
        }
    };
    let going = async {
        let cause = signals.next().await;
        info!(?cause, drain_s = args.drain, "ending");
        leaving.wait_for_calls(drain, &mut signals).await
    };
    let end = tokio::select! {
        patience = going => Ok(patience),
        what = died() => Err(what),
    };
    health.not_ready("decisions", "ending");
    let patience = end.unwrap_or(Patience::Left);
    if patience == Patience::Left && leaving.end_calls(&mut signals).await == Patience::Left {
        leaving.control.put(Control::Stop).await;
        let _ = opened.decider.join();
        // With the decision thread the last senders to both are gone, and nobody is left whom waiting would hold up.
        if !opened.cdrs.finish(CDRS) {
            warn!("not every CDR could be written in time");
        }
        opened.log.finish(LOG);
    }
    end.map_or_else(|what| Err(RunError::Died(what)), |_| Ok(()))
}

/// Whether whoever sent the signal still waits, or has sent another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    Left,
    Gone,
}

/// A sip-node that is going, towards its decision thread.
struct Leaving {
    control: Post<Control>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
}

impl Leaving {
    /// No new calls from here on. Those that are have `within` to end; after that they are ended.
    ///
    /// The node stays ready meanwhile, for whatever balances load by that would cut the calls off from it. In Kubernetes
    /// that counts while an operator drains it; a pod that is being deleted is no longer ready whatever it says, and
    /// a cloud's balancer that looks at the health port of the Service takes its node out during the drain.
    async fn wait_for_calls(&mut self, within: Duration, signals: &mut Signals) -> Patience {
        if within.is_zero() {
            return Patience::Left;
        }
        self.control.put(Control::Admin(AdminOrder::Leave { within })).await;
        self.wait(within, Snapshot::is_over, signals).await.unwrap_or(Patience::Left)
    }

    /// Ends all calls and waits until it is done.
    async fn end_calls(&mut self, signals: &mut Signals) -> Patience {
        self.control.put(Control::Admin(AdminOrder::EndCalls)).await;
        let over = |snapshot: &Snapshot| snapshot.ending && snapshot.is_over();
        self.wait(CALLS, over, signals).await.unwrap_or_else(|| {
            warn!(limit = ?CALLS, "not everybody has confirmed the end of the calls in time");
            Patience::Left
        })
    }

    /// Waits until it is `over`; none when that takes longer than `limit`.
    async fn wait(
        &mut self,
        limit: Duration,
        over: impl Fn(&Snapshot) -> bool,
        signals: &mut Signals,
    ) -> Option<Patience> {
        tokio::select! {
            // An error means that the decision thread has ended.
            _ = self.snapshot.wait_for(|snapshot| over(snapshot)) => Some(Patience::Left),
            () = tokio::time::sleep(limit) => None,
            () = second(signals) => Some(Patience::Gone),
        }
    }
}

/// A signal; the end of standard input after a signal is no second one.
async fn second(signals: &mut Signals) {
    while signals.next().await == Cause::InputClosed {}
}
