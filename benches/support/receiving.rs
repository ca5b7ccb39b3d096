//! Receiving a stream in memory that repeats without end.

use std::{
    borrow::Cow,
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput};
use sockless::{Config, Connection, Event, MessageKind, Role};

use crate::{Content, READ, SEGMENT, frames, group, open, peer_of};

/// The length of the stream, unless two messages are longer.
const STREAM_LEN: usize = 256 << 10;
/// The maximum number of reads of the stream before it repeats.
const READS: usize = 4 << 10;
const PING: &[u8] = b"still there?";
const FIN_PONG: u8 = 0x8A;

/// The messages to receive, and the reads in which they arrive.
#[derive(Clone, Copy)]
pub struct Stream {
    /// The role of the receiver.
    pub role: Role,
    pub content: Content,
    pub size: usize,
    /// The length of the payload of a frame. `None`: each message is one frame.
    pub frame: Option<usize>,
    /// Whether there is a Ping between two frames of a message.
    pub pings: bool,
    /// The maximum length of a read.
    pub read: usize,
    /// Whether [`Connection::receive_whole`] is used: the beginning of a message stays in the
    /// buffer until the rest has arrived.
    pub receive_whole: bool,
}

impl Stream {
    /// Creates a stream of messages in one frame, in reads of [`READ`] bytes.
    pub const fn new(role: Role, content: Content, size: usize) -> Self {
        Self {
            role,
            content,
            size,
            frame: None,
            pings: false,
            read: READ,
            receive_whole: false,
        }
    }

    /// Returns the number of messages before the stream repeats.
    pub fn message_count(&self) -> usize {
        (STREAM_LEN.min(READS * self.read) / (self.size + 14)).max(2)
    }

    /// Returns the payloads of the messages before the stream repeats.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        let message = |index| self.content.message(index, self.size);
        (0..self.message_count()).map(message).collect()
    }

    /// Returns the bytes of the stream, which a connection in the other role has sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut peer = open(peer_of(self.role), Config::default());
        let kind = match self.content {
            Content::Binary => MessageKind::Binary,
            _ => MessageKind::Text,
        };
        let mut bytes = Vec::new();
        for message in self.messages() {
            let mut frames = message.chunks(self.frame.unwrap_or(self.size)).peekable();
            while let Some(frame) = frames.next() {
                let fin = frames.peek().is_none();
                peer.send_fragment(kind, frame, fin, &mut bytes).unwrap();
                if self.pings && !fin {
                    peer.ping(PING, &mut bytes).unwrap();
                }
            }
        }
        bytes
    }
}

/// A connection and the stream that it receives.
///
/// A read copies the next bytes of the stream into a buffer, as a kernel does. So the bytes that
/// are unmasked in place were masked every time. The application looks at the first and the last
/// byte of a message and drops it. Assembled messages are recycled. Replies are discarded before
/// each read.
pub struct Receiver {
    stream: Stream,
    connection: Connection,
    bytes: Vec<u8>,
    /// The position in `bytes`.
    position: usize,
    buffer: Vec<u8>,
    /// The end of the bytes in the buffer.
    copied: usize,
    /// The end of the bytes that the reads so far have delivered.
    read: usize,
    /// The end of the bytes that the connection has processed.
    processed: usize,
    /// The number of unprocessed bytes that the connection needs for the next event.
    wanted: usize,
    out: Vec<u8>,
}

impl Receiver {
    pub fn new(stream: Stream) -> Self {
        let buffer_size = if stream.receive_whole {
            READ
        } else {
            stream.read.max(SEGMENT)
        };
        let mut receiver = Self {
            stream,
            connection: open(stream.role, Config::default()),
            bytes: stream.bytes(),
            position: 0,
            buffer: vec![0; buffer_size],
            copied: 0,
            read: 0,
            processed: 0,
            wanted: 0,
            out: Vec::new(),
        };
        if stream.receive_whole {
            receiver.verify::<true>();
        } else {
            receiver.verify::<false>();
        }
        receiver
    }

    /// Copies the bytes of the next read into the buffer, at least a segment. Shorter reads are
    /// parts of a segment, because one call of a copy function for each byte would dominate the
    /// measurement.
    fn copy(&mut self) {
        if self.processed > 0 {
            self.buffer.copy_within(self.processed..self.copied, 0);
        }
        (self.copied, self.processed) = (self.copied - self.processed, 0);
        self.read = self.copied;
        let rest = &self.bytes[self.position..];
        let free = &mut self.buffer[self.copied..];
        let len = rest.len().min(self.stream.read.max(SEGMENT)).min(free.len());
        free[..len].copy_from_slice(&rest[..len]);
        self.copied += len;
        self.position = (self.position + len) % self.bytes.len();
    }

