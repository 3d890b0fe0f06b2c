use call_core::state::STATE_VERSION;
use call_core::store::BindingUpdate;
use sip_core::{Flow, ListenerId, Transport};

use super::*;

fn aor(user: &str) -> AddressOfRecord {
    AddressOfRecord(user.to_owned())
}

fn binding(contact: &str, cseq: u32, expires_at_ms: u64) -> Binding {
    Binding {
        version: STATE_VERSION,
        contact: contact.to_owned(),
        q: 1_000,
        instance: None,
        reg_id: None,
        call_id: "c".to_owned(),
        cseq,
        path: Vec::new(),
        flow: Flow {
            listener: ListenerId(0),
            transport: Transport::Udp,
            remote: "127.0.0.1:5060".parse().unwrap(),
            connection: 0,
        },
        updated_at_ms: 0,
        expires_at_ms,
    }
}

fn register(memory: &mut MemoryStore, user: &str, bindings: Vec<Binding>) -> StoreReply {
    let update = BindingUpdate::Apply { bindings, max_contacts: 2 };
    memory.apply(StoreRequest::UpdateBindings { aor: aor(user), update, now_ms: 1_000 })
}

fn load(memory: &mut MemoryStore, user: &str, now_ms: u64) -> Vec<String> {
    match memory.apply(StoreRequest::LoadBindings { aor: aor(user), now_ms }) {
        StoreReply::Bindings(bindings) => bindings.into_iter().map(|binding| binding.contact).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bindings_are_kept_until_they_expire() {
    let mut memory = MemoryStore::default();
    register(&mut memory, "1001", vec![binding("sip:a@127.0.0.1", 1, 5_000)]);
    assert_eq!(load(&mut memory, "1001", 4_999), ["sip:a@127.0.0.1"]);
    assert!(load(&mut memory, "1002", 0).is_empty());
    assert!(load(&mut memory, "1001", 5_000).is_empty());
}

#[test]
fn refusals_change_nothing() {
    let mut memory = MemoryStore::default();
    let three = ["sip:a@h", "sip:b@h", "sip:c@h"].map(|contact| binding(contact, 1, 5_000));
    assert!(matches!(register(&mut memory, "1001", three.to_vec()), StoreReply::TooManyContacts));
    assert!(load(&mut memory, "1001", 1_000).is_empty());
    register(&mut memory, "1001", vec![binding("sip:a@h", 5, 5_000)]);
    let older = register(&mut memory, "1001", vec![binding("sip:a@h", 4, 9_000)]);
    assert!(matches!(older, StoreReply::OutOfOrder));
    assert_eq!(load(&mut memory, "1001", 4_000), ["sip:a@h"]);
}

#[test]
fn contacts_are_counted_until_they_expire() {
    let mut memory = MemoryStore::default();
    register(&mut memory, "1001", vec![binding("sip:a@h", 1, 5_000), binding("sip:b@h", 1, 9_000)]);
    let counts = [4_999, 5_000, 9_000].map(|now_ms| memory.contacts(&aor("1001"), now_ms));
    assert_eq!(counts, [2, 1, 0]);
    assert_eq!(memory.contacts(&aor("1002"), 0), 0);
}

#[test]
fn what_expires_unread_is_gone_after_as_many_registrations() {
    let mut memory = MemoryStore::default();
    for user in 0..50 {
        register(&mut memory, &format!("old{user}"), vec![binding("sip:a@h", 1, 5_000)]);
    }
    for cseq in 1..60 {
        let update =
            BindingUpdate::Apply { bindings: vec![binding("sip:b@h", cseq, 9_000)], max_contacts: 2 };
        memory.apply(StoreRequest::UpdateBindings { aor: aor("new"), update, now_ms: 6_000 });
    }
    assert_eq!(memory.bindings.keys().collect::<Vec<_>>(), [&aor("new")]);
    assert_eq!(memory.rounds, [aor("new")]);
}

#[test]
fn an_address_that_comes_and_goes_is_swept_once() {
    let mut memory = MemoryStore::default();
    for cseq in 0..40 {
        let expires = if cseq % 2 == 0 { 5_000 } else { 0 };
        register(&mut memory, "1001", vec![binding("sip:a@h", cseq + 1, expires)]);
    }
    assert!(memory.rounds.len() <= 1 && memory.bindings.len() <= 1);
}

#[test]
fn requests_are_served_in_order_when_asked_and_a_full_queue_says_so() {
    let mut memory = MemoryStore::default();
    for ticket in 0..QUEUE as u64 {
        assert!(memory.put(Ticket(ticket), StoreRequest::RemoveCall(CallId(1))));
    }
    assert!(!memory.put(Ticket(0), StoreRequest::RemoveCall(CallId(1))));
    assert!(matches!(memory.serve(), Some((Ticket(0), StoreReply::Done))));
    assert!(matches!(memory.serve(), Some((Ticket(1), StoreReply::Done))));
    assert_eq!(memory.waiting(), QUEUE - 2);
}
