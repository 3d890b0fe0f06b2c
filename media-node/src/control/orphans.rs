//! Records of calls whose sip-node was lost, until another sip-node has taken them.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use voip_contract::media::{FromMediaNode, MediaNotice};
use voip_contract::{CallId, Incarnation};

use super::Control;
use super::link::LinkId;

/// A stream that lived on for this long has delivered what was put into it: keepalives would have found it dead.
const DELIVERED_AFTER: Duration = Duration::from_secs(5);

/// What a lost owner left of a call.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) session: CallId,
    pub(super) record: Vec<u8>,
    /// Unix time.
    pub(super) lost_at_ms: u64,
    pub(super) owner: Incarnation,
}

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// With the stream on which it was told, and when.
    waiting: VecDeque<(Orphan, Option<(LinkId, Duration)>)>,
}

impl Orphans {
    /// False when the oldest was given up for it: there are never more than `limit`.
    fn add(&mut self, orphan: Orphan, limit: usize) -> bool {
        self.waiting.push_back((orphan, None));
        let fits = self.waiting.len() <= limit;
        if !fits {
            self.waiting.pop_front();
        }
        fits
    }

    /// Tells those that nobody was told yet, each on the stream that `link_for` names for it.
    fn tell(
        &mut self,
        now: Duration,
        link_for: impl Fn(&Orphan) -> Option<LinkId>,
    ) -> Vec<(LinkId, MediaNotice)> {
        let mut notices = Vec::new();
        for (orphan, told) in self.waiting.iter_mut().filter(|(_, told)| told.is_none()) {
            let Some(link) = link_for(orphan) else { continue };
            *told = Some((link, now));
            let (session, lost_at_ms) = (orphan.session, orphan.lost_at_ms);
            notices
                .push((link, MediaNotice::Orphaned { session, record: orphan.record.clone(), lost_at_ms }));
        }
        notices
    }

    /// A stream has ended: what it may not have delivered is told again.
    fn lost(&mut self, link: LinkId) {
        for (_, told) in &mut self.waiting {
            if told.is_some_and(|(on, _)| on == link) {
                *told = None;
            }
        }
    }

    fn forget_delivered(&mut self, now: Duration) {
        let delivered = |at: Duration| now.saturating_sub(at) >= DELIVERED_AFTER;
        self.waiting.retain(|(_, told)| !told.is_some_and(|(_, at)| delivered(at)));
    }

    /// The owner is not lost: it writes its records itself.
    fn forget_of(&mut self, owner: Incarnation) {
        self.waiting.retain(|(orphan, _)| orphan.owner != owner);
    }

    /// Whether some are still to be told.
    fn is_untold(&self) -> bool {
        self.waiting.iter().any(|(_, told)| told.is_none())
    }
}

impl Control {
    /// Ends a session whose owner is gone, and keeps its record for another sip-node.
    pub(super) fn leave(&mut self, session: CallId) {
        let left = self.sessions.get_mut(&session).map(|entry| {
            let lost_at_ms = entry.orphaned.map_or_else(unix_ms, |orphaned| orphaned.at_ms);
            (entry.record.take(), lost_at_ms, entry.owner)
        });
        self.free(session);
        let Some((Some(record), lost_at_ms, owner)) = left else { return };
        let orphan = Orphan { session, record, lost_at_ms, owner };
        if !self.orphans.add(orphan, self.ports.capacity()) {
            tracing::warn!("the record of a call is given up: too many wait for a sip-node");
            self.figures.records_dropped.increment();
        }
    }

    /// Tells whoever is there and is not the lost owner.
    pub(super) fn hand_over(&mut self) {
        let (peers, now) = (&self.peers, self.engine.now());
        let notices = self.orphans.tell(now, |orphan| peers.link_to_other(orphan.owner));
        for (link, notice) in notices {
            self.send(link, FromMediaNode::Notice(notice));
        }
    }

    /// Once a second.
    pub(super) fn look_after_orphans(&mut self) {
        self.orphans.forget_delivered(self.engine.now());
        self.hand_over();
    }

    /// A sip-node has said who it is.
    pub(super) fn greet(&mut self, link: LinkId, owner: Incarnation) {
        self.peers.welcome(link, owner);
        self.orphans.forget_of(owner);
        self.hand_over();
    }

    /// A stream has ended. Its sip-node may not have read the last of it.
    pub(super) fn orphans_untold_by(&mut self, link: LinkId) {
        self.orphans.lost(link);
    }

    /// Whether a record waits for somebody to be told.
    pub(super) fn has_untold_orphans(&self) -> bool {
        self.orphans.is_untold()
    }
}

/// Milliseconds since 1970; 0 on a machine whose clock is set before that.
pub(super) fn unix_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orphan(n: u128) -> Orphan {
        Orphan { session: CallId(n), record: vec![1], lost_at_ms: 7, owner: Incarnation(1) }
    }

    fn told(orphans: &mut Orphans, at: Duration, link: Option<LinkId>) -> Vec<u128> {
        let notices = orphans.tell(at, |_| link);
        notices
            .into_iter()
            .map(|(_, notice)| match notice {
                MediaNotice::Orphaned { session, .. } => session.0,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn the_oldest_gives_way_when_there_are_too_many() {
        let mut orphans = Orphans::default();
        assert!(orphans.add(orphan(1), 2) && orphans.add(orphan(2), 2));
        assert!(!orphans.add(orphan(3), 2));
        assert_eq!(told(&mut orphans, Duration::ZERO, Some(1)), [2, 3]);
    }

    #[test]
    fn each_is_told_once_unless_the_stream_breaks_soon() {
        let mut orphans = Orphans::default();
        orphans.add(orphan(1), 9);
        assert!(told(&mut orphans, Duration::ZERO, None).is_empty() && orphans.is_untold());
        assert_eq!(told(&mut orphans, Duration::ZERO, Some(1)), [1]);
        assert!(told(&mut orphans, Duration::ZERO, Some(2)).is_empty() && !orphans.is_untold());
        orphans.lost(1);
        assert_eq!(told(&mut orphans, Duration::from_secs(2), Some(2)), [1]);
        orphans.forget_delivered(Duration::from_secs(7));
        orphans.lost(2);
        assert!(told(&mut orphans, Duration::from_secs(8), Some(3)).is_empty());
    }

    #[test]
    fn an_owner_that_is_back_needs_nobody_to_write_for_it() {
        let mut orphans = Orphans::default();
        orphans.add(orphan(1), 9);
        orphans.forget_of(Incarnation(1));
        assert!(!orphans.is_untold());
    }
}