    /// Reads once. Passes the received messages to `on_message` and leaves the replies in `out`.
    #[inline(always)]
    fn read<const WHOLE: bool>(&mut self, mut on_message: impl FnMut(&Event<'_>, &[u8])) {
        self.out.clear();
        if self.read == self.copied {
            self.copy();
        }
        self.read = self.copied.min(self.read + self.stream.read);
        let is_full = self.processed == 0 && self.read == self.buffer.len();
        if WHOLE && self.read - self.processed < self.wanted && !is_full {
            return;
        }
        let mut input = &mut self.buffer[self.processed..self.read];
        let all = input.len();
        loop {
            // `receive` assembles a message that is longer than the buffer.
            let event = if WHOLE && !(is_full && input.len() == all) {
                self.connection.receive_whole(&mut input, &mut self.out)
            } else {
                self.connection.receive(&mut input, &mut self.out)
            };
            let Some(event) = event.unwrap() else {
                break;
            };
            match &event {
                Event::Text(text) => on_message(&event, text.as_bytes()),
                Event::Binary(data) => on_message(&event, data),
                Event::Ping(_) => {}
                event => panic!("{event:?}"),
            }
            if matches!(event, Event::Text(Cow::Owned(_)) | Event::Binary(Cow::Owned(_))) {
                self.connection.recycle(event);
            }
        }
        self.processed = self.read - input.len();
        if WHOLE {
            self.wanted = input.len() + self.connection.wanted(input);
        }
    }

    /// Receives the stream twice and compares every byte.
    fn verify<const WHOLE: bool>(&mut self) {
        let (stream, count) = (self.stream, self.stream.message_count());
        let expected = stream.messages();
        let (mut received, mut pongs) = (0, 0);
        while received < 2 * count {
            self.read::<WHOLE>(|event, payload| {
                assert_eq!(matches!(event, Event::Binary(_)), stream.content == Content::Binary);
                assert!(payload == expected[received % count]);
                let is_borrowed = matches!(event, Event::Text(Cow::Borrowed(_)) | Event::Binary(Cow::Borrowed(_)));
                assert!(is_borrowed || !WHOLE || stream.size > READ / 2);
                received += 1;
            });
            for pong in frames(stream.role, &self.out) {
                assert_eq!(pong, (FIN_PONG, PING.to_vec()));
                pongs += 1;
            }
        }
        assert_eq!((received, self.position), (2 * count, 0));
        let pings_per_message = match stream.frame {
            Some(frame) if stream.pings => stream.size.div_ceil(frame) - 1,
            _ => 0,
        };
        assert_eq!(pongs, 2 * count * pings_per_message);
    }

    /// Returns the time to receive `iterations` messages. If the last read has more messages, their
    /// share of the time is subtracted.
    pub fn run(&mut self, iterations: u64) -> Duration {
        if self.stream.receive_whole {
            self.run_as::<true>(iterations)
        } else {
            self.run_as::<false>(iterations)
        }
    }

    fn run_as<const WHOLE: bool>(&mut self, iterations: u64) -> Duration {
        let (mut received, mut bytes) = (0, 0);
        let start = Instant::now();
        while received < iterations {
            self.read::<WHOLE>(|_, payload| {
                received += 1;
                bytes += payload.len();
                black_box((payload.first(), payload.last()));
            });
        }
        let elapsed = start.elapsed();
        assert_eq!(bytes as u64, received * self.stream.size as u64);
        assert!(self.stream.pings || self.out.is_empty());
        elapsed.mul_f64(iterations as f64 / received as f64)
    }
}

/// Runs a criterion bench. An iteration is one message, whatever the length of the reads.
pub fn bench(criterion: &mut Criterion, name: &str, how: &str, stream: Stream) {
    let mut receiver = Receiver::new(stream);
    let mut group = criterion.benchmark_group(group(name, stream.role));
    group.throughput(Throughput::Bytes(stream.size as u64));
    let id = BenchmarkId::new(format!("{}{how}", stream.content.name()), stream.size);
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|iterations| receiver.run(iterations));
    });
}
