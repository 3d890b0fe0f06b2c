//! Stores of bindings and calls. A store answers through a ticket, after the decision that asked has been carried
//! out: never inline.

mod memory;

pub(crate) use memory::MemoryStore;
