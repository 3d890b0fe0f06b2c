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

fn register(memory: &mut Memory, user: &str, bindings: Vec<Binding>) -> StoreReply {
    let update = BindingUpdate::Apply { bindings, max_contacts: 2 };
    memory.apply(StoreRequest::UpdateBindings { aor: aor(user), update, now_ms: 1_000 })
}

fn load(memory: &mut Memory, user: &str, now_ms: u64) -> Vec<String> {
    match memory.apply(StoreRequest::LoadBindings { aor: aor(user), now_ms }) {
        StoreReply::Bindings(bindings) => bindings.into_iter().map(|binding| binding.contact).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bindings_are_kept_until_they_expire() {
    let mut memory = Memory::default();
    register(&mut memory, "1001", vec![binding("sip:a@127.0.0.1", 1, 5_000)]);
    assert_eq!(load(&mut memory, "1001", 4_999), ["sip:a@127.0.0.1"]);
    assert!(load(&mut memory, "1002", 0).is_empty());
    assert!(load(&mut memory, "1001", 5_000).is_empty());
}

#[test]
fn refusals_change_nothing_and_leave_no_entry() {
    let mut memory = Memory::default();
    let three = ["sip:a@h", "sip:b@h", "sip:c@h"].map(|contact| binding(contact, 1, 5_000));
    assert!(matches!(register(&mut memory, "1001", three.to_vec()), StoreReply::TooManyContacts));
    assert!(memory.bindings.is_empty());
    register(&mut memory, "1001", vec![binding("sip:a@h", 5, 5_000)]);
    let older = register(&mut memory, "1001", vec![binding("sip:a@h", 4, 9_000)]);
    assert!(matches!(older, StoreReply::OutOfOrder));
    assert_eq!(load(&mut memory, "1001", 4_000), ["sip:a@h"]);
}

#[test]
fn what_expires_unread_is_swept() {
    let mut memory = Memory::default();
    register(&mut memory, "1001", vec![binding("sip:a@h", 1, 5_000)]);
    register(&mut memory, "1002", vec![binding("sip:b@h", 1, 9_000)]);
    memory.sweep(6_000);
    assert_eq!(memory.bindings.keys().collect::<Vec<_>>(), [&aor("1002")]);
}

#[test]
fn replies_come_from_another_thread_with_their_ticket() {
    let (posts, mut inbox) = crate::decide::inbox().unwrap();
    let (threads, _ended) = Threads::new();
    let queue = start(&threads, posts.store).unwrap();
    assert!(queue.put(Ticket(42), StoreRequest::LoadBindings { aor: aor("1001"), now_ms: 0 }));
    let (ticket, reply) = inbox.store_blocking().unwrap();
    assert_eq!(ticket, Ticket(42));
    assert!(matches!(reply, StoreReply::Bindings(bindings) if bindings.is_empty()));
}
