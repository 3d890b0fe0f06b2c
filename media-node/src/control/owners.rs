//! Whose sessions are whose: claims, lost owners, orphans.
//!
//! A sip-node that is cut off and comes back finds its sessions as they were; one that is gone for good leaves them,
//! and their phones go on talking, until nobody has claimed them for `orphan_seconds`. Then another sip-node is told.

use voip_contract::media::{FromMediaNode, MediaNotice};
use voip_contract::{CallId, Incarnation};

use super::Control;
use super::link::LinkId;
use super::orphans::unix_ms;
use super::sessions::Orphaned;

impl Control {
    /// The speaker wants these. What else was its own is freed; what it takes over from another is its own now.
    pub(super) fn claim(&mut self, link: LinkId, claimed: &[CallId]) {
        let Some(owner) = self.peers.owner(link) else {
            return tracing::warn!("a sip-node claims sessions before it has said who it is");
        };
        let mut news = Vec::new();
        for session in claimed.iter().copied() {
            let Some(entry) = self.sessions.get_mut(&session) else {
                let detail = format!("{} does not hold it", self.identity.node);
                news.push(MediaNotice::SessionLost { session, detail, drained: false });
                continue;
            };
            entry.owned_by(owner);
            news.extend(entry.finished.drain(..).map(|leg| MediaNotice::PlayFinished { session, leg }));
        }
        for notice in news {
            self.send(link, FromMediaNode::Notice(notice));
        }
        let claimed: std::collections::HashSet<_> = claimed.iter().collect();
        let left = |(id, entry): (&CallId, &super::Entry)| {
            (entry.owner == owner && !claimed.contains(id)).then_some(*id)
        };
        let left: Vec<_> = self.sessions.iter().filter_map(left).collect();
        if !left.is_empty() {
            tracing::info!(sessions = left.len(), "freeing sessions that their sip-node no longer claims");
        }
        for session in left {
            self.free(session);
        }
    }

    /// A stream is gone. Sessions whose owner has no other wait for a claim from now on.
    pub(super) fn lose(&mut self, link: LinkId) {
        self.orphans_untold_by(link);
        if let Some(owner) = self.peers.remove(link) {
            self.orphan(owner);
        }
    }

    fn orphan(&mut self, owner: Incarnation) {
        let orphaned = Orphaned { since: self.engine.now(), at_ms: unix_ms() };
        let mut orphans = 0_usize;
        for entry in self.sessions.values_mut().filter(|entry| entry.owner == owner) {
            entry.orphaned = Some(orphaned);
            orphans += 1;
        }
        if orphans > 0 {
            let seconds = self.orphan_after.as_secs();
            tracing::warn!(
                sessions = orphans,
                seconds,
                "a sip-node is gone; its sessions wait to be claimed"
            );
        }
    }

    pub(super) fn free_orphans(&mut self) {
        let now = self.engine.now();
        let expired = |entry: &super::Entry| {
            entry.orphaned.is_some_and(|orphaned| now.saturating_sub(orphaned.since) >= self.orphan_after)
        };
        let orphans: Vec<_> =
            self.sessions.iter().filter(|(_, entry)| expired(entry)).map(|(id, _)| *id).collect();
        if !orphans.is_empty() {
            tracing::warn!(sessions = orphans.len(), "freeing sessions that nobody has claimed");
        }
        for session in orphans {
            self.figures.orphans_freed.increment();
            self.leave(session);
        }
    }
}
