//! Polled connections over in-memory pipes.

mod cancel;
mod connect;
mod deadlines;
mod faults;
mod stream;
mod waiting;
mod wakers;
