//! Pairs of UDP ports for RTP and RTCP inside a leased range.
//!
//! It must not know sockets: whether a port is really free is found out by whoever binds it, who then says
//! [`PortPool::mark_foreign`]. All operations take constant (amortised) time.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// An even RTP port and the odd RTCP port after it (RFC 3550 section 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct PortPair(u16);

impl PortPair {
    /// The pair that starts at `rtp`; none when that is odd or zero.
    pub fn new(rtp: u16) -> Option<Self> {
        (rtp != 0 && rtp.is_multiple_of(2)).then_some(Self(rtp))
    }

    /// The RTP port.
    pub fn rtp(self) -> u16 {
        self.0
    }

    /// The RTCP port.
    pub fn rtcp(self) -> u16 {
        self.0.saturating_add(1)
    }
}

impl From<PortPair> for u16 {
    fn from(pair: PortPair) -> Self {
        pair.0
    }
}

impl TryFrom<u16> for PortPair {
    type Error = &'static str;

    fn try_from(rtp: u16) -> Result<Self, Self::Error> {
        Self::new(rtp).ok_or("an RTP port is even and not zero")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Taken,
    /// Somebody else has one of the ports.
    Foreign,
    /// Ours for now, somebody else's once released.
    TakenThenForeign,
}

/// The pairs inside a range.
///
/// What was free longest is handed out first, so that late packets of an ended call do not meet a new one.
#[derive(Debug, Clone)]
pub struct PortPool {
    base: u16,
    states: Vec<State>,
    queue: VecDeque<PortPair>,
    in_use: usize,
    foreign: usize,
}

impl PortPool {
    /// All whole pairs inside `first..=last`.
    pub fn new(first: u16, last: u16) -> Self {
        let base = first.max(1).checked_next_multiple_of(2);
        let pairs = base.into_iter().flat_map(|base| base..last).step_by(2);
        let queue: VecDeque<_> = pairs.filter_map(PortPair::new).collect();
        let states = vec![State::Free; queue.len()];
        Self { base: base.unwrap_or(u16::MAX), states, queue, in_use: 0, foreign: 0 }
    }

    /// Takes the pair that was free longest.
    pub fn take(&mut self) -> Option<PortPair> {
        while let Some(pair) = self.queue.pop_front() {
            if let Some(state @ State::Free) = self.state_mut(pair.rtp()) {
                *state = State::Taken;
                self.in_use = self.in_use.saturating_add(1);
                return Some(pair);
            }
        }
        None
    }

    /// Gives a pair back once its sockets are closed. False, and nothing changes, when it was not taken.
    pub fn release(&mut self, pair: PortPair) -> bool {
        let Some(state) = self.state_mut(pair.rtp()) else { return false };
        let becomes = match state {
            State::Taken => State::Free,
            State::TakenThenForeign => State::Foreign,
            State::Free | State::Foreign => return false,
        };
        *state = becomes;
        if becomes == State::Free {
            self.queue.push_back(pair);
        }
        self.in_use = self.in_use.saturating_sub(1);
        true
    }

    /// Says that another program has `port`: its pair is not handed out again. A pair in use stays in use. False
    /// when the port is outside the range or known as foreign already.
    pub fn mark_foreign(&mut self, port: u16) -> bool {
        let Some(state) = self.state_mut(port) else { return false };
        *state = match state {
            State::Free => State::Foreign,
            State::Taken => State::TakenThenForeign,
            State::Foreign | State::TakenThenForeign => return false,
        };
        self.foreign = self.foreign.saturating_add(1);
        true
    }

    /// Says that nobody else has the ports of a foreign pair any more: it is handed out after all that are free now.
    /// False, and nothing changes, when it was not foreign. Takes time with the number of free pairs.
    pub fn reclaim(&mut self, pair: PortPair) -> bool {
        let Some(state @ State::Foreign) = self.state_mut(pair.rtp()) else { return false };
        *state = State::Free;
        self.foreign = self.foreign.saturating_sub(1);
        // It may still wait where it did before it became foreign.
        self.queue.retain(|queued| *queued != pair);
        self.queue.push_back(pair);
        true
    }

    /// The pairs that are foreign and not in use, by number.
    pub fn foreign_pairs(&self) -> impl Iterator<Item = PortPair> + '_ {
        let pairs = (self.base..=u16::MAX).step_by(2).filter_map(PortPair::new);
        pairs.zip(&self.states).filter(|(_, state)| **state == State::Foreign).map(|(pair, _)| pair)
    }

    /// Pairs that are ours to use, in use or not.
    pub fn capacity(&self) -> usize {
        self.states.len().saturating_sub(self.foreign)
    }

    /// Pairs in use.
    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// Pairs that another program keeps us from using.
    pub fn foreign(&self) -> usize {
        self.foreign
    }

    fn state_mut(&mut self, port: u16) -> Option<&mut State> {
        let index = usize::from(port.checked_sub(self.base)?) / 2;
        self.states.get_mut(index)
    }
}
