//! `cluster_c_*`: the chart's operator on real nodes, and phones outside them. Run by
//! `cargo xtask cluster run --outside`: what this program sends comes from a host beside the nodes.
//!
//! Here is what these tests share: one operator, and one test at a time. Nothing of it knows how the operator works.

mod bridge;
mod deletion;
mod drains;
mod home;
mod host;
mod losses;
mod nodes;
mod office;
mod operator;
mod phones;
mod records;
