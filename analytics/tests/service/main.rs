//! The service as its users meet it: the real program, real sockets, real files.

#[path = "../database/cluster.rs"]
mod cluster;
mod running;
mod sample;

mod command_line;
mod database;
mod hostile;
mod kill;
mod live;
mod storm;
mod tail;
mod trouble;
