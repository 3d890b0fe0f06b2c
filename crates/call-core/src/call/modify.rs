//! Re-INVITEs (RFC 3261 section 14): hold, resume, new codecs. One exchange spans both legs and is a lock over them;
//! whoever comes second hears 491. Each row is one step:
//!
//! | step | waits for | with an offer in the INVITE | without |
//! |---|---|---|---|
//! | `Offering` | media-node | its offer for the other leg; first step | the other leg's offer made one for this leg |
//! | `Inviting` | the other leg | its answer | its offer; first step |
//! | `Answering` | media-node | the answer for this leg | |
//! | `Saving` | the store | then the 200 goes out | same |
//! | `Unacknowledged` | the ACK | over | the answer is in it |
//! | `Acknowledging` | media-node | | the answer for the other leg; over |

mod undo;

use sip_core::{ClientKey, Flow, Header, Message, Method, ServerKey, StatusCode};
use voip_contract::media::MediaOperation;
use voip_contract::{Generation, LegId};

use super::branch::spec;
use super::end::ends_dialog;
use super::messages::response;
use super::{ActiveCall, Ending, Stage};
use crate::cause::Cause;
use crate::peer;
use crate::requests::{ALLOW, Refusal, SDP, check_body, sdp_of};
use crate::timers::{MODIFY, Timer, TimerKey};
use crate::turn::{Checkpoint, MediaAsked, Turn};

/// An exchange inside the confirmed dialogs.
pub(super) struct Modify {
    generation: Generation,
    /// Who sent the re-INVITE.
    from: LegId,
    /// The other leg; none while media-node is the other side.
    to: Option<LegId>,
    key: ServerKey,
    request: Message,
    late: bool,
    step: Step,
    /// Our re-INVITE to the other leg, with its CSeq, until it is acknowledged or has failed.
    client: Option<(ClientKey, u32)>,
    timer: Option<TimerKey>,
    /// What the sender hears if the other leg gives up after our CANCEL.
    withdrawn: Option<StatusCode>,
    answer: Option<Message>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Offering,
    Inviting,
    Answering,
    Saving,
    Unacknowledged,
    Acknowledging,
}

impl ActiveCall {
    /// A re-INVITE from `leg`.
    pub(super) fn reinvite(
        &mut self,
        turn: &mut Turn,
        leg: LegId,
        key: ServerKey,
        flow: Flow,
        request: &Message,
    ) {
        if let Err(refusal) = self.may_modify(turn, leg, request) {
            return refusal.send(turn, key, request);
        }
        self.note_flow(leg, flow, request);
        let to = self.other_leg(leg);
        let sdp = sdp_of(request);
        if to.is_none() && sdp.is_none() {
            // media-node only answers.
            return Refusal::new(StatusCode::NOT_ACCEPTABLE_HERE, "no-offer").send(turn, key, request);
        }
        let generation = self.next_generation();
        turn.core.servers.insert(key, (self.id(), leg));
        self.modify = Some(Modify {
            generation,
            from: leg,
            to,
            key,
            request: request.clone(),
            late: sdp.is_none(),
            step: if sdp.is_none() { Step::Inviting } else { Step::Offering },
            client: None,
            timer: None,
            withdrawn: None,
            answer: None,
        });
        match (to, sdp) {
            (Some(to), Some(sdp)) => self.modify_offer(turn, leg, to, &sdp),
            (Some(_), None) => self.send_reinvite(turn, None),
            (None, sdp) => self.modify_locally(turn, leg, &sdp.unwrap_or_default()),
        }
    }

    /// One exchange at a time (section 14.2), and only once both sides are settled.
    fn may_modify(&self, turn: &Turn, leg: LegId, request: &Message) -> Result<(), Refusal> {
        check_body(request)?;
        if self.modify.as_ref().is_some_and(|modify| modify.from == leg) {
            let seconds = turn.now.wall.0 % 10;
            let refusal = Refusal::new(StatusCode::SERVER_INTERNAL_ERROR, "overlapping-invite");
            return Err(refusal.with(Header::RetryAfter, seconds.to_string()));
        }
        let settled = matches!(self.stage, Stage::Connected(_) | Stage::Prompting | Stage::Echoing);
        if self.modify.is_some() || !settled || self.caller.unacknowledged.is_some() {
            return Err(Refusal::new(StatusCode::REQUEST_PENDING, "glare"));
        }
        Ok(())
    }

