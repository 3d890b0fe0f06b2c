//! The limit of open files: each leg holds two sockets, and the usual soft limit of 1,024 is soon met.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are not sockets of legs: streams, health requests, libraries.
pub(crate) const OTHERS: u64 = 128;

/// Raises the soft limit to the hard one. Returns what may be open from here on.
pub(crate) fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    limit.current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_the_soft_limit_is_the_hard_one() {
        let open = raise_limit();
        assert!(open > OTHERS);
        assert_eq!(getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum);
    }
}
