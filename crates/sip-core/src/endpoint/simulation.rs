//! Two endpoints over a bad network in virtual time. Whatever the network does, every request ends once, nothing is
//! reported twice, and the tables are empty when all is over.

mod phone;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use phone::{Phone, Scenario};
use testkit::{Clock, Impairment, Network, Random};

use crate::event::SipOutput;
use crate::time::{Instant, Now, WallTime};

/// What a phone does later.
enum Action {
    Respond(crate::ServerKey, crate::StatusCode),
    Cancel(crate::ClientKey),
    Bye(Box<crate::Dialog>),
}

struct World {
    seed: u64,
    clock: Clock,
    random: Random,
    network: Network<usize, Bytes>,
    phones: [Phone; 2],
    actions: BTreeMap<(Duration, u64), (usize, Action)>,
    planned: u64,
}

/// Says which run failed.
struct Blame(u64);

impl Drop for Blame {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the run that failed has seed {}", self.0);
        }
    }
}

impl World {
    fn new(seed: u64, impairment: Impairment) -> Self {
        Self {
            seed,
            clock: Clock::new(),
            random: Random::new(seed ^ 0xffff),
            network: Network::new(seed, impairment),
            phones: [Phone::new(0), Phone::new(1)],
            actions: BTreeMap::new(),
            planned: 0,
        }
    }

    fn now(&self) -> Now {
        let since_start = self.clock.now();
        Now { instant: Instant::from_start(since_start), wall: WallTime::default().after(since_start) }
    }

    fn plan(&mut self, end: usize, delay: Range<u64>, action: Action) {
        let delay = Duration::from_millis(delay.start)..Duration::from_millis(delay.end);
        let at = self.clock.now() + self.random.duration(&delay);
        self.planned += 1;
        self.actions.insert((at, self.planned), (end, action));
    }

    fn start(&mut self, end: usize, scenario: Scenario) {
        let now = self.now();
        let call_id = format!("{}-{}", self.seed, self.planned);
        let key = self.phones[end].start(now, scenario, &call_id);
        match scenario {
            Scenario::Cancelled => self.plan(end, 0..3_000, Action::Cancel(key)),
            // Nobody lets it ring for ever: once something provisional came, no timer ends an INVITE.
            Scenario::Answered | Scenario::Busy => self.plan(end, 60_000..61_000, Action::Cancel(key)),
            Scenario::Register => {}
        }
        self.planned += 1;
    }

    /// Until nothing flies, no timer runs and nobody plans anything.
    fn run(&mut self) {
        for _ in 0..200_000 {
            self.drain();
            let timers = self.phones.iter().filter_map(|phone| phone.endpoint.deadline());
            let timers = timers.map(|at| at.since(Instant::default()));
            let planned = self.actions.keys().next().map(|(at, _)| *at);
            let Some(next) = timers.chain(planned).chain(self.network.next_arrival()).min() else { return };
            self.clock.advance_to(next);
            self.deliver();
            self.act();
        }
        panic!("the run does not end");
    }

    fn drain(&mut self) {
        for end in 0..2 {
            while let Some(output) = self.phones[end].endpoint.poll(self.now()) {
                match output {
                    SipOutput::Transmit { flow, bytes } => {
                        let to = usize::from(flow.remote.port() - 5060);
                        self.network.send(self.clock.now(), end, to, bytes);
                    }
                    SipOutput::Event(event) => {
                        let now = self.now();
                        for (delay, action) in self.phones[end].on(now, event) {
                            self.plan(end, delay, action);
                        }
                    }
                }
            }
        }
    }

    fn deliver(&mut self) {
        let now = self.now();
        while let Some(delivery) = self.network.receive(self.clock.now()) {
            let phone = &mut self.phones[delivery.to];
            phone.endpoint.receive(now, phone::flow_to(delivery.from), delivery.payload);
        }
    }

    fn act(&mut self) {
        let now = self.now();
        while let Some(entry) = self.actions.first_entry().filter(|entry| entry.key().0 <= self.clock.now()) {
            let (end, action) = entry.remove();
            self.phones[end].act(now, action);
        }
    }

    fn check(&self) {
        for phone in &self.phones {
            phone.check();
        }
        assert_eq!(self.network.in_flight(), 0);
    }
}

fn bad(loss: f64) -> Impairment {
    let delay = Duration::from_millis(1)..Duration::from_millis(400);
    Impairment { loss, duplicate: 0.1, reorder: 0.1, delay }
}

const ALL: [Scenario; 5] =
    [Scenario::Answered, Scenario::Busy, Scenario::Cancelled, Scenario::Register, Scenario::Answered];

#[test]
fn every_transaction_ends_once_on_a_bad_network() {
    for seed in 0..3_000 {
        let _blame = Blame(seed);
        let mut world = World::new(seed, bad([0.05, 0.2, 0.4][usize::try_from(seed % 3).unwrap()]));
        for (number, scenario) in ALL.into_iter().enumerate() {
            world.start(number % 2, scenario);
        }
        world.run();
        world.check();
    }
}

#[test]
fn on_a_good_network_everything_succeeds_without_repetition() {
    let mut world = World::new(1, Impairment::none(Duration::from_millis(20)));
    for (number, scenario) in ALL.into_iter().enumerate() {
        world.start(number % 2, scenario);
    }
    world.run();
    world.check();
    for phone in &world.phones {
        assert_eq!((phone.endpoint.counters().timed_out, phone.endpoint.counters().acks_missing), (0, 0));
        assert!(phone.failures() <= 2, "busy and cancelled only");
    }
    let resent: u64 = world.phones.iter().map(|phone| phone.endpoint.counters().resent).sum();
    assert_eq!(resent, 0);
}

#[test]
fn without_a_network_everything_times_out() {
    for scenario in ALL {
        let mut world = World::new(1, bad(1.0));
        world.start(0, scenario);
        world.run();
        world.check();
        assert_eq!(world.phones[0].endpoint.counters().timed_out, 1);
        assert!(world.clock.now() >= Duration::from_secs(32));
    }
}

#[test]
fn a_network_that_fails_in_mid_call_leaves_nothing_behind() {
    for seed in 0..500 {
        let _blame = Blame(seed);
        let mut world = World::new(seed, bad(0.1));
        for scenario in ALL {
            world.start(0, scenario);
        }
        let cut = Duration::from_millis(world.random.below(8_000));
        while world.clock.now() < cut {
            world.drain();
            world.clock.advance(Duration::from_millis(50));
            world.deliver();
            world.act();
        }
        world.network.impair(bad(1.0));
        world.run();
        world.check();
    }
}
