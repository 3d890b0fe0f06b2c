//! What a REGISTER does to the bindings of one AoR (RFC 3261 section 10.3 step 7, RFC 5626 section 6): one step over
//! plain values, for every store to apply under its own lock. It must not know requests or how they are answered.

use sip_core::Uri;

use crate::state::Binding;
use crate::store::{BindingUpdate, StoreReply};

/// Applies `update` to `bindings`, after those that have expired by `now_ms` are dropped. On refusal the rest stays
/// as it was.
pub fn update_bindings(bindings: &mut Vec<Binding>, update: &BindingUpdate, now_ms: u64) -> StoreReply {
    drop_expired(bindings, now_ms);
    match update {
        BindingUpdate::Clear { call_id, cseq } => clear(bindings, call_id, *cseq),
        BindingUpdate::Apply { bindings: new, max_contacts } => apply(bindings, new, *max_contacts),
    }
}

/// Drops what has expired by `now_ms`, and answers with the rest in order: highest q first, then newest.
pub fn current_bindings(bindings: &mut Vec<Binding>, now_ms: u64) -> StoreReply {
    drop_expired(bindings, now_ms);
    StoreReply::Bindings(bindings.clone())
}

fn drop_expired(bindings: &mut Vec<Binding>, now_ms: u64) {
    bindings.retain(|binding| binding.expires_at_ms > now_ms);
}

fn clear(bindings: &mut Vec<Binding>, call_id: &str, cseq: u32) -> StoreReply {
    if bindings.iter().any(|binding| is_stale(binding, call_id, cseq)) {
        return StoreReply::OutOfOrder;
    }
    bindings.clear();
    StoreReply::Bindings(Vec::new())
}

fn apply(bindings: &mut Vec<Binding>, new: &[Binding], max_contacts: u32) -> StoreReply {
    let mut next = bindings.clone();
    for binding in new {
        // Judged against what was stored, not against the contact before it in the same REGISTER.
        if bindings.iter().any(|old| is_same(old, binding) && is_stale(old, &binding.call_id, binding.cseq)) {
            return StoreReply::OutOfOrder;
        }
        next.retain(|old| !is_same(old, binding));
        if binding.expires_at_ms != 0 {
            next.push(binding.clone());
        }
    }
    let grows = next.len() > bindings.len();
    if grows && next.len() > usize::try_from(max_contacts).unwrap_or(usize::MAX) {
        return StoreReply::TooManyContacts;
    }
    next.sort_by(|a, b| b.q.cmp(&a.q).then(b.updated_at_ms.cmp(&a.updated_at_ms)));
    next.clone_into(bindings);
    StoreReply::Bindings(next)
}

/// A REGISTER of the same Call-ID must have a higher CSeq; one of another Call-ID comes from a restarted phone.
fn is_stale(stored: &Binding, call_id: &str, cseq: u32) -> bool {
    stored.call_id == call_id && cseq <= stored.cseq
}

/// The same flow of the same instance (RFC 5626 section 6), or the same URI (RFC 3261 section 19.1.4).
fn is_same(a: &Binding, b: &Binding) -> bool {
    let same_instance = a.instance.is_some() && a.instance == b.instance && a.reg_id == b.reg_id;
    same_instance || is_same_uri(&a.contact, &b.contact)
}

fn is_same_uri(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (Uri::parse(a), Uri::parse(b)) {
        (Ok(a), Ok(b)) => a.matches(&b),
        _ => false,
    }
}
