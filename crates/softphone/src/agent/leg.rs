//! A call as the agent keeps it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sip_core::dialog::Dialog;
use sip_core::{ClientKey, Message, ServerKey};

use crate::call::{CallShared, EndReason};
use crate::error::PhoneError;
use crate::mailbox::Reply;
use crate::media::Plan;
use crate::session::Session;

/// A call.
pub(super) struct Leg {
    pub(super) shared: Arc<CallShared>,
    pub(super) session: Session,
    pub(super) stage: Stage,
    /// From the answer on; at the called end from the start.
    pub(super) dialog: Option<Dialog>,
    /// We hold the far side.
    pub(super) holding: bool,
    pub(super) reinvite: Option<Reinvite>,
    /// Our 2xx that has no ACK yet.
    pub(super) unacked: Option<Unacked>,
    /// BYE as soon as the ACK is there.
    pub(super) bye_wanted: bool,
    /// Some exchange of offer and answer is complete.
    settled: bool,
    /// Why it ends, once BYE is sent.
    pub(super) ending: Option<EndReason>,
}

/// What is going on with the first INVITE.
pub(super) enum Stage {
    /// Ours has no final response.
    Calling(Calling),
    /// Theirs has no final response.
    Called(Called),
    /// It was answered by 2xx.
    Up,
}

/// An INVITE of ours without final response.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calling {
    pub(super) key: ClientKey,
    pub(super) cancelled: bool,
    pub(super) late_offer: bool,
    pub(super) duration: Option<Duration>,
}

/// An INVITE of theirs without final response.
pub(super) struct Called {
    pub(super) key: ServerKey,
    pub(super) invite: Message,
    pub(super) tag: String,
    /// Our answer to its offer; none when it had no offer.
    pub(super) answer: Option<(Bytes, Plan)>,
}

/// A re-INVITE of ours without final response.
pub(super) struct Reinvite {
    /// None while it waits to be tried again.
    pub(super) key: Option<ClientKey>,
    pub(super) hold: bool,
    pub(super) late_offer: bool,
    pub(super) reply: Option<Reply<()>>,
    pub(super) attempts: u8,
}

/// A 2xx of ours without ACK.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unacked {
    pub(super) key: ServerKey,
    /// It carried an offer: the ACK brings the answer.
    pub(super) offered: bool,
}

impl Leg {
    pub(super) fn new(shared: Arc<CallShared>, session: Session, stage: Stage) -> Self {
        Self {
            shared,
            session,
            stage,
            dialog: None,
            holding: false,
            reinvite: None,
            unacked: None,
            bye_wanted: false,
            settled: false,
            ending: None,
        }
    }

    /// Whether an offer is on its way in either direction, so that another must wait (RFC 3261 section 14).
    pub(super) fn offer_open(&self) -> bool {
        self.reinvite.as_ref().is_some_and(|r| r.key.is_some()) || self.unacked.is_some_and(|u| u.offered)
    }

    /// From now on audio goes as offer and answer say.
    pub(super) fn start(&mut self, plan: Plan) {
        self.settled = true;
        self.shared.stream().set_plan(plan);
        self.shared.update(|view| view.held_by_peer = !plan.direction.send);
    }

    /// Takes the body of a 2xx to our INVITE, or of an ACK to our 2xx. Returns the answer when `body` is an offer.
    pub(super) fn settle(
        &mut self,
        body: Option<&[u8]>,
        is_offer: bool,
        source: IpAddr,
    ) -> Result<Option<Bytes>, PhoneError> {
        let missing = |what: &str| PhoneError::Sdp { reason: format!("the far side sent no {what}") };
        match (body, is_offer) {
            (Some(offer), true) => {
                let (answer, plan) = self.session.answer(offer, source, self.holding)?;
                self.start(plan);
                Ok(Some(answer))
            }
            (Some(answer), false) => {
                let plan = self.session.accept(answer, source)?;
                self.start(plan);
                Ok(None)
            }
            (None, true) => Err(missing("offer")),
            // The answer may have come in a provisional response (RFC 3261 section 13.2.1).
            (None, false) if self.settled => Ok(None),
            (None, false) => Err(missing("answer")),
        }
    }
}
