//! Starts sip-node.
fn main() {}
