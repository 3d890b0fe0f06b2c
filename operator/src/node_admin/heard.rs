//! What a program last said of itself, and whether somebody must look at it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use voip_contract::node_admin::NodeReport;

use crate::ClusterKey;
use crate::node_admin::bell::{Bell, Urgency};

/// Programs report once a second. What is older than this is not known any more.
pub(super) const FRESH: Duration = Duration::from_secs(5);

/// A program that is dialled again and again is heard within seconds of its start.
const SILENT: Duration = Duration::from_secs(30);

/// The newest report of one program.
pub(super) struct Heard {
    cluster: ClusterKey,
    bell: Arc<Bell>,
    last: Mutex<Option<(Instant, NodeReport)>>,
    /// When the newest report came, or else when somebody began to listen.
    since: Mutex<Instant>,
}

impl Heard {
    pub(super) fn new(cluster: ClusterKey, bell: Arc<Bell>) -> Self {
        Self { cluster, bell, last: Mutex::new(None), since: Mutex::new(Instant::now()) }
    }

    /// The program reports.
    pub(super) fn hear(&self, report: NodeReport) {
        let urgency = self.last().as_ref().map_or(Some(Urgency::Change), |(_, before)| news(before, &report));
        *self.last() = Some((Instant::now(), report));
        *self.since() = Instant::now();
        if let Some(urgency) = urgency {
            self.bell.ring(&self.cluster, urgency);
        }
    }

    /// Drops a report that is no longer fresh. That it is not known any more is news too.
    pub(super) fn age(&self) {
        if self.last().take_if(|(at, _)| at.elapsed() >= FRESH).is_some() {
            self.bell.ring(&self.cluster, Urgency::Change);
        }
    }

    /// The newest report, unless it is too old.
    pub(super) fn fresh(&self) -> Option<NodeReport> {
        let last = self.last();
        last.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, report)| report.clone())
    }

    /// Whether nothing was heard for so long that something is wrong.
    pub(super) fn is_silent(&self) -> bool {
        self.since().elapsed() >= SILENT
    }

    /// Nothing was heard for so long: somebody should look.
    pub(super) fn complain(&self) {
        self.bell.ring(&self.cluster, Urgency::Change);
    }

    pub(super) fn cluster(&self) -> &ClusterKey {
        &self.cluster
    }

    fn since(&self) -> MutexGuard<'_, Instant> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> MutexGuard<'_, Option<(Instant, NodeReport)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is new in a report, if anything.
fn news(before: &NodeReport, after: &NodeReport) -> Option<Urgency> {
    let steady = before.incarnation == after.incarnation
        && before.service == after.service
        && before.documents == after.documents
        && before.rejected == after.rejected
        && before.foreign_ports == after.foreign_ports
        && (before.calls == 0) == (after.calls == 0);
    match (steady, before == after) {
        (false, _) => Some(Urgency::Change),
        (true, false) => Some(Urgency::Load),
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use voip_contract::Incarnation;
    use voip_contract::node_admin::Service;

    use super::*;
    use crate::testing::programs::{office, report};

    fn silence() -> Heard {
        Heard::new(office(), Arc::new(Bell::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_is_known_for_five_seconds() {
        let heard = silence();
        heard.hear(report(3));
        tokio::time::advance(Duration::from_millis(4999)).await;
        assert_eq!(heard.fresh(), Some(report(3)));
        heard.age();
        assert_eq!(heard.fresh(), Some(report(3)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(heard.fresh(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn that_a_report_is_too_old_is_told_once() {
        let (heard, (woken, mut wakes)) = (silence(), tokio::sync::mpsc::channel(1));
        let bell = Arc::clone(&heard.bell);
        tokio::spawn(async move { bell.run(&woken).await });
        heard.hear(report(3));
        assert!(wakes.recv().await.is_some());
        tokio::time::advance(FRESH).await;
        heard.age();
        assert!(wakes.recv().await.is_some());
        heard.age();
        assert!(tokio::time::timeout(Duration::from_mins(1), wakes.recv()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_is_silent_after_thirty_seconds_without_a_report() {
        let heard = silence();
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(!heard.is_silent());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(heard.is_silent());
        heard.hear(report(0));
        assert!(!heard.is_silent());
    }

    #[test]
    fn figures_are_load_and_what_decisions_rest_on_is_a_change() {
        let change = |of: fn(&mut NodeReport)| {
            let mut after = report(3);
            of(&mut after);
            news(&report(3), &after)
        };
        assert_eq!(change(|_| {}), None);
        for load in [|it: &mut NodeReport| it.calls = 4, |it: &mut NodeReport| it.registrations = 9] {
            assert_eq!(change(load), Some(Urgency::Load));
        }
        let changes: [fn(&mut NodeReport); 6] = [
            |it| it.calls = 0,
            |it| it.service = Service::Draining,
            |it| it.incarnation = Incarnation(99),
            |it| it.documents.clear(),
            |it| it.rejected.push("sip.json".to_owned()),
            |it| it.foreign_ports.push(16_384),
        ];
        for of in changes {
            assert_eq!(change(of), Some(Urgency::Change));
        }
    }
}
