//! What grouping and stores promise, whatever the order of hits and the store behind it.

#[path = "../database/cluster.rs"]
mod cluster;
mod oracle;
mod world;

mod conformance;
mod grouping;
mod postgres;
mod sqlite;
