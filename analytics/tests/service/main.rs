//! The service as its users meet it: the real program, real sockets, real files.

mod running;
mod sample;

mod command_line;
mod hostile;
mod kill;
mod live;
mod storm;
mod trouble;
