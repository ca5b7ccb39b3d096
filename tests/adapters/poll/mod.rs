//! Polled connections over in-memory pipes.

mod borrowed;
mod cancel;
mod connect;
mod deadlines;
mod faults;
mod readers;
mod stream;
mod waiting;
mod wakers;
mod writers;
