//! The switch between real phones' transaction layers, real media sessions and a store that answers later, in virtual
//! time.

mod announcements;
mod bindings;
mod calls;
mod flood;
mod media_loss;
mod media_nodes;
mod modify;
mod orders;
mod phone;
mod registration;
mod requests;
mod simulation;
mod store;
mod world;
