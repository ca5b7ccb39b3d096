//! What the tests, the benches and the fuzz targets share.
//!
//! * [`frame`], [`frames()`], [`header`]: frames as bytes, made and taken apart by hand (`frames.rs`)
//! * [`reserved_bits`], [`too_big`] …: the errors that tests expect (`errors.rs`)
//! * [`open`], [`upgraded`], [`feed()`], [`feed_cut`]: open connections, and bytes for them in any cut (`feed.rs`)
//! * [`pair`]: a client and a server in memory, with any number of bytes on their way
//! * [`heads`]: heads of the opening handshake, written by hand, and a reader of answers
//! * [`laws`]: what holds for any bytes, for property tests and fuzz targets; a law reads its input with
//!   [`laws::options`] and [`laws::conversation`], runs an endpoint with [`laws::drive`], and compares with
//!   [`laws::reference`]; [`laws::compressed`] has the laws of permessage-deflate
//! * [`script`]: what is said over transports that fail, and what has to come of it
//! * [`pipe`]: pipes, a clock and tasks in memory, for connections that are polled
//! * [`polled`]: connections over these pipes
//! * [`faults`]: the tests that every polled adapter has to pass
//! * [`content`]: what the messages of the benches hold
//!
//! Strategies for `proptest` are in `tests/streams.rs`: whoever fuzzes does not need them.

#![allow(missing_docs, reason = "it is not published, and names and types say most of it")]

pub mod content;
mod errors;
mod frames;

#[cfg(feature = "alloc")]
mod feed;
#[cfg(feature = "alloc")]
pub mod heads;
#[cfg(feature = "laws")]
pub mod laws;
#[cfg(feature = "alloc")]
pub mod pair;
#[cfg(feature = "std")]
pub mod script;

#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub mod faults;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub mod pipe;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub mod polled;

pub use errors::{inflates_too_big, reserved_bits, reserved_opcode, too_big};
#[cfg(feature = "alloc")]
pub use feed::{Outcome, feed, feed_bytewise, feed_cut, open, upgraded};
pub use frames::{KEY, Length, frame, frames, header, peer_of};
#[cfg(feature = "alloc")]
pub use heads::REQUEST;

/// The examples of the guide compile and run.
#[cfg(all(doctest, feature = "http", feature = "tokio", feature = "futures-io"))]
#[doc = include_str!("../../docs/EMBEDDING.md")]
struct Embedding;
