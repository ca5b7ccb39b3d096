//! The laws whose inputs have a structure of their own: their properties, and the seeds of their
//! fuzz targets.

use std::path::Path;

use sockless::Role;

mod connect;
#[cfg(feature = "deflate")]
mod extensions;
mod handshake;
#[cfg(feature = "deflate")]
mod inflate;
mod pair;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod polled;
mod relay;
mod url;

/// A fuzz target, its law, and structured inputs, which a fuzzer does not find quickly.
pub(crate) type Seeds = (&'static str, fn(&[u8]), Vec<Vec<u8>>);

/// The seeds of the fuzz targets whose laws are tested here.
pub(crate) fn seeds() -> Vec<Seeds> {
    use support::laws;
    vec![
        ("connect", laws::connect::connect, connect::seeds()),
        (
            "handshake_request",
            laws::handshake::handshake_request,
            handshake::seeds(Role::Server),
        ),
        (
            "handshake_response",
            laws::handshake::handshake_response,
            handshake::seeds(Role::Client),
        ),
        ("pair", laws::pair::pair, pair::seeds()),
        #[cfg(any(feature = "tokio", feature = "futures-io"))]
        ("polled", laws::polled::polled, polled::seeds()),
        ("relay", laws::relay::relay, relay::seeds()),
        ("url", |data| drop(laws::url::url(data)), url::seeds()),
        #[cfg(feature = "deflate")]
        ("extensions", laws::extensions::extensions, extensions::seeds()),
        #[cfg(feature = "deflate")]
        ("inflate", laws::inflate::inflate, inflate::seeds()),
    ]
}

/// The inputs in a file of `fuzz/seeds`: one in a line, in hexadecimal digits.
pub(crate) fn found(path: &Path) -> Vec<Vec<u8>> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Vec::new();
    };
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    text.lines()
        .map(|line| line.as_bytes().chunks(2).map(byte).collect())
        .collect()
}
