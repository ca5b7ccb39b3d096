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
#[cfg(all(feature = "hyper", feature = "deflate"))]
mod hyper;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod poll;
#[cfg(feature = "tokio")]
mod proxy;
#[cfg(all(feature = "tokio", feature = "futures-io"))]
mod tasks;
#[cfg(feature = "tokio-rustls")]
mod tls;
#[cfg(feature = "tokio")]
mod tokio;

use sockless::{
    Config, Connection, Message, Role,
    adapter::{Batch, Error},
};
use support::frame;

/// Returns first frames of a binary message that is not complete: the first byte, and the payload.
/// Compressed ones, if the crate has permessage-deflate, hold nothing, a part of the header of a
/// block, an empty block, and data.
fn begun_messages() -> &'static [(u8, &'static [u8])] {
    const ALL: [(u8, &[u8]); 6] = [
        (0x02, b"begin"),
        (0x02, b""),
        (0x42, b""),
        (0x42, b"\x00"),
        (0x42, b"\x00\x00\x00\xFF\xFF"),
        (0x42, b"\x4A\x49\x2C\x49\x04"),
    ];
    if cfg!(feature = "deflate") { &ALL } else { &ALL[..2] }
}

/// Answers a message with itself.
fn echo(message: Message<'_>, batch: &mut Batch<'_>) -> Result<(), Error> {
    batch.feed(message)
}

/// Text messages in a row.
fn texts(sender: Role, texts: &[&str]) -> Vec<u8> {
    texts
        .iter()
        .flat_map(|text| frame(sender, 0x81, text.as_bytes()))
        .collect()
}

/// An open connection, with permessage-deflate if the crate has it.
fn engine(role: Role, config: Config) -> Connection {
    #[cfg(feature = "deflate")]
    let negotiated = support::with_deflate(support::params(15, false));
    #[cfg(not(feature = "deflate"))]
    let negotiated = sockless::handshake::Negotiated::default();
    support::upgraded(role, &negotiated, config)
}

/// An open connection, with permessage-deflate if `is_compressed` and the crate has it.
fn engine_if(is_compressed: bool, role: Role) -> Connection {
    if is_compressed {
        engine(role, Config::default())
    } else {
        support::open(role, Config::default())
    }
}

/// Asserts that the opening handshake was not complete in time.
#[cfg(feature = "tokio")]
fn assert_handshake_timed_out(error: &Error) {
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
