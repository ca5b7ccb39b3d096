//! What the tests, the benches and the fuzz targets share. A map of its files:
//!
//! * `frames.rs`: frames as bytes, made and taken apart by hand
//! * `errors.rs`: the errors that tests expect
//! * `feed.rs`: open connections, and bytes for them in any cut
//! * `pair.rs`: a client and a server that talk through memory
//! * `heads.rs`: heads of the opening handshake, written by hand, and a reader of answers
//! * `content.rs`: what the messages of the benches hold
//! * `laws/mod.rs`: what holds for any bytes, for property tests and fuzz targets
//! * `laws/compressed.rs`: the same with permessage-deflate
//! * `laws/options.rs`, `laws/conversation.rs`: what a law reads from its bytes
//! * `laws/drive.rs`: an endpoint with an application, watched at every step
//! * `laws/reference.rs`: a slow and obvious decoder to compare with
//! * `script.rs`: what is said over transports that fail, and what has to come of it
//! * `pipe.rs`: pipes, a clock and tasks in memory, for connections that are polled
//! * `polled.rs`: connections over these pipes
//! * `faults.rs`: the tests that every polled adapter has to pass
//!
//! Strategies for `proptest` are in `tests/streams.rs`, as fuzzing does not need them.

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

pub use errors::{inflates_too_big, quoted, quoted_to, request_errors, reserved_bits, reserved_opcode, too_big};
#[cfg(feature = "alloc")]
pub use feed::{Outcome, feed, feed_bytewise, feed_cut, open, upgraded, without_fast_paths};
pub use frames::{KEY, Length, ROLES, frame, frames, header, peer_of};
#[cfg(feature = "alloc")]
pub use heads::REQUEST;

/// The examples of the guide compile and run.
#[cfg(all(doctest, feature = "http", feature = "tokio", feature = "futures-io"))]
#[doc = include_str!("../../docs/EMBEDDING.md")]
struct Embedding;
