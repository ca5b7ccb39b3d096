//! What the tests, the benches and the fuzz targets share:
//!
//! * `frames.rs`: encodes and decodes frames, without the crate
//! * `errors.rs`: the errors that tests expect
//! * `feed.rs`: open connections, and input in any cut
//! * `known.rs`: what is known of an end without its state machine
//! * `pair.rs`: a client and a server, connected in memory
//! * `heads.rs`: heads of the opening handshake, written without the crate, and a reader of
//!   responses
//! * `content.rs`: the payloads of the benches
//! * `committed.rs`: files of the repository that tests write
//! * `random.rs`: random numbers that follow from a seed
//! * `laws/mod.rs`: laws that hold for any input, for property tests and fuzz targets
//! * `laws/compressed.rs`: the laws of permessage-deflate
//! * `laws/options.rs`, `laws/conversation.rs`: what a law reads from its bytes
//! * `laws/endpoint.rs`: an endpoint under test, with a simulated application
//! * `laws/pair/mod.rs`, `laws/relay.rs`, `laws/polled.rs`: the laws of two ends, of a relay, and
//!   of an adapter over a scripted transport
//! * `laws/handshake/mod.rs`, `laws/connect.rs`, `laws/url.rs`, `laws/extensions.rs`: those of the
//!   opening handshake
//! * `laws/inflate.rs`: that of the inflaters
//! * `laws/recording.rs`: the law of recordings
//! * `laws/reference.rs`, `laws/heads.rs`, `laws/rfc1951.rs`: slow and simple decoders of frames,
//!   heads and DEFLATE, to compare with
//! * `script.rs`: the input and the expected output of the tests with faulty transports
//! * `trace.rs`: the events that the adapters emit for `tracing`
//! * `pipe.rs`: pipes, a clock and an executor in memory, for adapters that are polled
//! * `polled.rs`: connections over these pipes
//! * `faults.rs`: the tests with faulty transports that every polled adapter passes
//!
//! Strategies of `proptest` are in `tests/streams.rs`, because fuzz targets do not need them.

#![allow(missing_docs, reason = "the package is not published")]

mod committed;
pub mod content;
mod errors;
mod frames;

#[cfg(feature = "alloc")]
mod feed;
#[cfg(feature = "alloc")]
pub mod heads;
#[cfg(feature = "alloc")]
pub mod known;
#[cfg(feature = "laws")]
pub mod laws;
#[cfg(feature = "alloc")]
pub mod pair;
pub mod random;
#[cfg(feature = "std")]
pub mod script;
#[cfg(feature = "tracing")]
pub mod trace;

#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub mod faults;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub mod pipe;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub mod polled;

pub use committed::check_committed;
pub use errors::{
    control_frame_too_long, fragmented_control_frame, inflates_too_big, interleaved_message, non_minimal_length,
    quoted, quoted_to, reserved_bits, reserved_opcode, too_big,
};
#[cfg(feature = "alloc")]
pub use feed::{Outcome, feed, feed_bytewise, feed_cut, open, upgraded, without_fast_paths};
#[cfg(feature = "deflate")]
pub use feed::{params, with_deflate};
pub use frames::{KEY, Length, ROLES, frame, frames, header, peer_of, role_name};
#[cfg(feature = "alloc")]
pub use heads::REQUEST;

/// The examples of docs/EMBEDDING.md compile and run.
#[cfg(all(doctest, feature = "hyper", feature = "futures-io", feature = "recording"))]
#[doc = include_str!("../../docs/EMBEDDING.md")]
struct Embedding;

/// The examples of docs/MIGRATING.md compile.
#[cfg(all(doctest, feature = "hyper"))]
#[doc = include_str!("../../docs/MIGRATING.md")]
struct Migrating;
