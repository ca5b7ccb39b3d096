//! Polled connections over in-memory pipes.

mod borrowed;
mod byte_streams;
mod cancel;
mod connect;
mod deadlines;
mod end;
mod faults;
mod readers;
mod stream;
mod waiting;
mod wakers;
mod writers;