    /// A phone that moved says so in its re-INVITE.
    fn note_flow(&mut self, leg: LegId, flow: Flow, request: &Message) {
        let Some(leg) = self.leg_mut(leg) else { return };
        let Some(dialog) = leg.dialog.as_mut() else { return };
        dialog.refresh_target(request);
        let direct = peer::flow_to_contact(request, &dialog.remote_target, flow);
        leg.flow = peer::next_hop(&dialog.route_set, direct);
    }

    fn modify_offer(&mut self, turn: &mut Turn, from: LegId, to: LegId, sdp: &[u8]) {
        let (Some(from), Some(to)) = (self.leg(from).map(spec), self.leg(to).map(spec)) else { return };
        self.modify_media(turn, MediaOperation::Offer { from, to, sdp: sdp.to_vec() });
    }

    fn modify_answer(&mut self, turn: &mut Turn, from: LegId, to: LegId, sdp: &[u8]) {
        let (Some(from), Some(to)) = (self.leg(from).map(spec), self.leg(to).map(spec)) else { return };
        self.modify_media(turn, MediaOperation::Answer { from, to, sdp: sdp.to_vec(), provisional: false });
    }

    fn modify_locally(&mut self, turn: &mut Turn, leg: LegId, sdp: &[u8]) {
        self.modify_step(Step::Answering);
        let Some(leg) = self.leg(leg).map(spec) else { return };
        self.modify_media(turn, MediaOperation::AnswerLocally { leg, sdp: sdp.to_vec() });
    }

    fn modify_media(&mut self, turn: &mut Turn, operation: MediaOperation) {
        let Some(generation) = self.modify.as_ref().map(|modify| modify.generation) else { return };
        if let Some(session) = self.session() {
            turn.media(&session, generation, operation, MediaAsked::Modify(generation));
        }
    }

    fn modify_step(&mut self, step: Step) {
        if let Some(modify) = &mut self.modify {
            modify.step = step;
        }
    }

    /// media-node has done its part of a step.
    pub(super) fn modify_done(&mut self, turn: &mut Turn, generation: Generation, sdp: Option<Vec<u8>>) {
        let Some(modify) = self.modify.as_ref().filter(|modify| modify.generation == generation) else {
            return;
        };
        match (modify.step, modify.late) {
            (Step::Offering, false) => self.send_reinvite(turn, sdp),
            (Step::Offering, true) | (Step::Answering, _) => self.prepare_modify_answer(turn, sdp),
            (Step::Acknowledging, _) => {
                self.acknowledge_reinvite(turn, sdp.as_deref());
                self.modify_over(turn);
                self.save(turn);
            }
            _ => {}
        }
    }

    fn send_reinvite(&mut self, turn: &mut Turn, sdp: Option<Vec<u8>>) {
        let id = self.id();
        let Some(to) = self.modify.as_ref().and_then(|modify| modify.to) else { return };
        let Some(leg) = self.leg_mut(to) else { return };
        let flow = leg.flow;
        let Some(dialog) = leg.dialog.as_mut() else { return };
        let mut builder = dialog
            .request(Method::Invite)
            .header(Header::Contact, turn.contact(flow))
            .header(Header::Allow, ALLOW)
            .header(Header::UserAgent, &turn.core.config.server);
        let cseq = dialog.local_cseq;
        if let Some(sdp) = sdp {
            builder = builder.body(SDP, sdp.clone());
            leg.local_sdp = Some(sdp);
        }
        let key = turn.request(id, to, flow, builder.build());
        let timer = turn.after(MODIFY, Timer::Modify(id));
        if let Some(modify) = &mut self.modify {
            modify.step = Step::Inviting;
            modify.client = Some((key, cseq));
            modify.timer = Some(timer);
        }
        self.save(turn);
    }

    /// Whether `key` is the re-INVITE of the exchange.
    pub(super) fn is_modify(&self, key: ClientKey) -> bool {
        self.modify.as_ref().and_then(|modify| modify.client).is_some_and(|(client, _)| client == key)
    }

    /// A response to our re-INVITE.
    pub(super) fn modify_response(
        &mut self,
        turn: &mut Turn,
        key: ClientKey,
        source: Flow,
        response: &Message,
    ) {
        let Some(status) = response.status().filter(|status| status.is_final()) else { return };
        let Some(modify) = self.modify.as_mut().filter(|modify| modify.step == Step::Inviting) else {
            return;
        };
        turn.stop(modify.timer.take());
        turn.core.clients.remove(&key);
        if status.is_success() {
            return self.modify_accepted(turn, source, response);
        }
        modify.client = None;
        let told = modify.withdrawn.unwrap_or(status);
        self.undo_modify(turn, told);
        if ends_dialog(&Method::Invite, status) {
            self.end(turn, &Ending::broken(Cause::TIMER_EXPIRED, "dialog lost"));
        }
    }

