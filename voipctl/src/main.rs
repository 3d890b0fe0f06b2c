//! The command line: up, plan, call, status, cdrs.
fn main() {}
