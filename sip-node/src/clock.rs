//! The one place where this program reads the clocks.

use std::time::{Duration, SystemTime};

use sip_core::{Instant, Now, WallTime};

/// Monotonic time since this clock was made, and wall time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// Its zero is now.
    pub(crate) fn start() -> Self {
        Self { start: std::time::Instant::now() }
    }

    /// Both clocks.
    pub(crate) fn now(self) -> Now {
        Now { instant: Instant::from_start(self.start.elapsed()), wall: WallTime(wall_ms()) }
    }
}

/// Unix time in milliseconds; 0 on a clock before 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
