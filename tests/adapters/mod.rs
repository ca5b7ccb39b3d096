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
#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod poll;
#[cfg(all(feature = "tokio", feature = "futures-io"))]
mod tasks;
#[cfg(feature = "tokio")]
mod tokio;

/// Asserts that the opening handshake was not complete in time.
#[cfg(feature = "tokio")]
fn assert_handshake_timed_out(error: &sockless::adapter::Error) {
    use sockless::{adapter::Error, timers::Due};

    let is_timeout = matches!(
        error,
        Error::TimedOut {
            due: Due::Handshake,
            ..
        }
    );
    assert!(is_timeout, "{error:?}");
}
