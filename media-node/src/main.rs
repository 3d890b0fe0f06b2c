//! Starts media-node.
fn main() {}
