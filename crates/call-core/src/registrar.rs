//! The registrar (RFC 3261 section 10.3, RFC 3327, RFC 5626): a REGISTER becomes an update of bindings, the store's
//! answer becomes the response. It must not know calls, nor how bindings are kept.

use std::fmt::Write;
use std::time::Duration;

use sip_core::{Contacts, Flow, Header, Message, NameAddr, ServerKey, StatusCode};
use voip_contract::config::UserDocument;

use crate::fact::Fact;
use crate::peer;
use crate::requests::{Refusal, respond_to};
use crate::state::{AddressOfRecord, Binding, STATE_VERSION};
use crate::store::{BindingUpdate, StoreReply, StoreRequest};
use crate::turn::{StoreWaiter, Turn};

/// Longest registration granted: bindings live in memory, so a restart must not lose a phone for longer.
pub const MAX_EXPIRES: u32 = 120;
/// Shortest registration granted; less is refused with 423.
pub const MIN_EXPIRES: u32 = 30;
/// Contacts in one REGISTER.
const MAX_CONTACTS_IN_REQUEST: usize = 16;
/// Longest contact or Path value kept, in bytes.
const MAX_VALUE_BYTES: usize = 512;

/// A REGISTER that waits for the store.
pub(crate) struct PendingRegister {
    key: ServerKey,
    request: Message,
    user: String,
}

/// Takes an authenticated REGISTER of `user`.
pub(crate) fn register(turn: &mut Turn, key: ServerKey, flow: Flow, request: Message, user: &UserDocument) {
    match request_to_store(turn, flow, &request, user) {
        Ok(asked) => {
            let pending = PendingRegister { key, request, user: user.username.clone() };
            turn.store(StoreWaiter::Register(Box::new(pending)), asked);
        }
        Err(refusal) => refusal.send(turn, key, &request),
    }
}

/// Answers a REGISTER with what the store said.
pub(crate) fn stored(turn: &mut Turn, pending: &PendingRegister, reply: StoreReply) {
    let refusal = match reply {
        StoreReply::Bindings(bindings) => return registered(turn, pending, &bindings),
        StoreReply::OutOfOrder => Refusal::new(StatusCode::SERVER_INTERNAL_ERROR, "out-of-order"),
        StoreReply::TooManyContacts => Refusal::new(StatusCode::FORBIDDEN, "too-many-contacts"),
        StoreReply::Done | StoreReply::Unavailable => Refusal::overload("store-unavailable"),
    };
    refusal.send(turn, pending.key, &pending.request);
}

fn registered(turn: &mut Turn, pending: &PendingRegister, bindings: &[Binding]) {
    let now_ms = turn.now.wall.0;
    let mut response = respond_to(turn, &pending.request, StatusCode::OK);
    for binding in bindings {
        response = response.header(Header::Contact, contact_value(binding, now_ms));
    }
    // RFC 3327 section 5.3: the Path that was taken in is repeated.
    for path in pending.request.headers(Header::Path) {
        response = response.header_bytes(Header::Path, path);
    }
    let response = response.header(Header::Supported, "path").build();
    turn.respond(pending.key, response);
    turn.note_bindings(&pending.user, bindings);
    let contacts = u32::try_from(bindings.len()).unwrap_or(u32::MAX);
    turn.emit(Fact::Registered { user: pending.user.clone(), contacts });
}

/// One contact of the 200, with the seconds it has left.
fn contact_value(binding: &Binding, now_ms: u64) -> String {
    let left = binding.expires_at_ms.saturating_sub(now_ms).div_ceil(1000);
    let mut value = format!("<{}>;expires={left}", binding.contact);
    if binding.q != 1000 {
        // Writing to a String does not fail.
        let _ = write!(value, ";q=0.{:03}", binding.q);
    }
    if let Some(instance) = &binding.instance {
        let _ = write!(value, ";+sip.instance=\"{instance}\"");
    }
    if let Some(id) = binding.reg_id {
        let _ = write!(value, ";reg-id={id}");
    }
    value
}

