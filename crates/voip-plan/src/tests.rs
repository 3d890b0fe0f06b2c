//! Shared by the tests: reading examples, worlds with fixed nodes.

mod examples;
mod world;
