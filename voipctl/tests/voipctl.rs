//! The real executable: what it prints, how it exits, what it leaves behind.

#[path = "voipctl/bad_input.rs"]
mod bad_input;
#[path = "voipctl/call.rs"]
mod call;
#[path = "voipctl/harness.rs"]
mod harness;
#[path = "voipctl/plan.rs"]
mod plan;
#[path = "voipctl/processes.rs"]
mod processes;
#[path = "voipctl/up.rs"]
mod up;
