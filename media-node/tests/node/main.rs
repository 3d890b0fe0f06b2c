//! media-node as it ships, against a sip-node played by the test and phones that are plain sockets.

mod harness;
mod lifecycle;
mod ownership;
mod playing;
mod relaying;
