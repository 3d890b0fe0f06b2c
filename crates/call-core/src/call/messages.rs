//! The messages of a call: responses to its INVITEs, the INVITE to a contact. Decides nothing.

use sip_core::message::MessageBuilder;
use sip_core::{Flow, Header, Host, Message, Method, NameAddr, ServerKey, StatusCode, Uri};

use super::{ActiveCall, CALLER};
use crate::peer;
use crate::requests::{ALLOW, SDP};
use crate::state::{Binding, Leg};
use crate::turn::Turn;

/// Hops left when the caller does not say (RFC 3261 section 8.1.1.6).
const MAX_FORWARDS: u8 = 70;
/// What a callee is to show about the call: copied as it came. Not Alert-Info: with it a caller could make another's
/// phone answer by itself, or ring with a sound of the caller's choice (RFC 3261 section 20.4).
const COPIED: [Header; 1] = [Header::Subject];

/// What callees are shown of the caller's INVITE.
#[derive(Debug)]
pub(super) struct Shown {
    hops_left: u8,
    /// Host of From.
    host: Host,
    /// Host of To.
    dialled_host: Host,
    headers: Vec<(Header, Vec<u8>)>,
}

impl Shown {
    pub(super) fn of(invite: &Message) -> Self {
        let host = invite.from().map_or(Host::None, |from| from.uri.host);
        let dialled = invite.to().map_or(Host::None, |to| to.uri.host);
        Self {
            hops_left: invite.max_forwards().unwrap_or(MAX_FORWARDS).saturating_sub(1),
            // A telephone number has no host; ours is that of the caller.
            dialled_host: if dialled == Host::None { host.clone() } else { dialled },
            host,
            headers: COPIED.iter().filter_map(|name| Some((*name, invite.header(*name)?.to_vec()))).collect(),
        }
    }
}

impl Turn<'_> {
    /// Our Contact for a peer.
    pub(crate) fn contact(&self, flow: Flow) -> String {
        let inside = self.core.directory.is_inside(flow.remote.ip());
        let listener = self.core.config.listeners.get(usize::from(flow.listener.0));
        match listener.or_else(|| self.core.config.listeners.first()) {
            Some(advertised) => {
                let outside = self.core.directory.advertised(flow.listener);
                let outside = outside.map_or(advertised.outside, |told| (told.ip(), told.port()));
                let (address, port) = if inside { advertised.inside } else { outside };
                format!("<{}>", Uri { user: None, ..Uri::sip("", address.into(), Some(port)) })
            }
            None => String::new(),
        }
    }
}

impl ActiveCall {
    /// A response to the INVITE that opened the call, while it waits for one.
    pub(super) fn caller_response(
        &self,
        turn: &Turn,
        status: StatusCode,
        body: Option<&[u8]>,
    ) -> Option<(ServerKey, Message)> {
        let (key, invite) = self.caller.invite.as_ref()?;
        let leg = self.leg(CALLER)?;
        Some((*key, response(turn, invite, Some(leg.flow), &leg.tag, status, body).build()))
    }

    /// A failure to the INVITE that opened the call.
    pub(super) fn caller_failure(
        &self,
        turn: &Turn,
        invite: &Message,
        status: StatusCode,
        reason: &str,
    ) -> Message {
        let tag = self.leg(CALLER).map_or("", |leg| &leg.tag);
        let builder = response(turn, invite, None, tag, status, None).header(Header::Reason, reason);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return builder.header(Header::RetryAfter, turn.retry_after()).build();
        }
        builder.build()
    }

    /// The INVITE to a contact, with a dialog of our own.
    pub(super) fn invite_to(&self, turn: &mut Turn, binding: &Binding, leg: &Leg) -> Option<Message> {
        let uri = peer::target(binding)?;
        let mut builder = Message::request(Method::Invite, &uri)
            .header(Header::MaxForwards, self.caller.shown.hops_left)
            .header(Header::From, self.shown_caller(&leg.tag))
            .header(Header::To, format_args!("<{}>", self.dialled_uri()))
            .header(Header::CallId, turn.core.tokens.token())
            .header(Header::CSeq, "1 INVITE")
            .header(Header::Contact, turn.contact(leg.flow))
            .header(Header::Allow, ALLOW)
            .header(Header::UserAgent, &turn.core.config.server);
        for route in &binding.path {
            builder = builder.header(Header::Route, route);
        }
        for (name, value) in &self.caller.shown.headers {
            builder = builder.header_bytes(*name, value);
        }
        if let Some(body) = &leg.local_sdp {
            builder = builder.body(SDP, body.clone());
        }
        Some(builder.build())
    }

    /// From of the branch: display name and number of the user, at the host that the caller itself used.
    fn shown_caller(&self, tag: &str) -> NameAddr {
        let user = &self.caller.user;
        let number = if user.caller_id.is_empty() { &user.username } else { &user.caller_id };
        let uri = Uri::sip(number, self.caller.shown.host.clone(), None);
        NameAddr::new(uri).named(user.display_name.clone()).tagged(tag)
    }

    /// To of the branch: what was dialled.
    fn dialled_uri(&self) -> Uri {
        let host = self.caller.shown.dialled_host.clone();
        Uri::sip(&self.value.record.to, host, None)
    }
}

/// A response to an INVITE of one of our dialogs. `flow` is given when it makes or refreshes the dialog.
pub(super) fn response(
    turn: &Turn,
    request: &Message,
    flow: Option<Flow>,
    tag: &str,
    status: StatusCode,
    body: Option<&[u8]>,
) -> MessageBuilder {
    let mut builder =
        Message::response_to(request, status).to_tag(tag).header(Header::Server, &turn.core.config.server);
    if let Some(flow) = flow {
        builder = builder.header(Header::Contact, turn.contact(flow)).header(Header::Allow, ALLOW);
    }
    match body {
        Some(body) if !body.is_empty() => builder.body(SDP, body.to_vec()),
        _ => builder,
    }
}
