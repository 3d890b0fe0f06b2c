//! The media program: relays RTP and RTCP between the legs of calls, plays prompts, says what it saw.
//!
//! It dials every sip-node and does what they ask. It must not know SIP, dialplans or Kubernetes. `engine` moves
//! packets, `control` holds the state of calls, `media-core` decides.

pub mod args;
mod control;
mod cpu;
pub mod document;
pub mod engine;
mod files;
mod metrics;
mod ports;
mod program;
mod prompts;
mod report;

pub use args::Args;
pub use program::{ProgramError, run};
