//! The options of a test endpoint, and the cuts of its input, from raw bytes.

use std::num::NonZeroUsize;

use sockless::{Config, Connection, Delivery, Role};

use super::{endpoint, reference::Limits};
use crate::feed;

/// Takes values from the front of raw bytes. After the end, all bytes are zero.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let (front, rest) = self.0.split_at(N.min(self.0.len()));
        array[..front.len()].copy_from_slice(front);
        self.0 = rest;
        array
    }

    /// The remaining bytes.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// The opening handshake of a test endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The connection is open from the start.
    Done,
    /// The raw bytes are also the peer's part of the handshake.
    Arbitrary,
    /// A valid part of the peer precedes the raw bytes.
    Valid,
}

/// What the server's application decides about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Accept,
    Reject,
    /// Accepts after the whole input has arrived.
    AcceptLate,
}

/// The options of a test endpoint and its application.
#[derive(Clone, Debug)]
pub struct Options {
    pub role: Role,
    pub opening: Opening,
    pub decision: Decision,
    pub chunk_delivery: bool,
    pub auto_pong: bool,
    pub auto_close: bool,
    /// The application answers Pings and Close frames that the engine does not answer.
    pub app_replies: bool,
    /// The application sends a Close frame as soon as the connection is open.
    pub closes_early: bool,
    /// The limits are small.
    pub small_limits: bool,
    pub plain_requests: bool,
    /// The connection may take its fast paths.
    pub fast_paths: bool,
    /// The seeds of two ways to cut the input.
    pub cuts: [u8; 2],
    /// A parameter whose use depends on the law: a capacity, or an offset.
    pub law_parameter: u8,
}

impl Options {
    /// The number of bytes that [`read`](Self::read) takes.
    pub const LEN: usize = 5;

    /// Reads options from the front of `data`. Returns the remaining bytes too, which the peer
    /// sends.
    pub fn read(data: &[u8]) -> (Self, &[u8]) {
        let mut cursor = Cursor::new(data);
        let [first, second, first_cut, second_cut, law_parameter] = cursor.array::<{ Self::LEN }>();
        let bit = |byte: u8, bit: u32| byte >> bit & 1 == 1;
        let options = Self {
            role: if bit(first, 0) { Role::Client } else { Role::Server },
            opening: match second % 4 {
                0 | 1 => Opening::Done,
                2 => Opening::Valid,
                _ => Opening::Arbitrary,
            },
            decision: match second / 4 % 4 {
                0 | 1 => Decision::Accept,
                2 => Decision::AcceptLate,
                _ => Decision::Reject,
            },
            chunk_delivery: bit(first, 1),
            auto_pong: !bit(first, 2),
            auto_close: !bit(first, 3),
            app_replies: bit(first, 4),
            closes_early: bit(first, 5),
            small_limits: bit(first, 6),
            plain_requests: bit(second, 4),
            fast_paths: true,
            cuts: [first_cut, second_cut],
            law_parameter,
        };
        (options, cursor.rest())
    }

    pub fn config(&self) -> Config {
        let config = Config::new()
            .delivery(delivery(self.chunk_delivery))
            .auto_pong(self.auto_pong)
            .auto_close(self.auto_close)
            .plain_requests(self.plain_requests);
        if !self.small_limits {
            return config;
        }
        let limits = self.limits();
        config
            .max_message_size(limits.message_size)
            .max_fragments(limits.fragments)
            .max_head_size(self.max_head_size())
            .max_headers(8)
            .max_refusal_body(16)
    }

    pub const fn limits(&self) -> Limits {
        if self.small_limits {
            Limits {
                message_size: 100,
                fragments: 3,
            }
        } else {
            // The defaults.
            Limits {
                message_size: 16 << 20,
                fragments: 131_072,
            }
        }
    }

    const fn max_head_size(&self) -> usize {
        if self.small_limits { 300 } else { 16 << 10 }
    }

    /// Whether a server that accepts late receives more bytes than it may buffer.
    pub fn exceeds_early_data_limit(&self, stream: &[u8]) -> bool {
        self.role == Role::Server
            && self.opening == Opening::Valid
            && self.decision == Decision::AcceptLate
            && stream.len() > self.max_head_size()
    }

    /// The bytes of the peer in a valid opening handshake, or none.
    pub fn opening_bytes(&self) -> Vec<u8> {
        match (self.opening, self.role) {
            (Opening::Done | Opening::Arbitrary, _) => Vec::new(),
            (Opening::Valid, Role::Server) => endpoint::client_with_request(Config::default()).1,
            (Opening::Valid, Role::Client) => {
                // The response to the request of a client with the fixed seed.
                let request = endpoint::client_with_request(Config::default()).1;
                feed(&mut Connection::server(Config::default()), &request).out
            }
        }
    }
}

pub const fn delivery(chunk_delivery: bool) -> Delivery {
    if chunk_delivery {
        Delivery::Chunks
    } else {
        Delivery::Messages
    }
}

/// A configuration that sends messages in fragments of `size` bytes. With 0, messages are not
/// fragmented.
pub fn with_fragment_size(size: u8) -> Config {
    Config::new().fragment_size(NonZeroUsize::new(size.into()))
}

/// Offsets at which to cut an input of `len` bytes: after every byte if the seed is 1, nowhere if
/// it is 0. Only the first 4096 bytes are cut so finely.
pub fn cuts(seed: u8, len: usize) -> Vec<usize> {
    match seed % 8 {
        0 | 2 => Vec::new(),
        1 => (1..len.min(4096)).collect(),
        _ => {
            // A linear congruential generator, so that the cuts depend on the seed alone. Pieces
            // have up to 2, 4, … 256 bytes.
            let mut state = u64::from(seed);
            let mut cuts = Vec::new();
            let mut at = 0;
            loop {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                at += 1 + (state >> 33) as usize % (2 << (seed / 32));
                if at >= len {
                    return cuts;
                }
                cuts.push(at);
            }
        }
    }
}
