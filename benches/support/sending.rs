//! Sending: the output is copied into a ring buffer, as a kernel does, and cleared.

use std::{
    hint::black_box,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput};
use sockless::{Config, Connection, Role};

use crate::{Content, frame_len, frames, group, open};

/// A ring buffer for the bytes that are written.
pub struct Ring {
    buf: Vec<u8>,
    position: usize,
    /// The total number of bytes written.
    pub written: u64,
}

impl Ring {
    fn new() -> Self {
        Self {
            buf: vec![0; 256 << 10],
            position: 0,
            written: 0,
        }
    }

    #[inline]
    pub fn write(&mut self, mut bytes: &[u8]) {
        self.written += bytes.len() as u64;
        while !bytes.is_empty() {
            let free = &mut self.buf[self.position..];
            let (front, rest) = bytes.split_at(bytes.len().min(free.len()));
            free[..front.len()].copy_from_slice(front);
            self.position = (self.position + front.len()) % self.buf.len();
            bytes = rest;
        }
    }
}

/// The messages to send, and the role of the sender.
#[derive(Clone, Copy)]
pub struct Messages {
    pub role: Role,
    pub content: Content,
    pub size: usize,
    /// [`Config::fragment_size`]. `None`: each message is one frame.
    pub frame: Option<usize>,
    /// The number of messages between two flushes.
    pub batch: u64,
}

enum Payload {
    Text(String),
    Binary(Vec<u8>),
}

impl Payload {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }
}

/// A connection and the messages that it sends.
pub struct Sender {
    messages: Messages,
    connection: Connection,
    payload: Payload,
    out: Vec<u8>,
    ring: Ring,
}

impl Sender {
    pub fn new(messages: Messages) -> Self {
        let config = Config::new().fragment_size(messages.frame.and_then(NonZeroUsize::new));
        let payload = messages.content.message(0, messages.size);
        let mut sender = Self {
            messages,
            connection: open(messages.role, config),
            payload: match messages.content {
                Content::Binary => Payload::Binary(payload),
                _ => Payload::Text(String::from_utf8(payload).unwrap()),
            },
            out: Vec::new(),
            ring: Ring::new(),
        };
        sender.verify();
        sender
    }

    /// Returns the parts, for a bench that does not use [`run`](Self::run).
    pub fn into_parts(self) -> (Connection, Vec<u8>, Ring) {
        (self.connection, self.payload.as_bytes().to_vec(), self.ring)
    }

    #[inline]
    fn send(&mut self) {
        match black_box(&self.payload) {
            Payload::Text(text) => self.connection.send_text(text, &mut self.out),
            Payload::Binary(data) => self.connection.send_binary(data, &mut self.out),
        }
        .unwrap();
    }

    fn flush(&mut self) {
        self.ring.write(&self.out);
        self.out.clear();
    }

    /// Returns the payloads of the frames of a message.
    fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let payload = self.payload.as_bytes();
        payload.chunks(self.messages.frame.unwrap_or(payload.len()))
    }

    /// Sends three messages and compares every byte of the frames.
    fn verify(&mut self) {
        for _ in 0..3 {
            self.send();
        }
        let opcode = match self.payload {
            Payload::Text(_) => 0x1,
            Payload::Binary(_) => 0x2,
        };
        let mut sent = frames(self.messages.role, &self.out).into_iter();
        for _ in 0..3 {
            let mut pieces = self.frames().enumerate().peekable();
            while let Some((index, piece)) = pieces.next() {
                let fin = if pieces.peek().is_none() { 0x80 } else { 0 };
                let opcode = if index == 0 { opcode } else { 0x0 };
                assert!(sent.next() == Some((fin | opcode, piece.to_vec())));
            }
        }
        assert!(sent.next().is_none());
        self.out.clear();
    }

    /// Returns the time to send `iterations` messages.
    pub fn run(&mut self, iterations: u64) -> Duration {
        let before = self.ring.written;
        let start = Instant::now();
        let mut rest = iterations;
        while rest > 0 {
            let batch = rest.min(self.messages.batch);
            for _ in 0..batch {
                self.send();
            }
            self.flush();
            rest -= batch;
        }
        let elapsed = start.elapsed();
        let message: usize = self
            .frames()
            .map(|piece| frame_len(self.messages.role, piece.len()))
            .sum();
        assert_eq!(self.ring.written - before, iterations * message as u64);
        elapsed
    }
}

/// Runs a criterion bench. An iteration is one message.
pub fn bench(criterion: &mut Criterion, name: &str, how: &str, messages: Messages) {
    let mut sender = Sender::new(messages);
    let mut group = criterion.benchmark_group(group(name, messages.role));
    group.throughput(Throughput::Bytes(messages.size as u64));
    let id = BenchmarkId::new(format!("{}{how}", messages.content.name()), messages.size);
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|iterations| sender.run(iterations));
    });
}
