//! What a media relay decides: SDP offer/answer, ports, sources, RTP and RTCP, prompts, statistics.
//!
//! It must not know sockets, files, clocks or randomness: instants are [`std::time::Duration`]s since a start that
//! the caller chose, seeds and SSRCs are arguments, and what should happen comes out as values.

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

pub mod g711;
pub mod latch;
pub mod offer_answer;
pub mod port_pool;
pub mod prompt;
pub mod quality;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod statistics;
pub mod ua;
