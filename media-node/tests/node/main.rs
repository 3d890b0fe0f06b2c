//! media-node as it ships, against a sip-node played by the test and phones that are plain sockets.

mod draining;
mod harness;
mod lifecycle;
mod orphans;
mod ownership;
mod playing;
mod relaying;
mod secured;