fn request_to_store(
    turn: &Turn,
    flow: Flow,
    request: &Message,
    user: &UserDocument,
) -> Result<StoreRequest, Refusal> {
    let aor = AddressOfRecord(user.username.clone());
    let now_ms = turn.now.wall.0;
    let bad = |_| Refusal::new(StatusCode::BAD_REQUEST, "bad-contact");
    match request.contacts().map_err(bad)? {
        Contacts::List(list) if list.is_empty() => Ok(StoreRequest::LoadBindings { aor, now_ms }),
        Contacts::Star => Ok(StoreRequest::UpdateBindings { aor, update: clear(request)?, now_ms }),
        Contacts::List(list) => {
            let bindings = bindings(turn, flow, request, &list)?;
            let update = BindingUpdate::Apply { bindings, max_contacts: user.max_contacts };
            Ok(StoreRequest::UpdateBindings { aor, update, now_ms })
        }
    }
}

/// `Contact: *` only with `Expires: 0` (section 10.3 step 6).
fn clear(request: &Message) -> Result<BindingUpdate, Refusal> {
    let bad = || Refusal::new(StatusCode::BAD_REQUEST, "bad-wildcard");
    if request.expires() != Some(0) {
        return Err(bad());
    }
    let cseq = request.cseq().map_err(|_| bad())?.number;
    Ok(BindingUpdate::Clear { call_id: request.call_id().to_owned(), cseq })
}

fn bindings(turn: &Turn, flow: Flow, request: &Message, list: &[NameAddr]) -> Result<Vec<Binding>, Refusal> {
    let bad = || Refusal::new(StatusCode::BAD_REQUEST, "bad-contact");
    if list.len() > MAX_CONTACTS_IN_REQUEST {
        return Err(bad());
    }
    let cseq = request.cseq().map_err(|_| bad())?.number;
    let path: Vec<String> =
        request.list(Header::Path).map(|value| String::from_utf8_lossy(value).into_owned()).collect();
    if path.iter().map(String::len).sum::<usize>() > MAX_VALUE_BYTES {
        return Err(bad());
    }
    // Whoever comes next does not know this phone: it is to come back soon.
    let most = if turn.core.drain.is_leaving() { MIN_EXPIRES } else { MAX_EXPIRES };
    let binding = |contact: &NameAddr| {
        let seconds = granted(request, contact, most)?;
        let expires = turn.now.wall.after(Duration::from_secs(u64::from(seconds)));
        let text = contact.uri.to_string();
        if !contact.uri.is_sip() || text.len() > MAX_VALUE_BYTES {
            return Err(bad());
        }
        Ok(Binding {
            version: STATE_VERSION,
            q: preference(contact),
            instance: contact.params.text("+sip.instance").filter(|id| id.len() <= MAX_VALUE_BYTES),
            reg_id: contact.params.get("reg-id").and_then(|id| id.parse().ok()),
            call_id: request.call_id().to_owned(),
            cseq,
            flow: peer::flow_to_contact(request, &contact.uri, flow),
            path: path.clone(),
            updated_at_ms: turn.now.wall.0,
            expires_at_ms: if seconds == 0 { 0 } else { expires.0 },
            contact: text,
        })
    };
    list.iter().map(binding).collect()
}

/// Seconds granted to a contact: its own wish, else that of the request, else all there is to have; never more than
/// `most`. 0 removes it.
fn granted(request: &Message, contact: &NameAddr, most: u32) -> Result<u32, Refusal> {
    let own = contact.params.get("expires").and_then(|value| value.parse::<u32>().ok());
    match own.or_else(|| request.expires()).unwrap_or(MAX_EXPIRES) {
        0 => Ok(0),
        brief if brief < MIN_EXPIRES => {
            Err(Refusal::new(StatusCode::INTERVAL_TOO_BRIEF, "interval-too-brief")
                .with(Header::MinExpires, MIN_EXPIRES.to_string()))
        }
        wished => Ok(wished.min(most)),
    }
}

/// `q` in thousandths; 1 when it is not there or no number from 0 to 1.
fn preference(contact: &NameAddr) -> u16 {
    let Some(text) = contact.params.get("q") else { return 1000 };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
    match (whole, digits) {
        ("0" | "", true) => format!("{fraction:0<3}").parse().unwrap_or(1000),
        _ => 1000,
    }
}
