//! Sending: nanoseconds a message.
//!
//! What was sent is copied into a ring, as a kernel would take it, and the output is cleared: after each message, or
//! after 16.

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    hint::black_box,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockless::{
    Config, Connection,
    frame::{Kind, Role},
};
use support::{frames, open};

const SIZES: [usize; 5] = [16, 125, 1 << 10, 16 << 10, 1 << 20];
const FIN_BINARY: u8 = 0x82;

/// Where written bytes go.
struct Ring {
    buf: Vec<u8>,
    at: usize,
    /// All bytes ever written.
    written: u64,
}

impl Ring {
    fn new() -> Self {
        Self {
            buf: vec![0; 256 << 10],
            at: 0,
            written: 0,
        }
    }

    #[inline]
    fn write(&mut self, mut bytes: &[u8]) {
        self.written += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = &mut self.buf[self.at..];
            let (front, rest) = bytes.split_at(bytes.len().min(room.len()));
            room[..front.len()].copy_from_slice(front);
            self.at = (self.at + front.len()) % self.buf.len();
            bytes = rest;
        }
    }
}

/// A connection and what it sends.
struct Sending {
    connection: Connection,
    payload: Vec<u8>,
    out: Vec<u8>,
    ring: Ring,
}

impl Sending {
    /// `role` sends messages of `size` bytes in frames of at most `frame` bytes.
    fn new(role: Role, size: usize, frame: Option<usize>) -> Self {
        let mut config = Config::default();
        config.fragment_size = frame.and_then(NonZeroUsize::new);
        let mut sending = Self {
            connection: open(role, config),
            payload: (0..size).map(|at| (at * 7 + at / 251) as u8).collect(),
            out: Vec::new(),
            ring: Ring::new(),
        };
        sending.verify(frame.unwrap_or(size));
        sending
    }

    fn send(&mut self) {
        self.connection
            .send_binary(black_box(&self.payload), &mut self.out)
            .unwrap();
    }

    fn flush(&mut self) {
        self.ring.write(&self.out);
        self.out.clear();
    }

    /// Takes three messages apart and compares every byte.
    fn verify(&mut self, frame: usize) {
        for _ in 0..3 {
            self.send();
        }
        let mut frames = frames(self.connection.role(), &self.out).into_iter();
        for _ in 0..3 {
            let mut pieces = self.payload.chunks(frame).enumerate().peekable();
            while let Some((index, piece)) = pieces.next() {
                let fin = if pieces.peek().is_none() { 0x80 } else { 0 };
                let opcode = if index == 0 { 0x2 } else { 0x0 };
                assert!(frames.next() == Some((fin | opcode, piece.to_vec())));
            }
        }
        assert!(frames.next().is_none());
        self.out.clear();
    }

    /// How long `iterations` messages take.
    fn run(&mut self, iterations: u64, batch: u64, message_len: u64) -> Duration {
        let before = self.ring.written;
        let start = Instant::now();
        let mut rest = iterations;
        while rest > 0 {
            let now = rest.min(batch);
            for _ in 0..now {
                self.send();
            }
            self.flush();
            rest -= now;
        }
        let elapsed = start.elapsed();
        assert_eq!(self.ring.written - before, iterations * message_len);
        elapsed
    }
}

/// The length of a frame on the wire.
fn frame_len(role: Role, len: usize) -> u64 {
    let header = match len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    let key = match role {
        Role::Client => 4,
        Role::Server => 0,
    };
    (header + key + len) as u64
}

const fn group_name(role: Role) -> &'static str {
    match role {
        Role::Server => "send/server",
        Role::Client => "send/client",
    }
}

fn whole(criterion: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        let mut group = criterion.benchmark_group(group_name(role));
        for (name, batch) in [("flushed each", 1), ("flushed by 16", 16)] {
            for size in SIZES {
                let mut sending = Sending::new(role, size, None);
                group.throughput(Throughput::Bytes(size as u64));
                group.bench_function(BenchmarkId::new(name, size), |bencher| {
                    bencher.iter_custom(|iterations| sending.run(iterations, batch, frame_len(role, size)));
                });
            }
        }
    }
}

/// 64 KiB in 64 frames.
fn fragments(criterion: &mut Criterion) {
    const SIZE: usize = 64 << 10;
    for role in [Role::Server, Role::Client] {
        let mut group = criterion.benchmark_group(group_name(role));
        let mut sending = Sending::new(role, SIZE, Some(1 << 10));
        group.throughput(Throughput::Bytes(SIZE as u64));
        group.bench_function(BenchmarkId::new("in 64 frames", SIZE), |bencher| {
            bencher.iter_custom(|iterations| sending.run(iterations, 1, 64 * frame_len(role, 1 << 10)));
        });
    }
}

/// The header alone; the payload goes to the ring without another copy, as by a vectored write.
fn header(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(group_name(Role::Server));
    for size in SIZES {
        let Sending {
            mut connection,
            payload,
            mut out,
            mut ring,
        } = Sending::new(Role::Server, size, None);

        connection.send_header(Kind::Binary, size as u64, &mut out).unwrap();
        out.extend_from_slice(&payload);
        assert!(frames(Role::Server, &out) == [(FIN_BINARY, payload.clone())]);
        out.clear();

        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("send_header", size), |bencher| {
            bencher.iter_custom(|iterations| {
                let before = ring.written;
                let start = Instant::now();
                for _ in 0..iterations {
                    connection.send_header(Kind::Binary, size as u64, &mut out).unwrap();
                    ring.write(&out);
                    ring.write(black_box(&payload));
                    out.clear();
                }
                let elapsed = start.elapsed();
                assert_eq!(ring.written - before, iterations * frame_len(Role::Server, size));
                elapsed
            });
        });
    }
}

fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .nresamples(2000)
}

criterion_group!(name = send; config = config(); targets = whole, fragments, header);
criterion_main!(send);