    fn modify_accepted(&mut self, turn: &mut Turn, source: Flow, response: &Message) {
        let Some(modify) = self.modify.as_ref() else { return };
        let (from, late) = (modify.from, modify.late);
        let Some(to) = modify.to else { return };
        if let Some(leg) = self.leg_mut(to)
            && let Some(dialog) = leg.dialog.as_mut()
        {
            dialog.refresh_target(response);
            leg.flow = peer::flow_to_target(dialog, source, leg.flow);
        }
        if !late {
            self.acknowledge_reinvite(turn, None);
        }
        let Some(sdp) = sdp_of(response) else {
            return self.end(turn, &Ending::broken(Cause::INCOMPATIBLE, "no SDP in 2xx"));
        };
        if let Some(leg) = self.leg_mut(to) {
            leg.remote_sdp = Some(sdp.to_vec());
        }
        if late {
            self.modify_step(Step::Offering);
            self.modify_offer(turn, to, from, &sdp);
        } else {
            self.modify_step(Step::Answering);
            self.modify_answer(turn, to, from, &sdp);
        }
    }

    /// ACKs the 2xx to our re-INVITE.
    fn acknowledge_reinvite(&mut self, turn: &mut Turn, sdp: Option<&[u8]>) {
        let Some(modify) = &mut self.modify else { return };
        let (Some((key, cseq)), Some(to)) = (modify.client.take(), modify.to) else { return };
        let Some(leg) = self.leg_mut(to) else { return };
        let Some(dialog) = &leg.dialog else { return };
        let mut ack = dialog.ack(cseq);
        if let Some(sdp) = sdp {
            ack = ack.body(SDP, sdp.to_vec());
            leg.local_sdp = Some(sdp.to_vec());
        }
        turn.acknowledge(key, leg.flow, ack.build());
    }

    /// The body for the sender is there: the 200 is made, and written with the call.
    fn prepare_modify_answer(&mut self, turn: &mut Turn, sdp: Option<Vec<u8>>) {
        let body = sdp.unwrap_or_default();
        let Some(modify) = self.modify.as_ref() else { return };
        let (from, generation) = (modify.from, modify.generation);
        let Some(leg) = self.leg(from) else { return };
        let ok =
            response(turn, &modify.request, Some(leg.flow), &leg.tag, StatusCode::OK, Some(&body)).build();
        let offer = sdp_of(&modify.request);
        if let Some(leg) = self.leg_mut(from) {
            leg.local_sdp = Some(body);
            leg.unacknowledged = Some(ok.bytes().to_vec());
            if let Some(offer) = offer {
                leg.remote_sdp = Some(offer.to_vec());
            }
        }
        if let Some(modify) = &mut self.modify {
            modify.step = Step::Saving;
            modify.answer = Some(ok);
        }
        self.save_then(turn, Checkpoint::Modify(generation));
    }

    /// The modified call is written: the sender gets its 200.
    pub(super) fn pass_modify_on(&mut self, turn: &mut Turn, generation: Generation) {
        let current = |modify: &&mut Modify| modify.generation == generation && modify.step == Step::Saving;
        let Some(modify) = self.modify.as_mut().filter(current) else { return };
        modify.step = Step::Unacknowledged;
        if let Some(answer) = modify.answer.take() {
            turn.respond(modify.key, answer);
        }
    }

    /// The sender has acknowledged its 200.
    pub(super) fn modify_acknowledged(&mut self, turn: &mut Turn, key: ServerKey, ack: &Message) {
        let current = |modify: &&Modify| modify.key == key && modify.step == Step::Unacknowledged;
        let Some(modify) = self.modify.as_ref().filter(current) else { return };
        let (from, to, late) = (modify.from, modify.to, modify.late);
        if let Some(leg) = self.leg_mut(from) {
            leg.unacknowledged = None;
        }
        if !late {
            return self.modify_over(turn);
        }
        let (Some(sdp), Some(to)) = (sdp_of(ack), to) else {
            return self.end(turn, &Ending::broken(Cause::INCOMPATIBLE, "no answer in ACK"));
        };
        if let Some(leg) = self.leg_mut(from) {
            leg.remote_sdp = Some(sdp.to_vec());
        }
        self.modify_step(Step::Acknowledging);
        self.modify_answer(turn, from, to, &sdp);
    }
}
