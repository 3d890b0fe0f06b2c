//! Examples as snapshots, one test for each mistake, leases over random histories.

mod examples;
mod histories;
mod invented;
mod leases;
mod lenience;
mod mistakes;
mod mistakes_in_pods;
mod modes;
mod objects;
mod orders;
mod orphans;
mod schema;
mod status;
mod world;
