//! Phones against each other and against small servers, on loopback.

mod calls;
mod hold;
mod hostile;
mod media;
mod pair;
mod registrar;
mod registration;
mod scripted;
