//! A call as its holder sees it: a handle on state that the phone's thread keeps.

mod state;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use state::{CallShared, Milestone, Names};
pub use state::{CallState, EndReason, EndedBy};

use crate::error::PhoneError;
use crate::mailbox::{CallAction, Command, Mailbox};
use crate::media::{Captured, MediaReport};

/// A call. Dropping it hangs up.
pub struct Call {
    shared: Arc<CallShared>,
    mailbox: Mailbox,
    detached: bool,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("key", &self.shared.key)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Call {
    pub(crate) fn new(shared: Arc<CallShared>, mailbox: Mailbox) -> Self {
        Self { shared, mailbox, detached: false }
    }

    /// Where it stands.
    pub fn state(&self) -> CallState {
        self.shared.view().state
    }

    /// Its Call-ID.
    pub fn call_id(&self) -> &str {
        &self.shared.call_id
    }

    /// Whether somebody called us.
    pub fn is_incoming(&self) -> bool {
        self.shared.incoming
    }

    /// User part of the far side's URI: From of an incoming call, what was dialled otherwise.
    pub fn peer(&self) -> &str {
        &self.shared.peer
    }

    /// The far side's display name, for an incoming call.
    pub fn peer_name(&self) -> &str {
        &self.shared.peer_name
    }

    /// Whether the far side holds us, by its last offer or answer.
    pub fn is_held_by_peer(&self) -> bool {
        self.shared.view().held_by_peer
    }

    /// Statuses of the provisional responses so far (an outgoing call), at most 32.
    pub fn provisional(&self) -> Vec<u16> {
        self.shared.view().provisional.clone()
    }

    /// Offers of the far side that were answered within the dialog: re-INVITEs.
    pub fn reinvites_received(&self) -> u32 {
        self.shared.view().reinvites
    }

    /// From INVITE to 200, once answered.
    pub fn setup_time(&self) -> Option<Duration> {
        self.shared.view().reached(Milestone::Answered)
    }

    /// From INVITE to the first 180 or 183.
    pub fn ring_delay(&self) -> Option<Duration> {
        let view = self.shared.view();
        [Milestone::Ringing, Milestone::Early].into_iter().filter_map(|m| view.reached(m)).min()
    }

    /// From the answer to the end, or to now.
    pub fn talk_time(&self) -> Option<Duration> {
        let view = self.shared.view();
        let end = view.reached(Milestone::Ended).unwrap_or_else(|| self.shared.began.elapsed());
        view.reached(Milestone::Answered).map(|answered| end.saturating_sub(answered))
    }

    /// What the audio was like so far; after the end, all of it.
    pub fn report(&self) -> MediaReport {
        self.shared.stream().report()
    }

    /// The raw RTP datagrams kept, at most [`PhoneConfig::capture`](crate::PhoneConfig::capture).
    pub fn captured(&self) -> Vec<Captured> {
        self.shared.stream().captured()
    }

    /// Waits for 180 (an outgoing call).
    pub fn wait_ringing(&self, timeout: Duration) -> Result<(), PhoneError> {
        self.wait(Milestone::Ringing, timeout)
    }

    /// Waits for a provisional response with SDP.
    pub fn wait_early(&self, timeout: Duration) -> Result<(), PhoneError> {
        self.wait(Milestone::Early, timeout)
    }

    /// Waits for the answer.
    pub fn wait_answered(&self, timeout: Duration) -> Result<(), PhoneError> {
        self.wait(Milestone::Answered, timeout)
    }

    /// Waits for the end.
    pub fn wait_ended(&self, timeout: Duration) -> Result<EndReason, PhoneError> {
        self.wait(Milestone::Ended, timeout)?;
        let ended = self.shared.view().ended.clone();
        ended.ok_or(PhoneError::Waited { event: Milestone::Ended.name(), after: timeout })
    }

    /// Waits until the far side's hold is `held`.
    pub fn wait_held_by_peer(&self, held: bool, timeout: Duration) -> Result<(), PhoneError> {
        let event = if held { "hold by the far side" } else { "end of the hold by the far side" };
        self.shared.wait(timeout, |view| view.held_by_peer == held, event)
    }

    /// Waits until `enough` of the report so far; the end of the audio ends the wait too.
    pub fn wait_media(
        &self,
        timeout: Duration,
        enough: impl Fn(&MediaReport) -> bool,
    ) -> Result<MediaReport, PhoneError> {
        let waited = || PhoneError::Waited { event: "such audio", after: timeout };
        self.shared.stream().wait(timeout, enough).ok_or_else(|| match &self.shared.view().ended {
            Some(reason) => PhoneError::Ended(reason.clone()),
            None => waited(),
        })
    }

    /// Sends 180.
    pub fn ring(&self) -> Result<(), PhoneError> {
        self.act(CallAction::Ring)
    }

    /// Sends 183 with SDP; audio flows.
    pub fn early_media(&self) -> Result<(), PhoneError> {
        self.act(CallAction::EarlyMedia)
    }

    /// Sends 200. Whether the ACK came shows in [`Call::wait_answered`].
    pub fn answer(&self) -> Result<(), PhoneError> {
        self.act(CallAction::Answer)
    }

    /// Refuses an incoming call with a final status, 300 to 699.
    pub fn reject(&self, status: u16) -> Result<(), PhoneError> {
        self.act(CallAction::Reject(status))
    }

    /// Gives up an outgoing call that is not answered. If the answer was faster it is acknowledged and BYE follows.
    pub fn cancel(&self) -> Result<(), PhoneError> {
        self.act(CallAction::Cancel)
    }

    /// Re-INVITE with `sendonly`; returns when it was accepted.
    pub fn hold(&self) -> Result<(), PhoneError> {
        self.act(CallAction::Hold(true))
    }

    /// Re-INVITE with `sendrecv`; returns when it was accepted.
    pub fn resume(&self) -> Result<(), PhoneError> {
        self.act(CallAction::Hold(false))
    }

    /// Re-INVITE with the present session, or without SDP so that the far side offers.
    pub fn reinvite(&self, late_offer: bool) -> Result<(), PhoneError> {
        self.act(CallAction::Reinvite { late_offer })
    }

    /// Ends it in whatever state it is: CANCEL, a refusal, or BYE. [`Call::wait_ended`] tells when it is over.
    pub fn hangup(&self) -> Result<(), PhoneError> {
        self.act(CallAction::Hangup)
    }

    /// Gives the handle away: the call goes on without it, until the far side or the phone ends it.
    pub fn detach(mut self) {
        self.detached = true;
    }

    fn wait(&self, milestone: Milestone, timeout: Duration) -> Result<(), PhoneError> {
        self.shared.wait(timeout, |view| view.reached(milestone).is_some(), milestone.name())
    }

    fn act(&self, action: CallAction) -> Result<(), PhoneError> {
        self.mailbox.ask(|reply| Command::OnCall { key: self.shared.key, action, reply })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.detached && self.state() != CallState::Ended {
            self.mailbox.tell(Command::Drop { key: self.shared.key });
        }
    }
}
