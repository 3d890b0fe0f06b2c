//! The real executable: what it prints, how it exits, what it leaves behind.

#[path = "voipctl/bad_input.rs"]
mod bad_input;
#[path = "voipctl/call.rs"]
mod call;
#[path = "voipctl/fake_kubectl.rs"]
mod fake_kubectl;
#[path = "voipctl/harness.rs"]
mod harness;
#[path = "voipctl/kube.rs"]
mod kube;
#[path = "voipctl/kube_calls.rs"]
mod kube_calls;
#[path = "voipctl/kube_plan.rs"]
mod kube_plan;
#[path = "voipctl/plan.rs"]
mod plan;
#[path = "voipctl/processes.rs"]
mod processes;
#[path = "voipctl/up.rs"]
mod up;
