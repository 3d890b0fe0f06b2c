//! Bindings against a model so simple that it must be right.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sip_core::{Flow, ListenerId, Transport};

use crate::bindings::{current_bindings, update_bindings};
use crate::state::STATE_VERSION;
use crate::{Binding, BindingUpdate, StoreReply};

const MAX: u32 = 3;

/// What a REGISTER says: phone (its Call-ID), CSeq, contact, seconds.
#[derive(Debug, Clone)]
enum Step {
    Apply { phone: u8, cseq: u32, contacts: Vec<(u8, u64)> },
    Clear { phone: u8, cseq: u32 },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let contacts = prop::collection::vec((0..5_u8, prop_oneof![Just(0_u64), 1..100_u64]), 1..3);
    prop_oneof![
        4 => (0..2_u8, 1..30_u32, contacts).prop_map(|(phone, cseq, contacts)| Step::Apply { phone, cseq, contacts }),
        1 => (0..2_u8, 1..30_u32).prop_map(|(phone, cseq)| Step::Clear { phone, cseq }),
        1 => (1..50_u64).prop_map(Step::Wait),
    ]
}

fn binding(phone: u8, cseq: u32, contact: u8, seconds: u64, now_ms: u64) -> Binding {
    Binding {
        version: STATE_VERSION,
        contact: format!("sip:{contact}@host"),
        q: u16::from(contact) * 100,
        instance: None,
        reg_id: None,
        call_id: format!("phone-{phone}"),
        cseq,
        path: Vec::new(),
        flow: Flow {
            listener: ListenerId(0),
            transport: Transport::Udp,
            remote: "192.0.2.1:5060".parse().unwrap(),
            connection: 0,
        },
        updated_at_ms: now_ms,
        expires_at_ms: if seconds == 0 { 0 } else { now_ms + seconds * 1000 },
    }
}

/// Contact to (Call-ID's phone, CSeq, expiry).
type Model = BTreeMap<u8, (u8, u32, u64)>;

/// The new model, or none when the REGISTER is refused.
fn expected(model: &Model, step: &Step, now_ms: u64) -> Option<Model> {
    let stale = |contact: &u8, phone: u8, cseq: u32| {
        model.get(contact).is_some_and(|(of, last, _)| *of == phone && cseq <= *last)
    };
    let mut next = model.clone();
    match step {
        Step::Wait(_) => {}
        Step::Clear { phone, cseq } => {
            if model.keys().any(|contact| stale(contact, *phone, *cseq)) {
                return None;
            }
            next.clear();
        }
        Step::Apply { phone, cseq, contacts } => {
            for (contact, seconds) in contacts {
                if stale(contact, *phone, *cseq) {
                    return None;
                }
                next.remove(contact);
                if *seconds > 0 {
                    next.insert(*contact, (*phone, *cseq, now_ms + seconds * 1000));
                }
            }
            if next.len() > model.len() && next.len() > MAX as usize {
                return None;
            }
        }
    }
    Some(next)
}

proptest! {
    #[test]
    fn a_history_of_registers_leaves_what_the_model_says(steps in prop::collection::vec(step(), 1..60)) {
        let (mut bindings, mut model, mut now_ms) = (Vec::new(), Model::new(), 1_000_000_u64);
        for step in steps {
            if let Step::Wait(seconds) = step {
                now_ms += seconds * 1000;
            }
            model.retain(|_, (_, _, expiry)| *expiry > now_ms);
            let reply = match &step {
                Step::Wait(_) => current_bindings(&mut bindings, now_ms),
                Step::Clear { phone, cseq } => {
                    let update = BindingUpdate::Clear { call_id: format!("phone-{phone}"), cseq: *cseq };
                    update_bindings(&mut bindings, &update, now_ms)
                }
                Step::Apply { phone, cseq, contacts } => {
                    let new = contacts.iter().map(|(c, s)| binding(*phone, *cseq, *c, *s, now_ms)).collect();
                    let update = BindingUpdate::Apply { bindings: new, max_contacts: MAX };
                    update_bindings(&mut bindings, &update, now_ms)
                }
            };
            let next = expected(&model, &step, now_ms);
            prop_assert_eq!(matches!(reply, StoreReply::Bindings(_)), next.is_some());
            model = next.unwrap_or(model);
            let mut contacts: Vec<(String, u64)> =
                bindings.iter().map(|b| (b.contact.clone(), b.expires_at_ms)).collect();
            prop_assert!(bindings.is_sorted_by_key(|b| std::cmp::Reverse(b.q)));
            contacts.sort();
            let mut wanted: Vec<(String, u64)> =
                model.iter().map(|(c, (_, _, expiry))| (format!("sip:{c}@host"), *expiry)).collect();
            wanted.sort();
            prop_assert_eq!(contacts, wanted);
        }
    }
}

#[test]
fn uris_are_compared_as_the_rfc_says() {
    let mut bindings = vec![Binding { contact: "sip:a@HOST;x=1".to_owned(), ..binding(0, 1, 0, 50, 1000) }];
    let same = Binding { contact: "sip:%61@host".to_owned(), ..binding(1, 1, 0, 50, 1000) };
    let update = BindingUpdate::Apply { bindings: vec![same], max_contacts: 4 };
    update_bindings(&mut bindings, &update, 2000);
    assert_eq!(bindings.len(), 1);
    assert_eq!(bindings[0].contact, "sip:%61@host");
}
