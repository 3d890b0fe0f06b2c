//! Waits for the end and brings it about: calls are ended while everything still works, then CDRs are written.

use std::time::Duration;

use call_core::event::AdminOrder;
use tokio::sync::watch;
use tracing::{info, warn};
use voip_telemetry::shutdown::{Cause, Signals};

use super::RunError;
use super::open::Opened;
use crate::args::Args;
use crate::decide::{Control, Snapshot};
use crate::media;

/// How long calls have to end, and their BYEs to be answered.
const CALLS: Duration = Duration::from_millis(2_500);
/// How long CDRs have to be written.
const CDRS: Duration = Duration::from_secs(1);

/// How long log lines have to be written.
const LOG: Duration = Duration::from_millis(200);

/// Serves until a signal or until something dies, then ends calls and writes CDRs.
pub(super) async fn serve(opened: Opened, mut signals: Signals, args: &Args) -> Result<(), RunError> {
    let Opened { incarnation, health, router, http, peers, watch, control, media, mut snapshot, .. } = opened;
    let mut http = tokio::spawn(voip_telemetry::http::serve(http, router, std::future::pending()));
    let mut media = tokio::spawn(media::serve(peers, incarnation, media));
    let documents = control.clone();
    let mut watch = tokio::spawn(watch.run(async move |new| {
        documents.put(Control::Config(new)).await;
    }));
    let mut ended = opened.ended;
    // The first snapshot is there: the listeners are open and are looked at.
    let looked = snapshot.wait_for(|snapshot| snapshot.switch.is_some()).await.is_ok();
    if looked {
        health.ready("decisions");
        info!(%incarnation, bind = %args.bind, peers = %args.peers, http = %args.http, "sip-node runs");
    }
    let died = tokio::select! {
        cause = signals.next() => {
            info!(?cause, "ending");
            None
        }
        Some(thread) = ended.recv() => Some(thread),
        _ = &mut http => Some("the HTTP server"),
        _ = &mut media => Some("the server for media-nodes"),
        _ = &mut watch => Some("the watch on the config directory"),
    };
    health.not_ready("decisions", "ending");
    if end_calls(&control, &mut snapshot, &mut signals).await {
        control.put(Control::Stop).await;
        let _ = opened.decider.join();
        // With the decision thread the last senders to both are gone, and nobody is left whom waiting would hold up.
        if !opened.cdrs.finish(CDRS) {
            warn!("not every CDR could be written in time");
        }
        opened.log.finish(LOG);
    }
    died.map_or(Ok(()), |what| Err(RunError::Died(what)))
}

/// Orders the end of all calls and waits for it. False when a second signal wants no waiting.
async fn end_calls(
    control: &crate::decide::Post<Control>,
    snapshot: &mut watch::Receiver<std::sync::Arc<Snapshot>>,
    signals: &mut Signals,
) -> bool {
    let ended = async {
        for order in [AdminOrder::Drain, AdminOrder::EndCalls] {
            control.put(Control::Admin(order)).await;
        }
        // An error means that the decision thread has ended.
        let _ = snapshot.wait_for(|snapshot| snapshot.is_over()).await;
    };
    tokio::select! {
        () = ended => true,
        () = tokio::time::sleep(CALLS) => {
            warn!(limit = ?CALLS, "not everybody has confirmed the end of the calls in time");
            true
        }
        () = second(signals) => false,
    }
}

/// A signal; the end of standard input after a signal is no second one.
async fn second(signals: &mut Signals) {
    while signals.next().await == Cause::InputClosed {}
}
