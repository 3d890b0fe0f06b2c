//! Compiles dialplan documents to a matcher and says what to do with a number that was dialled.
//!
//! A decision costs the length of the number, not the count of routes: exact patterns are hashed, prefixes and
//! suffixes are tries, and every route has a rank fixed at compile time, so the lowest rank found wins. This crate
//! must not know how documents are loaded, who the users are or how an action is carried out.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

mod action;
mod built_in;
mod compile;
mod error;
mod index;
mod pattern;

#[cfg(test)]
mod tests;

pub use action::{Action, Target};
pub use built_in::{BUILT_IN_CONTEXT, built_in};
pub use compile::{Dialplan, MAX_ACTIONS, MAX_CONTEXTS, MAX_ROUTES, MAX_ROUTES_IN_ALL, Matched, compile};
pub use error::{Advice, RouteError};
pub use pattern::{MAX_PATTERN_CHARS, Pattern, PatternError};
