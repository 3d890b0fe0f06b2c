//! The real programs, driven as a user drives them. One binary, so that linking is paid once.

mod calls;
mod hostile;
mod laptop;
mod losses;
mod media;
mod readme;
mod registration;
mod renewal;
mod sipp;
