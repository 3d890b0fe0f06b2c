//! Any sequence of requests: restored sessions go on equally, ports are kept account of, relays never fall behind.

use proptest::prelude::*;

use super::*;

fn a_body(leg: u32) -> impl Strategy<Value = Vec<u8>> {
    let formats = prop::sample::select(vec!["0", "8", "0 8 101", "9", "9 0"]);
    let direction = prop::sample::select(vec!["sendrecv", "sendonly", "inactive"]);
    (formats, direction).prop_map(move |(formats, direction)| body(leg, formats, direction))
}

fn an_operation() -> impl Strategy<Value = MediaOperation> {
    let legs = (0u32..3, 0u32..3);
    let leg = || (0u32..3).prop_map(LegId);
    prop_oneof![
        6 => legs.clone().prop_flat_map(|(from, to)| a_body(from).prop_map(move |sdp| offer_op(from, to, sdp))),
        9 => (legs, any::<bool>()).prop_flat_map(|((from, to), early)| a_body(from).prop_map(move |sdp| answer_op(from, to, sdp, early))),
        2 => Just(MediaOperation::Rollback),
        3 => (0u32..3).prop_flat_map(|leg| a_body(leg).prop_map(move |sdp| MediaOperation::AnswerLocally { leg: spec(leg), sdp })),
        3 => (leg(), prop::sample::select(vec!["known", "known-2", "none"])).prop_map(|(leg, prompt)| MediaOperation::Play { leg, prompt: prompt.into(), repeat: 1 }),
        2 => leg().prop_map(|leg| MediaOperation::Echo { leg }),
        2 => leg().prop_map(|leg| MediaOperation::Drop { leg }),
        1 => Just(MediaOperation::Release),
    ]
}

/// Operations with how far the generation moves before them, and how far the epoch.
fn a_history() -> impl Strategy<Value = Vec<(u32, u64, MediaOperation)>> {
    let generation = prop_oneof![3 => Just(0u32), 2 => Just(1)];
    let epoch = prop_oneof![9 => Just(0u64), 1 => Just(1)];
    prop::collection::vec((generation, epoch, an_operation()), 1..40)
}

proptest! {
    #[test]
    fn a_restored_session_goes_on_as_the_one_that_wrote_the_snapshot(history in a_history()) {
        let mut call = Call::new();
        let mut generation = 1;
        for (ahead, epoch, operation) in history {
            generation += ahead;
            call.epoch.0 += epoch;
            let written = call.session.snapshot();
            let Ok(restored) = Session::restore(&written) else {
                prop_assert!(call.session.has_ended());
                return Ok(());
            };
            prop_assert_eq!(&restored, &call.session);
            let mut other = Call { session: restored, pool: call.pool.clone(), relay: call.relay.clone(), addresses: call.addresses.clone(), effects: Vec::new(), ..call };
            let result = call.ask(generation, operation.clone());
            prop_assert_eq!(other.ask(generation, operation), result);
            prop_assert_eq!(&other.effects, &call.effects);
        }
    }

    #[test]
    fn ports_routes_and_replies_stay_consistent(history in a_history()) {
        let mut call = Call::new();
        let mut generation = 1;
        for (ahead, epoch, operation) in history {
            generation += ahead;
            call.epoch.0 += epoch;
            let result = call.ask(generation, operation.clone());
            prop_assert_eq!(call.pool.in_use(), call.session.legs().count());
            let open: BTreeMap<_, _> = call.relay.0.iter().map(|(leg, known)| (*leg, known.port)).collect();
            prop_assert_eq!(open, call.session.legs().map(|(leg, pair)| (leg, pair.rtp())).collect());

            // A relay that begins from nothing gets where this one is.
            let mut effects = Vec::new();
            call.session.resume(&mut effects);
            let mut fresh = Relay::default();
            for effect in &effects {
                fresh.apply(effect);
            }
            prop_assert_eq!(&fresh, &call.relay);

            // A request that was served is served again alike, and does nothing.
            if let Ok(outcome) = result {
                prop_assert_eq!(call.ask(generation, operation), Ok(outcome));
                prop_assert!(call.effects.is_empty(), "{:?}", call.effects);
            }
        }
    }
}
