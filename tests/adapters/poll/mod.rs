//! Polled connections, over pipes in memory.

mod cancel;
mod deadlines;
mod faults;
mod stream;
mod wakers;
