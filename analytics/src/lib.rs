//! Postanalytics: takes hits from sidecars, groups them into attacks, keeps them and answers questions about them.
//!
//! `ingest` checks a batch and puts it into the `journal`, which makes it durable; only then is it acknowledged. The
//! `applier` takes batches from there, lets `aggregate` group hits into attacks and `sample` choose the hits that are kept,
//! and writes both to the `store`, which `query` reads. `server` puts these together; `cli` is the program's face.

pub mod aggregate;
pub mod applier;
pub mod attack;
pub mod cli;
pub mod data_dir;
pub mod database;
mod escape;
pub mod hit;
pub mod id;
pub mod ingest;
pub mod journal;
pub mod metrics;
pub mod network;
mod quantity;
pub mod query;
pub mod sample;
pub mod server;
mod status;
pub mod store;
pub mod wire;
