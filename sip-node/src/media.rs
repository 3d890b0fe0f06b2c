//! The streams that media-nodes open: a task per stream, and the decision thread's end of them.

mod links;
mod streams;

pub(crate) use links::MediaLinks;
pub(crate) use streams::{MediaInput, serve};
