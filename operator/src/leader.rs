//! One operator leads; the others wait.
//!
//! Leases are safe with two operators at work, by compare-and-swap; leadership only keeps them from doing everything twice.

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use voip_contract::Epoch;

use crate::args::Args;

/// A leader that is not heard of for so long is replaced, seconds.
const DURATION: u64 = 15;
/// A leader renews so long before that, seconds.
const GRACE: u64 = 5;
/// Bits of an epoch that count changes of the leader; above them is when the Lease was made, so that a Lease that was
/// deleted does not turn epochs back.
const TRANSITIONS: u32 = 24;

/// Why leadership cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// The Lease cannot be made or read.
    #[error("{0}; a Lease that was deleted is made again by `helm upgrade`")]
    Lease(#[from] kube_lease_manager::LeaseManagerError),
    /// Whatever asks for leadership has failed: nothing more will come of it.
    #[error("the task that asks for leadership has ended")]
    Ended,
    /// Who the leader was cannot be read.
    #[error(transparent)]
    Read(#[from] kube::Error),
}

/// Leadership, held or waited for.
pub(crate) struct Leadership {
    /// None: nobody else is asked.
    election: Option<Election>,
    /// The epoch without an election.
    alone: Epoch,
}

/// By a Lease.
struct Election {
    leases: Api<Lease>,
    name: String,
    /// Whether this operator leads.
    leads: watch::Receiver<bool>,
    /// Asks for it again and again; ends when `leads` is dropped.
    manager: JoinHandle<kube_lease_manager::Result<LeaseManager>>,
}

impl Leadership {
    /// Asks for it, unless the arguments say otherwise.
    pub(crate) async fn new(args: &Args, own: &str, client: &Client) -> Result<Self, LeaderError> {
        let namespace = args.leader_election_namespace.clone().unwrap_or_else(|| own.to_owned());
        let name = args.leader_election_name.clone();
        let leases = Api::namespaced(client.clone(), &namespace);
        if args.no_leader_election {
            return Ok(Self { election: None, alone: alone(&leases, &name).await });
        }
        let manager = LeaseManagerBuilder::new(client.clone(), &name)
            .with_namespace(&namespace)
            .with_duration(DURATION)
            .with_grace(GRACE)
            .build()
            .await?;
        let (leads, manager) = manager.watch().await;
        Ok(Self { election: Some(Election { leases, name, leads, manager }), alone: Epoch(0) })
    }

    /// Waits for it. The epoch is higher than that of all leaders before.
    pub(crate) async fn gained(&mut self) -> Result<Epoch, LeaderError> {
        let Some(election) = &mut self.election else { return Ok(self.alone) };
        election.leads.wait_for(|leads| *leads).await.map_err(|_| LeaderError::Ended)?;
        Ok(epoch(&election.leases.get(&election.name).await?))
    }

    /// Waits until somebody else leads, or may: while the API server does not answer, that is not known, and who leads
    /// goes on.
    pub(crate) async fn lost(&mut self) {
        match &mut self.election {
            None => std::future::pending().await,
            Some(election) => drop(election.leads.wait_for(|leads| !leads).await),
        }
    }

    /// Lets another lead at once.
    pub(crate) async fn release(self) {
        let Some(election) = self.election else { return };
        drop(election.leads);
        match election.manager.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "leadership was not released"),
            Err(error) => tracing::warn!(%error, "leadership was not released"),
        }
    }
}

/// Programs obey whoever leads after this operator, and obeyed whoever led before. Where nobody ever did, a Lease that is
/// made later has a higher epoch.
async fn alone(leases: &Api<Lease>, name: &str) -> Epoch {
    let now = u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or(0) << TRANSITIONS;
    match leases.get_opt(name).await {
        Ok(Some(lease)) => epoch(&lease),
        Ok(None) => Epoch(now),
        Err(error) => {
            tracing::warn!(lease = name, %error, "who led before cannot be read");
            Epoch(now)
        }
    }
}

fn epoch(lease: &Lease) -> Epoch {
    let made = lease.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
    let made = u64::try_from(made).unwrap_or(0);
    let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0);
    let transitions = u64::try_from(transitions).unwrap_or(0).min((1 << TRANSITIONS) - 1);
    Epoch((made << TRANSITIONS) | transitions)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::Store;

    fn lease(made: &str, transitions: i32) -> Lease {
        serde_json::from_value(json!({
            "metadata": {"creationTimestamp": made}, "spec": {"leaseTransitions": transitions},
        }))
        .unwrap()
    }

    #[test]
    fn epochs_rise_with_each_leader_and_when_the_lease_was_made_anew() {
        let first = epoch(&lease("2026-01-01T00:00:00Z", 0));
        let later = epoch(&lease("2026-01-01T00:00:00Z", 900));
        let anew = epoch(&lease("2026-01-01T00:00:01Z", 0));
        assert!(first < later && later < anew, "{first:?} {later:?} {anew:?}");
    }

    #[tokio::test]
    async fn without_an_election_the_epoch_is_that_of_the_last_leader_or_of_now() {
        let store = Store::default();
        let leases: Api<Lease> = Api::namespaced(store.client(), "v");
        let now = alone(&leases, "operator").await;
        let (past, future) = (lease("2026-01-01T00:00:00Z", 3), lease("2100-01-01T00:00:00Z", 0));
        assert!(epoch(&past) < now && now < epoch(&future), "{now:?}");
        let path = "/apis/coordination.k8s.io/v1/namespaces/v/leases/operator";
        store.put(path, serde_json::to_value(&past).unwrap());
        assert_eq!(alone(&leases, "operator").await, epoch(&past));
    }

    #[tokio::test]
    async fn an_operator_that_can_never_lead_ends() {
        let leases = Api::namespaced(Store::default().client(), "v");
        let manager = tokio::spawn(std::future::pending());
        let (dropped, leads) = watch::channel(false);
        drop(dropped);
        let election = Some(Election { leases, name: "operator".to_owned(), leads, manager });
        let gained = Leadership { election, alone: Epoch(0) }.gained().await;
        assert!(matches!(gained, Err(LeaderError::Ended)), "{gained:?}");
    }
}
