//! A SIP and RTP user agent for voipctl, the probe and the end-to-end tests.
//!
//! A [`Phone`] owns a thread with its SIP socket; each [`Call`] owns a thread with its RTP. What is sent can be known
//! audio, whose every packet the far side checks bit for bit. It must not know sip-node, media-node or how either is
//! configured: to it they are a SIP server and an RTP peer.

mod agent;
pub mod audio;
pub mod call;
pub mod config;
pub mod error;
mod mailbox;
pub mod media;
pub mod phone;
mod session;
mod wake;

pub use audio::KnownAudio;
pub use call::{Call, CallState, EndReason, EndedBy};
pub use config::{AnswerPolicy, Audio, CallOptions, Expect, PhoneConfig, Secret, seed_of};
pub use error::PhoneError;
pub use media::{Captured, MediaReport, RtcpReport, RtpEnd};
pub use media_core::g711::Law;
pub use phone::{Phone, RegistrationState};
