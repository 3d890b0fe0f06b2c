//! The switch between real phones' transaction layers, real media sessions and a store that answers later, in virtual
//! time.

mod acknowledgement;
mod announcements;
mod bindings;
mod calls;
mod contacts;
mod documents;
mod drain;
mod flood;
mod media_loss;
mod media_node;
mod media_nodes;
mod modify;
mod orders;
mod orphans;
mod phone;
mod phone_reactions;
mod qualify;
mod registration;
mod requests;
mod simulation;
mod store;
mod world;
