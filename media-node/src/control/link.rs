//! Streams to the sip-nodes: names are resolved again and again, every address is dialled, for ever.
//!
//! It must not know what the messages mean; they are handed to control with the number of their link.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use voip_contract::media::{FromMediaNode, ToMediaNode};
use voip_grpc::Security;

use crate::args::HostPort;

/// Between two look-ups of a name.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(2);
/// The first pause before dialling again; doubled up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A name with more addresses than this is none of ours.
const MAX_ADDRESSES: usize = 64;

/// One stream. A later stream to the same address has another number.
pub(crate) type LinkId = u64;

/// What happens on the streams.
pub(crate) enum LinkEvent {
    /// A stream is open.
    Up {
        /// It.
        link: LinkId,
        /// Who was dialled.
        address: SocketAddr,
        /// To the sip-node.
        outbound: mpsc::Sender<FromMediaNode>,
        /// Dropping it ends the stream.
        open: oneshot::Sender<()>,
    },
    /// A message came.
    Message {
        /// On this stream.
        link: LinkId,
        /// The message.
        message: ToMediaNode,
    },
    /// The stream has ended.
    Down {
        /// It.
        link: LinkId,
    },
}

/// Keeps a stream to every address of `peer`.
pub(crate) async fn keep_dialling(peer: HostPort, security: Security, events: mpsc::Sender<LinkEvent>) {
    let mut dialled = Dialled::default();
    let mut interval = tokio::time::interval(RESOLVE_INTERVAL);
    let mut resolved_before = true;
    loop {
        interval.tick().await;
        match tokio::net::lookup_host(peer.as_str()).await {
            Ok(addresses) => {
                dialled.update(addresses.take(MAX_ADDRESSES), &security, &events);
                resolved_before = true;
            }
            // A resolver that fails says nothing about the addresses known: they stay.
            Err(error) => {
                if std::mem::replace(&mut resolved_before, false) {
                    tracing::warn!(sip_node = peer.as_str(), %error, "a sip-node's name cannot be resolved");
                }
            }
        }
    }
}

/// The addresses that are dialled. An address that the name no longer has is given up once its stream ends.
#[derive(Default)]
struct Dialled {
    tasks: BTreeMap<SocketAddr, Dialler>,
}

struct Dialler {
    task: AbortHandle,
    /// Dropping it tells the task not to dial again.
    _wanted: oneshot::Sender<()>,
}

impl Dialled {
    fn update(
        &mut self,
        addresses: impl Iterator<Item = SocketAddr>,
        security: &Security,
        events: &mpsc::Sender<LinkEvent>,
    ) {
        let addresses: Vec<_> = addresses.collect();
        self.tasks.retain(|address, dialler| addresses.contains(address) && !dialler.task.is_finished());
        for address in addresses {
            self.tasks.entry(address).or_insert_with(|| {
                let (wanted, unwanted) = oneshot::channel();
                let dialling = dial_for_ever(address, security.clone(), events.clone(), unwanted);
                Dialler { task: tokio::spawn(dialling).abort_handle(), _wanted: wanted }
            });
        }
    }
}

async fn dial_for_ever(
    address: SocketAddr,
    security: Security,
    events: mpsc::Sender<LinkEvent>,
    mut unwanted: oneshot::Receiver<()>,
) {
    let mut pause = SHORTEST_PAUSE;
    let mut reported = false;
    loop {
        match voip_grpc::media::connect(address, &security).await {
            Ok(stream) => {
                pause = SHORTEST_PAUSE;
                reported = false;
                if serve(address, stream, &events).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut reported, true) {
                    tracing::warn!(%address, error = %chain(&error), "a sip-node cannot be reached; trying on");
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(with_jitter(pause)) => {}
            _ = &mut unwanted => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Control has ended.
struct ControlGone;

async fn serve(
    address: SocketAddr,
    mut stream: voip_grpc::media::SipNodeStream,
    events: &mpsc::Sender<LinkEvent>,
) -> Result<(), ControlGone> {
    let link = next_link();
    let send = |event| async { events.send(event).await.map_err(|_| ControlGone) };
    let (open, mut closed) = oneshot::channel();
    send(LinkEvent::Up { link, address, outbound: stream.outbound, open }).await?;
    loop {
        let received = tokio::select! {
            received = stream.inbound.next() => received,
            _ = &mut closed => break,
        };
        match received {
            Some(Ok(message)) => send(LinkEvent::Message { link, message }).await?,
            Some(Err(error)) => {
                tracing::warn!(%address, error = %chain(&error), "the stream to a sip-node broke");
                break;
            }
            None => {
                tracing::info!(%address, "a sip-node has closed its stream");
                break;
            }
        }
    }
    send(LinkEvent::Down { link }).await
}

fn next_link() -> LinkId {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Half the pause and a random part of the other half, so that many media-nodes do not dial in step.
fn with_jitter(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(0);
    pause / 2 + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_half_and_whole() {
        for _ in 0..1_000 {
            let pause = with_jitter(LONGEST_PAUSE);
            assert!(pause >= LONGEST_PAUSE / 2 && pause <= LONGEST_PAUSE, "{pause:?}");
        }
    }
}
