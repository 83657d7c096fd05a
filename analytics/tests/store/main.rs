//! What grouping and stores promise, whatever the order of hits and the store behind it.

mod oracle;
mod world;

mod conformance;
mod grouping;
mod sqlite;
