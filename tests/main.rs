//! The integration tests, in one binary: `cargo test framing` runs the tests of `framing.rs`.

mod backoff;
mod conformance;
mod framing;
mod layers;

#[cfg(feature = "alloc")]
mod accept_config;
#[cfg(feature = "alloc")]
mod checksum_extension;
#[cfg(feature = "alloc")]
mod close_received;
#[cfg(feature = "alloc")]
mod closing;
#[cfg(feature = "alloc")]
mod errors;
#[cfg(feature = "alloc")]
mod fast_paths;
#[cfg(feature = "alloc")]
mod fragmentation;
#[cfg(feature = "alloc")]
mod handshake_client;
#[cfg(feature = "alloc")]
mod handshake_extended_connect;
#[cfg(feature = "alloc")]
mod handshake_grammar;
#[cfg(feature = "alloc")]
mod handshake_origin;
#[cfg(feature = "alloc")]
mod handshake_plain;
#[cfg(feature = "alloc")]
mod handshake_server;
#[cfg(feature = "alloc")]
mod hostile;
#[cfg(feature = "alloc")]
mod hostile_handshake;
#[cfg(feature = "alloc")]
mod in_place;
#[cfg(feature = "alloc")]
mod input_buffer;
#[cfg(feature = "alloc")]
mod into_parts;
#[cfg(feature = "alloc")]
mod memory;
#[cfg(feature = "alloc")]
mod message;
#[cfg(feature = "laws")]
mod message_limit;
#[cfg(feature = "alloc")]
mod pair;
#[cfg(feature = "alloc")]
mod prepared;
#[cfg(feature = "alloc")]
mod proxy;
#[cfg(feature = "alloc")]
mod secrets;
#[cfg(feature = "alloc")]
mod state_space;
#[cfg(feature = "alloc")]
mod timers;

#[cfg(feature = "laws")]
mod differential;
#[cfg(feature = "laws")]
mod fuzzing;
#[cfg(feature = "laws")]
mod meter;
#[cfg(feature = "laws")]
mod own_extensions;
#[cfg(feature = "laws")]
mod properties;
#[cfg(feature = "laws")]
mod rechunk;
#[cfg(feature = "laws")]
mod relay;
#[cfg(feature = "laws")]
mod streams;

#[cfg(feature = "deflate")]
mod deflate;
#[cfg(all(feature = "deflate", feature = "laws"))]
mod deflate_end;
#[cfg(feature = "deflate")]
mod deflate_negotiation;
#[cfg(feature = "deflate")]
mod deflate_windows;

#[cfg(feature = "http")]
mod handshake_http;

#[cfg(feature = "recording")]
mod recording;

#[cfg(feature = "std")]
mod adapters;
#[cfg(feature = "std")]
mod chat;
