//! Asks registered phones by OPTIONS (RFC 3261 section 11) whether they are there. Not for the answer, which is passed
//! over, nor is a silent phone any less registered: a NAT, a firewall or a balancer of a Kubernetes Service forgets a
//! UDP flow that was quiet for 30 s (RFC 4787 section 4.3 allows no less than 120 s, many take less), and then a call
//! comes from an address that the phone does not know, or does not come at all. It must not know calls.

use std::time::Duration;

use sip_core::message::MessageBuilder;
use sip_core::{Header, Message, Method, NameAddr, SipCommand};

use crate::event::Action;
use crate::peer;
use crate::requests::SDP;
use crate::state::Binding;
use crate::timers::{Timer, TimerKey};
use crate::turn::Turn;

/// A phone is asked this long after it was asked, or after its first REGISTER, at the latest.
const LATEST: Duration = Duration::from_secs(25);
/// So much earlier at random, ms: phones that registered together are not asked together.
const SPREAD_MS: u64 = 10_000;

impl Turn<'_> {
    /// These are the bindings of `user` now. A timer that runs goes on: a REGISTER of one phone says nothing about the
    /// way to the others.
    pub(crate) fn note_bindings(&mut self, user: &str, bindings: &[Binding]) {
        let timer = self.core.registrations.remove(user).map(|(_, timer)| timer);
        if bindings.is_empty() {
            return self.stop(timer);
        }
        let timer = timer.unwrap_or_else(|| self.qualify_later(user));
        self.core.registrations.insert(user, bindings.to_vec(), timer);
    }

    /// Asks the phones of `user` that are still registered.
    pub(crate) fn qualify(&mut self, user: &str) {
        let Some((mut bindings, _)) = self.core.registrations.remove(user) else { return };
        bindings.retain(|binding| binding.expires_at_ms > self.now.wall.0);
        for binding in &bindings {
            self.ask(binding);
        }
        self.note_bindings(user, &bindings);
    }

    fn qualify_later(&mut self, user: &str) -> TimerKey {
        let earlier = Duration::from_millis(self.core.tokens.number() % SPREAD_MS);
        self.after(LATEST.saturating_sub(earlier), Timer::Qualify(user.to_owned()))
    }

    fn ask(&mut self, binding: &Binding) {
        let Some(message) = self.options_to(binding).map(MessageBuilder::build) else { return };
        let (key, flow) = (self.next_client(), peer::flow_to_binding(binding));
        self.out.push(Action::Sip(SipCommand::Probe { key, flow, message }));
    }

    fn options_to(&mut self, binding: &Binding) -> Option<MessageBuilder> {
        let uri = peer::target(binding)?;
        let contact = self.contact(binding.flow);
        let (tag, call_id) = (self.core.tokens.token(), self.core.tokens.token());
        let builder = Message::request(Method::Options, &uri)
            .header(Header::From, format_args!("{contact};tag={tag}"))
            .header(Header::To, NameAddr::new(uri))
            .header(Header::CallId, call_id)
            .header(Header::CSeq, "1 OPTIONS")
            .header(Header::Contact, contact)
            .header(Header::Accept, SDP)
            .header(Header::UserAgent, &self.core.config.server);
        Some(binding.path.iter().fold(builder, |builder, hop| builder.header(Header::Route, hop)))
    }
}
