//! Against a real Kubernetes. `cluster_a_*` need an API server, `cluster_b_*` controllers and simulated nodes too,
//! `cluster_c_*` real nodes; `cluster_alone_*` need what `cluster_b_*` need, and bear no other test beside them;
//! `cluster_thousand_*` the same with very many nodes.

mod alone;
mod chart;
mod edits;
mod interrupted;
mod minimal;
mod nodes;
mod plugin;
mod real;
mod refused;
mod rules;
mod templates;
mod thousand;
