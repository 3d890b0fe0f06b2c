//! The session with one program: dialled again and again until nobody wants it any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use voip_contract::node_admin::NodeOrder;
use voip_grpc::admin::{AdminSession, connect};
use voip_grpc::tls::Identity;
use voip_grpc::{GrpcError, Security};

use crate::node_admin::Target;
use crate::node_admin::heard::{FRESH, Heard};
use crate::node_admin::standing::Standing;

/// For the connection, the handshake and the first answer.
const DIAL_WITHIN: Duration = Duration::from_secs(5);
/// Pause before the second attempt; each failure doubles it,
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// up to this one. Each pause is cut at random by up to half, so that many programs are not dialled at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error("no answer within {} s", DIAL_WITHIN.as_secs())]
    NoAnswer,
    #[error(transparent)]
    Broken(#[from] GrpcError),
    #[error("the program ended it")]
    Closed,
    #[error("no report within {} s", FRESH.as_secs())]
    Silent,
    #[error("the program does not take orders")]
    Deaf,
    #[error("this operator ends")]
    Ending,
}

/// What the task of one program works with. It ends by being aborted.
pub(super) struct Session {
    pub(super) target: Target,
    pub(super) identity: watch::Receiver<Identity>,
    pub(super) orders: watch::Receiver<Option<Standing>>,
    pub(super) heard: Arc<Heard>,
    pub(super) dials: Arc<Semaphore>,
}

impl Session {
    /// Dials and listens, for ever.
    pub(super) async fn run(mut self) {
        let (mut pause, mut told) = (FIRST_PAUSE, false);
        loop {
            let over = match self.dial().await {
                Ok(session) => self.listen(session).await,
                Err(over) => over,
            };
            if self.heard.fresh().is_some() {
                pause = FIRST_PAUSE;
            }
            let cluster = self.heard.cluster();
            tracing::debug!(%cluster, pod = self.target.pod, address = %self.target.address, %over, "no session");
            told = self.heard.is_silent() && (told || self.complain(&over));
            self.heard.age();
            sleep(shortened(pause)).await;
            self.heard.age();
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Says once that nothing is heard. A single failure is no news: programs end and start.
    fn complain(&self, over: &Over) -> bool {
        let (cluster, address) = (self.heard.cluster(), self.target.address);
        tracing::warn!(%cluster, pod = self.target.pod, %address, %over, "the program is not heard");
        self.heard.complain();
        true
    }

    async fn dial(&self) -> Result<AdminSession, Over> {
        let _turn = self.dials.acquire().await.map_err(|_| Over::Ending)?;
        let security = Security::Fixed(self.identity.borrow().clone());
        let session = connect(self.target.address, self.target.role, &security);
        Ok(timeout(DIAL_WITHIN, session).await.map_err(|_| Over::NoAnswer)??)
    }

    async fn listen(&mut self, mut session: AdminSession) -> Over {
        // What stands is said first in every session.
        self.orders.mark_changed();
        loop {
            let step = tokio::select! {
                changed = self.orders.changed() => match changed {
                    Ok(()) => self.say(&session.orders),
                    Err(_) => Err(Over::Ending),
                },
                report = timeout(FRESH, session.reports.next()) => match report {
                    Ok(Some(Ok(report))) => {
                        self.heard.hear(report);
                        Ok(())
                    }
                    Ok(Some(Err(error))) => Err(error.into()),
                    Ok(None) => Err(Over::Closed),
                    Err(_) => Err(Over::Silent),
                },
            };
            if let Err(over) = step {
                return over;
            }
        }
    }

    fn say(&mut self, orders: &mpsc::Sender<NodeOrder>) -> Result<(), Over> {
        let Some(standing) = *self.orders.borrow_and_update() else { return Ok(()) };
        orders.try_send(standing.order()).map_err(|error| match error {
            TrySendError::Full(_) => Over::Deaf,
            TrySendError::Closed(_) => Over::Closed,
        })
    }
}

/// Between half of it and all of it; all where there is no randomness.
fn shortened(pause: Duration) -> Duration {
    let part = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(part) / f64::from(u32::MAX))
}
