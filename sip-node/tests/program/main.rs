//! sip-node as a process on loopback: what it answers, counts, writes and how it ends.
//!
//! Every test has a loopback address of its own, so that all can use the same ports at the same time.

mod api;
mod calls;
mod documents;
mod end;
mod media_node;
mod node;
mod operator;
mod phone;
mod robust;
mod start;
mod tls;
