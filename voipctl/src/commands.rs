//! The commands, one module each: from arguments to what is printed.

pub(crate) mod call;
pub(crate) mod cdrs;
pub(crate) mod kube;
pub(crate) mod plan;
pub(crate) mod status;
pub(crate) mod up;
