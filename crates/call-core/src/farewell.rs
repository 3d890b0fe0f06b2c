//! What is still to be said after a call is over: a late 2xx gets its ACK and BYE, and a party that has not
//! acknowledged our 2xx hears BYE once it has (RFC 3261 sections 13.2.2.4 and 15). It must not know calls.

use std::collections::HashMap;
use std::time::Duration;

use sip_core::{ClientKey, Dialog, Flow, Header, Message, Method, ServerKey};

use crate::peer;
use crate::timers::{STRAY, Timer, TimerKey};
use crate::turn::Turn;

/// Parting words that are still to be said.
#[derive(Debug, Default)]
pub(crate) struct Farewell {
    strays: HashMap<ClientKey, (Stray, TimerKey)>,
    byes: HashMap<ServerKey, Bye>,
}

/// An INVITE of ours whose outcome no call waits for.
#[derive(Debug)]
enum Stray {
    /// Outside a dialog: each 2xx makes one that nobody wants.
    Invite { request: Message, flow: Flow },
    /// Inside a dialog that has ended: its 2xx wants an ACK, and that is all.
    Reinvite { dialog: Box<Dialog>, cseq: u32, flow: Flow },
}

#[derive(Debug)]
struct Bye {
    dialog: Box<Dialog>,
    flow: Flow,
    reason: Option<String>,
}

impl Farewell {
    /// How many words are still to be said.
    pub(crate) fn len(&self) -> usize {
        self.strays.len() + self.byes.len()
    }
}

impl Turn<'_> {
    /// That INVITE is cancelled: a 2xx to it is to be acknowledged and ended.
    pub(crate) fn abandon_invite(&mut self, key: ClientKey, request: Message, flow: Flow) {
        // Twice as long: a CANCEL may be held back until the first provisional response.
        self.stray(key, Stray::Invite { request, flow }, STRAY.saturating_mul(2));
    }

    /// That INVITE is answered: a further 2xx to it is to be acknowledged and ended.
    pub(crate) fn refuse_forks(&mut self, key: ClientKey, request: Message, flow: Flow) {
        self.stray(key, Stray::Invite { request, flow }, STRAY);
    }

    /// A 2xx to that re-INVITE is to be acknowledged.
    pub(crate) fn abandon_reinvite(&mut self, key: ClientKey, dialog: Dialog, cseq: u32, flow: Flow) {
        self.stray(key, Stray::Reinvite { dialog: Box::new(dialog), cseq, flow }, STRAY.saturating_mul(2));
    }

    fn stray(&mut self, key: ClientKey, stray: Stray, span: Duration) {
        self.core.clients.remove(&key);
        let timer = self.after(span, Timer::Stray(key));
        if let Some((_, old)) = self.core.farewell.strays.insert(key, (stray, timer)) {
            self.core.timers.stop(old);
        }
    }

    /// A response to an INVITE that no call waits for.
    pub(crate) fn stray_response(&mut self, key: ClientKey, response: &Message) {
        let Some(status) = response.status().filter(|status| status.is_final()) else { return };
        if status.is_failure() {
            return self.forget_stray(key);
        }
        match self.core.farewell.strays.get(&key) {
            Some((Stray::Invite { request, flow }, _)) => {
                let (request, flow) = (request.clone(), *flow);
                self.refuse_dialog(key, flow, &request, response);
            }
            Some((Stray::Reinvite { dialog, cseq, flow }, _)) => {
                let (ack, flow) = (dialog.ack(*cseq).build(), *flow);
                self.acknowledge(key, flow, ack);
            }
            None => {}
        }
    }

    /// Takes up a dialog that nobody wants, and ends it.
    fn refuse_dialog(&mut self, key: ClientKey, flow: Flow, request: &Message, response: &Message) {
        let (Ok(dialog), Ok(cseq)) = (Dialog::from_response(request, response), request.cseq()) else {
            return;
        };
        let flow = peer::next_hop(&dialog.route_set, flow);
        self.acknowledge(key, flow, dialog.ack(cseq.number).build());
        self.bye(dialog, flow, None);
    }

    /// Nothing more comes for that INVITE.
    pub(crate) fn forget_stray(&mut self, key: ClientKey) {
        if let Some((_, timer)) = self.core.farewell.strays.remove(&key) {
            self.core.timers.stop(timer);
        }
    }

    /// Ends a dialog.
    pub(crate) fn bye(&mut self, mut dialog: Dialog, flow: Flow, reason: Option<&str>) {
        let mut bye = dialog.request(Method::Bye).header(Header::UserAgent, &self.core.config.server);
        if let Some(reason) = reason {
            bye = bye.header(Header::Reason, reason);
        }
        self.send(flow, bye.build());
    }

    /// Ends a dialog once the 2xx sent on `key` is acknowledged: before, a BYE is not allowed (section 15).
    pub(crate) fn bye_after_ack(
        &mut self,
        key: ServerKey,
        dialog: Dialog,
        flow: Flow,
        reason: Option<String>,
    ) {
        self.core.farewell.byes.insert(key, Bye { dialog: Box::new(dialog), flow, reason });
    }

    /// The 2xx sent on `key` is acknowledged, or never will be.
    pub(crate) fn unowned_ack(&mut self, key: ServerKey) {
        if let Some(bye) = self.core.farewell.byes.remove(&key) {
            self.bye(*bye.dialog, bye.flow, bye.reason.as_deref());
        }
    }

    /// Says at once what waits for an ACK: the process is going.
    pub(crate) fn hurry_byes(&mut self) {
        let keys: Vec<ServerKey> = self.core.farewell.byes.keys().copied().collect();
        for key in keys {
            self.unowned_ack(key);
        }
    }
}
