//! What a phone does by itself with what comes in.

use media_core::g711::Law;
use media_core::ua::AudioEnd;
use sip_core::digest::{Login, Secret, respond};
use sip_core::{
    ClientKey, Dialog, Header, Message, Method, Now, ServerKey, SipCommand, SipEvent, StatusCode,
};
use voip_contract::media::Direction;

use super::phone::{Line, Phone, Reaction};

impl Phone {
    pub(super) fn on(&mut self, now: Now, event: SipEvent) {
        match event {
            SipEvent::Request { key, message, .. } => {
                self.got.push(message.clone());
                self.on_request(now, key, &message);
            }
            SipEvent::Response { key, message, .. } => {
                self.got.push(message.clone());
                self.on_response(now, key, &message);
            }
            SipEvent::Acked { message, .. } => {
                if let Some(line) = &mut self.line {
                    line.confirmed = true;
                    if line.offered && !message.body().is_empty() {
                        line.audio.accept_answer(message.body(), self.server.ip()).expect("an answer in ACK");
                    }
                }
                self.got.push(message);
            }
            SipEvent::AckMissing { .. } => self.hang_up(now, None),
            SipEvent::Cancelled { key, message } => {
                self.got.push(message);
                if self.line.as_ref().is_some_and(|line| line.server == Some(key)) {
                    self.reject(now, 487);
                }
            }
            SipEvent::TimedOut { key } | SipEvent::Failed { key } => self.on_silence(key),
        }
    }

    fn on_silence(&mut self, key: ClientKey) {
        self.sent.remove(&key);
        if let Some(outcomes) = self.invites.get_mut(&key) {
            outcomes.push(408);
        }
        if self.line.as_ref().is_some_and(|line| line.client == Some(key)) {
            self.line = None;
        }
    }

    fn on_request(&mut self, now: Now, key: ServerKey, request: &Message) {
        let ok = || Message::response_to(request, StatusCode::OK).to_tag("x").build();
        let known = self.line.as_mut().and_then(|line| line.dialog.as_mut());
        let within = request.to_tag().is_some();
        if within && known.is_none_or(|dialog| dialog.accept(request).is_err()) {
            let gone = Message::response_to(request, StatusCode::CALL_DOES_NOT_EXIST).build();
            return self.respond(now, key, gone);
        }
        match request.method() {
            Method::Invite if within => self.on_reinvite(now, key, request),
            Method::Invite => self.on_invite(now, key, request),
            Method::Bye => {
                self.respond(now, key, ok());
                self.line = None;
            }
            _ => self.respond(now, key, ok()),
        }
    }

    fn on_invite(&mut self, now: Now, key: ServerKey, request: &Message) {
        if self.line.is_some() {
            let busy = Message::response_to(request, StatusCode::BUSY_HERE).to_tag("busy").build();
            return self.respond(now, key, busy);
        }
        let tag = self.tokens.token();
        self.line = Some(Line {
            dialog: Dialog::from_request(request, &tag).ok(),
            invite: request.clone(),
            server: Some(key),
            client: None,
            audio: AudioEnd::new(9, self.address.ip(), 41_000, &[Law::Ulaw, Law::Alaw]),
            confirmed: false,
            tag,
            offered: false,
            withdrawn: false,
        });
        match self.reaction {
            Reaction::Ignore => {}
            Reaction::Reject(status) => self.reject(now, status),
            Reaction::Early => self.early_media(now),
            Reaction::Ring | Reaction::Answer => {
                let ringing = self.response(StatusCode::RINGING).build();
                self.respond(now, key, ringing);
                if self.reaction == Reaction::Answer {
                    self.answer(now);
                }
            }
        }
    }

    fn on_reinvite(&mut self, now: Now, key: ServerKey, request: &Message) {
        let (status, contact) = (StatusCode::new(self.on_reinvite).unwrap(), self.contact.clone());
        let Some(line) = &mut self.line else { return };
        let mut response =
            Message::response_to(request, status).header(Header::Contact, format!("<{contact}>"));
        if status.is_success() {
            response = response.body("application/sdp", line.describe(request));
        }
        self.respond(now, key, response.build());
    }

    fn on_response(&mut self, now: Now, key: ClientKey, response: &Message) {
        let Some(request) = self.sent.get(&key).cloned() else { return };
        let status = response.status().unwrap();
        let first_try = request.header(Header::Authorization).is_none();
        if status == StatusCode::UNAUTHORIZED && first_try && !self.password.is_empty() {
            return self.authenticate(now, key, &request, response);
        }
        if request.method() == Method::Invite {
            if status.is_final() {
                self.invites.get_mut(&key).unwrap().push(status.code());
            }
            self.on_invite_response(now, key, &request, response);
        }
    }

    fn authenticate(&mut self, now: Now, key: ClientKey, request: &Message, challenge: &Message) {
        let login = Login { user: &self.user, secret: Secret::Password(&self.password) };
        let uri = request.request_uri_text().unwrap();
        let (name, value) = respond(challenge, &request.method(), uri, &login, "cnonce", 1).unwrap();
        let number = request.cseq().unwrap().number + 1;
        if request.method() == Method::Register {
            self.register_cseq = number;
        }
        let again = request
            .edit()
            .replace(Header::CSeq, format!("{number} {}", request.method()))
            .header(name, value)
            .build();
        if let Some(outcomes) = self.invites.get_mut(&key) {
            outcomes.push(401);
        }
        let next = self.send(now, again.clone());
        if let Some(line) = self.line.as_mut().filter(|line| line.client == Some(key)) {
            line.client = Some(next);
            line.invite = again;
            if line.withdrawn {
                self.endpoint.command(now, SipCommand::Cancel { key: next, reason: None });
            }
        }
    }

    fn on_invite_response(&mut self, now: Now, key: ClientKey, request: &Message, response: &Message) {
        let status = response.status().unwrap();
        let ours = self.line.as_ref().is_some_and(|line| line.client == Some(key));
        let within = request.to_tag().is_some();
        if status.is_success() {
            return self.on_answer(now, key, request, response, ours);
        }
        if !ours {
            return;
        }
        let line = self.line.as_mut().unwrap();
        if status.is_failure() {
            line.client = None;
            if !within {
                self.line = None;
            }
        } else if !within && response.to_tag().is_some() {
            line.dialog = Dialog::from_response(request, response).ok();
        }
    }

    fn on_answer(&mut self, now: Now, key: ClientKey, request: &Message, response: &Message, ours: bool) {
        let mut dialog = Dialog::from_response(request, response).unwrap();
        let server = self.server.ip();
        let mut ack = dialog.ack(request.cseq().unwrap().number);
        if let Some(line) = self.line.as_mut().filter(|_| ours) {
            if line.offered {
                line.audio.accept_answer(response.body(), server).expect("an answer in 200");
            } else {
                let (body, _) =
                    line.audio.answer(response.body(), server, Direction::SendRecv).expect("an offer in 200");
                ack = ack.body("application/sdp", body);
            }
            if line.dialog.as_ref().is_none_or(|known| known.id != dialog.id) {
                line.dialog = Some(dialog.clone());
            }
            line.confirmed = true;
            line.client = None;
        }
        if self.acknowledges {
            let ack = ack.build();
            self.endpoint.command(now, SipCommand::Ack { key, flow: self.flow(), message: ack });
        }
        if !ours || self.line.as_ref().is_some_and(|line| line.withdrawn) {
            let bye = dialog.request(Method::Bye).build();
            self.send(now, bye);
            if ours {
                self.line = None;
            }
        }
    }
}
