//! Registered phones are asked again and again whether they are there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sip_core::{Header, Method};

use super::documents::{documents, user};
use super::phone::Reaction;
use super::world::World;
use crate::{Event, Limits, Tables};

impl World {
    fn register(&mut self, user: &str, contact: &str, extra: &[(Header, &str)]) {
        self.act(user, |phone, now| phone.register(now, contact, extra));
    }

    /// Seconds at which OPTIONS came in the next `seconds`. `each` is called once a second.
    fn asked(&mut self, user: &str, seconds: u64, mut each: impl FnMut(&mut Self, u64)) -> Vec<u64> {
        let mut at = Vec::new();
        for second in 0..seconds {
            each(self, second);
            let before = self.phone(user).requests(&Method::Options).len();
            self.run(Duration::from_secs(1));
            let now = self.phone(user).requests(&Method::Options).len();
            at.extend(std::iter::repeat_n(second + 1, now - before));
        }
        at
    }
}

fn own_contact(world: &mut World, user: &str) -> String {
    format!("<{}>", world.phone(user).contact)
}

#[test]
fn a_phone_is_asked_before_a_nat_forgets_it_until_it_expires() {
    let mut world = World::new();
    let contact = own_contact(&mut world, "1001");
    world.register("1001", &contact, &[]);
    let at = world.asked("1001", 180, |_, _| {});
    let gaps: Vec<u64> = std::iter::once(&0).chain(&at).zip(&at).map(|(a, b)| b - a).collect();
    assert!(gaps.iter().all(|gap| (14..=26).contains(gap)), "{at:?}");
    assert!(at.len() >= 4 && at.iter().all(|second| *second <= 121), "{at:?}");
    world.assert_over();

    let request = world.phone("1001").requests(&Method::Options)[0].clone();
    assert_eq!(request.request_uri_text(), Some("sip:1001@192.0.2.10:5060"));
    assert_eq!(request.text(Header::Contact).as_deref(), Some("<sip:192.0.2.1:5060>"));
    assert!(request.from().unwrap().params.get("tag").is_some() && request.to_tag().is_none());
    let counters = world.counters();
    assert_eq!((counters.probes, counters.probes_unanswered), (at.len() as u64, 0));
}

#[test]
fn a_refresh_does_not_double_it_and_does_not_put_it_off() {
    let mut world = World::new();
    let contact = own_contact(&mut world, "1001");
    let at = world.asked("1001", 200, |world, second| {
        if second % 10 == 0 {
            world.register("1001", &contact, &[]);
        }
    });
    assert!((8..=13).contains(&at.len()), "every 15 to 25 s: {at:?}");
}

#[test]
fn every_contact_of_a_user_is_asked() {
    let mut world = World::new();
    let contacts = ["1001", "1002"].map(|user| own_contact(&mut world, user)).join(", ");
    world.register("1001", &contacts, &[]);
    world.run(Duration::from_secs(26));
    for phone in ["1001", "1002"] {
        assert_eq!(world.phone(phone).requests(&Method::Options).len(), 1, "{phone}");
    }
}

#[test]
fn a_phone_that_unregisters_is_left_alone() {
    let mut world = World::new();
    let contact = own_contact(&mut world, "1001");
    world.register("1001", &contact, &[]);
    world.run(Duration::from_secs(40));
    assert_eq!(world.switch.tables().timers, 1);
    world.register("1001", "*", &[(Header::Expires, "0")]);
    world.run_ms(500);
    assert_eq!(world.switch.tables(), Tables::default());
    assert!(world.asked("1001", 60, |_, _| {}).is_empty());
}

#[test]
fn a_user_who_is_no_more_is_left_alone() {
    let mut world = World::registered();
    world.input(Event::Config(Arc::new(documents(Vec::new(), vec![user("1002")]))));
    assert_eq!(world.switch.tables().timers, 1);
    assert!(world.asked("1001", 60, |_, _| {}).is_empty());
    assert!(!world.phone("1002").requests(&Method::Options).is_empty());
}

#[test]
fn a_silent_phone_stays_registered_and_takes_no_room() {
    let mut world = World::new();
    let contact = own_contact(&mut world, "1001");
    world.register("1001", &contact, &[]);
    world.run_ms(500);
    world.phone("1001").dead = true;
    let mut most = 0;
    for _ in 0..1_190 {
        world.run_ms(100);
        most = world.counters().client_transactions.max(most);
        assert_eq!(world.switch.status(world.now()).registrations, 1);
        assert_eq!((world.switch.tables().clients, world.switch.tables().waiting), (0, 0));
    }
    assert_eq!(most, 1);
    let counters = world.counters();
    assert!(counters.probes >= 4 && counters.probes_unanswered == counters.probes, "{counters:?}");
    assert_eq!((counters.resent, counters.timed_out), (2 * counters.probes, 0));
    world.assert_over();
}

#[test]
fn the_way_is_the_path_of_the_registration() {
    let mut world = World::new();
    let contact = own_contact(&mut world, "1002");
    // The phone of 1003 plays the edge proxy.
    world.register("1002", &contact, &[(Header::Path, "<sip:192.0.2.12;lr>")]);
    world.run(Duration::from_secs(26));
    let options = world.phone("1003").requests(&Method::Options)[0].clone();
    assert_eq!(options.header(Header::Route), Some(&b"<sip:192.0.2.12;lr>"[..]));
    assert_eq!(options.request_uri_text(), Some("sip:1002@192.0.2.11:5060"));
}

#[test]
fn phones_that_registered_together_are_not_asked_together() {
    let users: Vec<_> = (0..200).map(|n| user(&format!("{}", 2_000 + n))).collect();
    let mut world = World::with(&documents(Vec::new(), users), Limits::default(), 1);
    world.register_all();
    let mut in_second = BTreeMap::new();
    for second in 0..60_u64 {
        let before = world.counters().probes;
        world.run(Duration::from_secs(1));
        in_second.insert(second, world.counters().probes - before);
    }
    assert!(in_second.values().sum::<u64>() >= 400, "{in_second:?}");
    assert!(in_second.values().all(|asked| *asked <= 50), "{in_second:?}");
}

#[test]
fn it_does_not_disturb_a_call() {
    let mut world = World::talking("1001", "1002");
    world.run(Duration::from_mins(1));
    assert!(world.phone("1001").is_talking() && world.phone("1002").is_talking());
    world.phone("1003").reaction = Reaction::Ring;
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
    assert!(world.phone("1002").requests(&Method::Options).len() >= 2);
}
