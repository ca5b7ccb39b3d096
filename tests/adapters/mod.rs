//! Tests of the adapters.

mod accepting;
mod capabilities;
mod std_net;

#[cfg(feature = "tokio")]
mod connect;
#[cfg(all(feature = "tokio", feature = "futures-io"))]
mod faults;
#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod poll;
#[cfg(all(feature = "tokio", feature = "futures-io"))]
mod tasks;
#[cfg(feature = "tokio")]
mod tokio;
