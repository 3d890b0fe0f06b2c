//! Bad networks and virtual time for tests; knows no product crate.
