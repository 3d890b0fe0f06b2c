//! Phones that do anything at any time, over a network that loses, doubles and overtakes. Whatever happens: nothing is
//! left, and every call has one CDR.

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::{Impairment, Random};
use voip_contract::media::Direction;

use super::documents::node;
use super::phone::Reaction;
use super::world::World;

const PHONES: [&str; 3] = ["1001", "1002", "1003"];

fn reaction(random: &mut Random) -> Reaction {
    match random.below(6) {
        0 => Reaction::Ring,
        1 => Reaction::Early,
        2 => Reaction::Reject(486),
        3 => Reaction::Ignore,
        _ => Reaction::Answer,
    }
}

fn act(world: &mut World, random: &mut Random) {
    let user = PHONES[usize::try_from(random.below(3)).unwrap()];
    let number = ["1001", "1002", "1003", "*43", "404"][usize::try_from(random.below(5)).unwrap()];
    let wish = random.below(8);
    let next = reaction(random);
    world.act(user, |phone, now| {
        phone.reaction = next;
        match (&phone.line, wish) {
            (None, 0..=3) if number != user => phone.invite(now, number),
            (Some(line), 0..=1) if line.confirmed && line.client.is_none() => phone.hang_up(now, None),
            (Some(line), 2) if line.confirmed && line.client.is_none() => {
                phone.reinvite(now, Some(Direction::SendOnly));
            }
            (Some(line), 3) if line.confirmed && line.client.is_none() => phone.reinvite(now, None),
            (Some(line), 4) if line.client.is_some() && !line.confirmed => phone.cancel(now),
            (Some(line), 5) if !line.confirmed && line.client.is_none() => phone.answer(now),
            (Some(line), 6) if !line.confirmed && line.client.is_none() => phone.reject(now, 603),
            (Some(line), 7) if line.confirmed => phone.info(now, "Signal=1"),
            _ => {}
        }
    });
}

/// What befalls the machines: a media-node is killed and comes back, or breaks off for a moment; the store is slow.
fn misfortune(world: &mut World, random: &mut Random, run: &mut u64) {
    let name = ["m0", "m1"][usize::try_from(random.below(2)).unwrap()];
    match random.below(12) {
        0 => {
            world.kill_node(name);
            world.run(random.duration(&(Duration::ZERO..Duration::from_secs(3))));
            *run += 1;
            world.connect_node(name, *run);
        }
        1 => {
            let before = world.media[&node(name)].said.incarnation.0;
            world.disconnect_node(name);
            world.run(random.duration(&(Duration::ZERO..Duration::from_secs(2))));
            world.connect_node(name, before);
        }
        2 => world.store_delay = random.duration(&(Duration::ZERO..Duration::from_millis(500))),
        3 => world.store_silent = !world.store_silent,
        _ => {}
    }
}

fn simulate(seed: u64, machines_fail: bool) -> Vec<u16> {
    let mut random = Random::new(seed);
    let mut world = World::registered();
    let bad = Impairment {
        loss: 0.05,
        duplicate: 0.05,
        reorder: 0.05,
        delay: Duration::from_millis(1)..Duration::from_millis(60),
    };
    world.network.impair(bad);
    let mut run = 100;
    for round in 0..120 {
        act(&mut world, &mut random);
        if machines_fail {
            misfortune(&mut world, &mut random, &mut run);
        }
        let pause = random.duration(&(Duration::from_millis(1)..Duration::from_millis(900)));
        world.run(pause);
        if round % 40 == 39 {
            world.register_all();
        }
    }
    world.network.impair(Impairment::none(Duration::from_millis(2)));
    world.store_silent = false;
    // What still rings or talks is ended: phones first, so that the switch sees ordinary ends.
    world.run(Duration::from_secs(100));
    for user in PHONES {
        world.act(user, |phone, now| phone.hang_up(now, None));
    }
    world.run(Duration::from_secs(40));
    world.assert_over();
    world.records().iter().map(|record| record.sip_status).collect()
}

fn outcomes_of_seeds(machines_fail: bool) -> BTreeMap<u16, u32> {
    let mut outcomes = BTreeMap::new();
    for seed in 0..60 {
        let result = std::panic::catch_unwind(|| simulate(seed, machines_fail));
        for status in result.unwrap_or_else(|_| panic!("seed {seed}")) {
            *outcomes.entry(status).or_insert(0_u32) += 1;
        }
    }
    outcomes
}

#[test]
fn nothing_is_left_whatever_phones_do() {
    let outcomes = outcomes_of_seeds(false);
    // The simulation is worth something only as long as all of these happen.
    for status in [200, 404, 486, 487, 603] {
        assert!(outcomes.get(&status).is_some_and(|count| *count >= 10), "{outcomes:?}");
    }
}

#[test]
fn nothing_is_left_whatever_befalls_the_machines() {
    let outcomes = outcomes_of_seeds(true);
    for status in [200, 480, 487, 503] {
        assert!(outcomes.get(&status).is_some_and(|count| *count >= 10), "{outcomes:?}");
    }
}
