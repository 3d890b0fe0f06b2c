//! Virtual time: it passes when the test says so, and only forward.

use std::time::Duration;

/// Time since the test began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Clock(Duration);

impl Clock {
    /// At zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Time since the test began.
    pub fn now(&self) -> Duration {
        self.0
    }

    /// Goes to `to`; stays where it is when that is past.
    pub fn advance_to(&mut self, to: Duration) {
        self.0 = self.0.max(to);
    }

    /// Goes on by `span`.
    pub fn advance(&mut self, span: Duration) {
        self.0 += span;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back() {
        let mut clock = Clock::new();
        clock.advance(Duration::from_secs(2));
        clock.advance_to(Duration::from_secs(1));
        assert_eq!(clock.now(), Duration::from_secs(2));
    }
}
