//! Real servers and clients over loopback.

mod admin;
mod authority;
mod renewal;
mod roles;
mod stream;
