//! From raw bytes to what a law needs: the options of an endpoint and the cuts of its input.

use std::num::NonZeroUsize;

use sockless::{Config, Connection, Delivery, Role};

use super::{drive, reference::Limits};
use crate::feed;

/// Takes values off the front of raw bytes; behind their end everything is zero.
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

    /// What is left, without taking it.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// How the opening handshake goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It is done.
    Done,
    /// The peer's part is made from the raw bytes too.
    Any,
    /// The peer's part is valid and comes first.
    WellFormed,
}

/// What a server makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accept,
    Reject,
    /// It accepts when the whole input is there.
    AcceptLate,
}

/// An endpoint, and what its application does.
#[derive(Clone, Debug)]
pub struct Options {
    pub role: Role,
    pub opening: Opening,
    pub answer: Answer,
    pub chunks: bool,
    pub auto_pong: bool,
    pub auto_close: bool,
    /// The application answers pings and closes that the engine does not.
    pub by_hand: bool,
    /// The application has sent a Close as soon as it could.
    pub closing: bool,
    /// Small limits.
    pub small: bool,
    pub plain_requests: bool,
    /// The connection may take its fast paths.
    pub fast_paths: bool,
    /// For two cuts of the input.
    pub cuts: [u8; 2],
    /// For the law.
    pub spare: u8,
}

impl Options {
    /// How many bytes [`read`](Self::read) takes.
    pub const LEN: usize = 5;

    /// The options in front of the bytes, and what the peer sends.
    pub fn read(data: &[u8]) -> (Self, &[u8]) {
        let mut cursor = Cursor::new(data);
        let [first, second, one, other, spare] = cursor.array::<{ Self::LEN }>();
        let bit = |byte: u8, bit: u32| byte >> bit & 1 == 1;
        let options = Self {
            role: if bit(first, 0) { Role::Client } else { Role::Server },
            opening: match second % 4 {
                0 | 1 => Opening::Done,
                2 => Opening::WellFormed,
                _ => Opening::Any,
            },
            answer: match second / 4 % 4 {
                0 | 1 => Answer::Accept,
                2 => Answer::AcceptLate,
                _ => Answer::Reject,
            },
            chunks: bit(first, 1),
            auto_pong: !bit(first, 2),
            auto_close: !bit(first, 3),
            by_hand: bit(first, 4),
            closing: bit(first, 5),
            small: bit(first, 6),
            plain_requests: bit(second, 4),
            fast_paths: true,
            cuts: [one, other],
            spare,
        };
        (options, cursor.rest())
    }

    pub fn config(&self) -> Config {
        let config = Config::new()
            .delivery(delivery(self.chunks))
            .auto_pong(self.auto_pong)
            .auto_close(self.auto_close)
            .plain_requests(self.plain_requests);
        if !self.small {
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
        if self.small {
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
        if self.small { 300 } else { 16 << 10 }
    }

    /// Whether a server that is slow to accept gets more than may wait.
    pub fn is_too_early(&self, stream: &[u8]) -> bool {
        self.role == Role::Server
            && self.opening == Opening::WellFormed
            && self.answer == Answer::AcceptLate
            && stream.len() > self.max_head_size()
    }

    /// The peer's part of the handshake, if it is to be valid.
    pub fn opening_bytes(&self) -> Vec<u8> {
        match (self.opening, self.role) {
            (Opening::Done | Opening::Any, _) => Vec::new(),
            (Opening::WellFormed, Role::Server) => drive::connect(Config::default()).1,
            (Opening::WellFormed, Role::Client) => {
                // The answer that fits the request of a client with the fixed seed.
                let request = drive::connect(Config::default()).1;
                feed(&mut Connection::server(Config::default()), &request).out
            }
        }
    }
}

pub const fn delivery(chunks: bool) -> Delivery {
    if chunks { Delivery::Chunks } else { Delivery::Messages }
}

/// A configuration that sends large messages in fragments; 0: it does not.
pub fn fragments_of(size: u8) -> Config {
    Config::new().fragment_size(NonZeroUsize::new(size.into()))
}

/// Where to cut `len` bytes: behind every byte if the seed is 1, not at all if it is 0. What is long is cut so finely
/// at its front only: behind it is nothing but payload.
pub fn cuts(seed: u8, len: usize) -> Vec<usize> {
    match seed % 8 {
        0 | 2 => Vec::new(),
        1 => (1..len.min(4096)).collect(),
        _ => {
            // A linear congruential generator: the cuts depend on the seed alone. Pieces have up to 2, 4, ... 256 bytes.
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
