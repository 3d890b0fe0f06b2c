//! A network between two or more ends that loses, doubles, delays and overtakes, as its seed decides.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::random::Random;

/// How bad a network is.
#[derive(Debug, Clone, PartialEq)]
pub struct Impairment {
    /// Probability that a payload is lost.
    pub loss: f64,
    /// Probability that a payload arrives twice.
    pub duplicate: f64,
    /// Probability that a payload is held back for another delay, so that later ones overtake it.
    pub reorder: f64,
    /// How long a payload takes. A wide range reorders by itself.
    pub delay: Range<Duration>,
}

impl Impairment {
    /// Nothing is lost or doubled, everything takes `delay`.
    pub fn none(delay: Duration) -> Self {
        Self { loss: 0.0, duplicate: 0.0, reorder: 0.0, delay: delay..delay }
    }
}

/// A payload that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery<A, T> {
    /// Who sent it.
    pub from: A,
    /// Where it was sent.
    pub to: A,
    /// What it is.
    pub payload: T,
}

/// Payloads on their way between addresses of type `A`.
#[derive(Debug)]
pub struct Network<A, T> {
    random: Random,
    impairment: Impairment,
    /// By arrival; the number keeps the order of those that arrive together.
    flying: BTreeMap<(Duration, u64), Delivery<A, T>>,
    sent: u64,
    lost: u64,
}

impl<A: Clone, T: Clone> Network<A, T> {
    /// An empty network.
    pub fn new(seed: u64, impairment: Impairment) -> Self {
        Self { random: Random::new(seed), impairment, flying: BTreeMap::new(), sent: 0, lost: 0 }
    }

    /// From now on as bad as this; what is on its way arrives as decided.
    pub fn impair(&mut self, impairment: Impairment) {
        self.impairment = impairment;
    }

    /// Sends at `now`.
    pub fn send(&mut self, now: Duration, from: A, to: A, payload: T) {
        if self.random.chance(self.impairment.loss) {
            self.lost += 1;
            return;
        }
        let delivery = Delivery { from, to, payload };
        if self.random.chance(self.impairment.duplicate) {
            self.fly(now, delivery.clone());
        }
        self.fly(now, delivery);
    }

    /// When the next payload arrives.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next payload that has arrived by `now`.
    pub fn receive(&mut self, now: Duration) -> Option<Delivery<A, T>> {
        let entry = self.flying.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }

    /// How many payloads are on their way.
    pub fn in_flight(&self) -> usize {
        self.flying.len()
    }

    /// How many payloads were lost.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn fly(&mut self, now: Duration, delivery: Delivery<A, T>) {
        let mut arrival = now + self.random.duration(&self.impairment.delay);
        if self.random.chance(self.impairment.reorder) {
            arrival += self.random.duration(&self.impairment.delay) + self.impairment.delay.start;
        }
        self.sent += 1;
        self.flying.insert((arrival, self.sent), delivery);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, impairment: &Impairment) -> Vec<(Duration, u32)> {
        let mut network = Network::new(seed, impairment.clone());
        for number in 0..1000_u32 {
            network.send(Duration::from_millis(number.into()), 'a', 'b', number);
        }
        let mut arrived = Vec::new();
        while let Some(at) = network.next_arrival() {
            assert!(network.receive(at.saturating_sub(Duration::from_micros(1))).is_none());
            let delivery = network.receive(at).unwrap();
            assert_eq!((delivery.from, delivery.to), ('a', 'b'));
            arrived.push((at, delivery.payload));
        }
        assert_eq!(network.in_flight(), 0);
        arrived
    }

    #[test]
    fn a_good_network_keeps_everything_in_order() {
        let arrived = run(1, &Impairment::none(Duration::from_millis(5)));
        assert!(arrived.iter().map(|(_, number)| *number).eq(0..1000));
        assert_eq!(arrived[0].0, Duration::from_millis(5));
    }

    #[test]
    fn a_bad_network_does_what_it_says_and_the_same_again() {
        let delay = Duration::from_millis(1)..Duration::from_millis(20);
        let bad = Impairment { loss: 0.2, duplicate: 0.1, reorder: 0.1, delay };
        let arrived = run(7, &bad);
        assert_eq!(arrived, run(7, &bad));
        assert_ne!(arrived, run(8, &bad));
        let mut once: Vec<u32> = arrived.iter().map(|(_, number)| *number).collect();
        assert!(!once.is_sorted(), "some overtake others");
        once.sort_unstable();
        once.dedup();
        assert!((700..900).contains(&once.len()), "about a fifth is lost: {}", once.len());
        assert!((40..140).contains(&(arrived.len() - once.len())), "about a tenth is doubled");
    }
}
