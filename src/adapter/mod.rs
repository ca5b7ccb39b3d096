//! Adapters: the loops that connect a [`Connection`](crate::Connection) to a transport and a clock.
//!
//! | module | transport |
//! |---|---|
//! | [`std_net`] | blocking streams, such as `std::net::TcpStream` |
//! | [`tokio`] | tokio's `AsyncRead` and `AsyncWrite` (feature `tokio`) |
//! | [`futures_io`] | the traits of `futures-io`: smol, async-std (feature `futures-io`) |
//! | [`hyper`] | what hyper and axum have upgraded, over HTTP/1.1 or HTTP/2 (feature `hyper`) |
//! | [`poll`] | any other executor (feature `tokio` or `futures-io`) |
//!
//! An adapter reads, writes and keeps the deadlines. All of its state is in its struct: the engine,
//! the input that is not processed yet, and the output that is not written yet. A call on an open
//! connection that is interrupted, by a timeout of the transport or because its future is dropped,
//! loses nothing and repeats nothing.
//!
//! # Events for `tracing`
//!
//! With the feature `tracing`, an adapter emits these events with the target `sockless`. All have
//! the field `role`, `client` or `server`. There is none for a message or a frame, and none has
//! what may be secret: no payload, no close reason, no header. Without the feature, nothing is
//! compiled in.
//!
//! | event | level | when | fields |
//! |---|---|---|---|
//! | `connection opened` | debug | the opening handshake is done | `has_subprotocol`, `deflate` |
//! | `handshake refused` | debug | a server refused, or this one called `reject` | `status` |
//! | `deadline missed` | info | the peer was silent for too long | `deadline`, `limit` |
//! | `connection closed` | debug | it ended with a closing handshake | `code`, `by`, `is_clean` |
//! | `connection failed` | info | it ended otherwise, or its opening handshake failed | `error` |
//! | `connection dropped` | debug | it was dropped or taken apart before its end | |
//!
//! An opening handshake fails also if [`Accept`](crate::Accept) does not allow the request, or if
//! the request is invalid: that is `connection failed`, though the client gets a response.
//!
//! A connection that was opened has exactly one of the last three. Its end is told by the call that
//! receives and finds it. An event belongs to the span of the thread or task that makes the call. A
//! subscriber must not use that connection: it may be locked.
//!
#![cfg_attr(feature = "tokio", doc = "[`tokio`]: self::tokio")]
#![cfg_attr(
    not(feature = "tokio"),
    doc = "[`tokio`]: https://docs.rs/sockless/latest/sockless/adapter/tokio/index.html"
)]
#![cfg_attr(feature = "futures-io", doc = "[`futures_io`]: self::futures_io")]
#![cfg_attr(
    not(feature = "futures-io"),
    doc = "[`futures_io`]: https://docs.rs/sockless/latest/sockless/adapter/futures_io/index.html"
)]
#![cfg_attr(feature = "hyper", doc = "[`hyper`]: self::hyper")]
#![cfg_attr(
    not(feature = "hyper"),
    doc = "[`hyper`]: https://docs.rs/sockless/latest/sockless/adapter/hyper/index.html"
)]
#![cfg_attr(any(feature = "futures-io", feature = "tokio"), doc = "[`poll`]: self::poll")]
#![cfg_attr(
    not(any(feature = "futures-io", feature = "tokio")),
    doc = "[`poll`]: https://docs.rs/sockless/latest/sockless/adapter/poll/index.html"
)]

mod batch;
mod connect_options;
mod driver;
mod engines;
mod error;
#[cfg(feature = "futures-io")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures-io")))]
pub mod futures_io;
mod handshake;
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub mod hyper;
mod message;
mod parts;
mod pieces;
#[cfg(any(feature = "futures-io", feature = "tokio"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "futures-io", feature = "tokio"))))]
pub mod poll;
mod race;
mod received;
#[cfg(feature = "recording")]
mod recorders;
mod reunite_error;
mod settings;
pub mod std_net;
mod take;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(feature = "rustls")]
mod tls_error;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod tokio;
mod trace;
mod tunnel;
mod write_state;

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

#[cfg(feature = "rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub use self::tls_error::TlsError;
pub use self::{
    batch::Batch, connect_options::ConnectOptions, error::Error, message::AsMessage, parts::Parts,
    reunite_error::ReuniteError, settings::Settings,
};

/// Locks a mutex, also after a panic of another thread: what an adapter locks is consistent
/// whenever code of the application is called.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks a mutex as [`lock`] does; `None` if another thread has locked it.
fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
