//! Waiting for what is true in the end, with a bound and a reason.

use std::time::{Duration, Instant};

/// How much longer than on a quiet machine things may take.
pub const PATIENCE: u32 = 3;

/// Asks `condition` until it says yes, at most `limit` times [`PATIENCE`]; panics with `what` and the last answer.
pub fn until<T, E: std::fmt::Debug>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + limit * PATIENCE;
    loop {
        match condition() {
            Ok(value) => return value,
            Err(last) if Instant::now() >= deadline => {
                panic!("{what}: not within {limit:?} x {PATIENCE}: {last:?}")
            }
            // The conditions asked for here are states of other processes, which have no event to wait on.
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
