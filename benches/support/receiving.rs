//! What receives: the stream is an image in memory that repeats for ever.

use std::{
    borrow::Cow,
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput};
use sockless::{Config, Connection, Event, MessageKind, Role};

use crate::{Content, READ, SEGMENT, frames, group, open, peer_of};

/// The length of the image, unless two messages are longer, and how many reads of it are enough.
const IMAGE: usize = 256 << 10;
const READS: usize = 4 << 10;
const PING: &[u8] = b"still there?";
const FIN_PONG: u8 = 0x8A;

/// What is received, and how it arrives.
#[derive(Clone, Copy)]
pub struct Stream {
    /// Who receives.
    pub role: Role,
    pub content: Content,
    pub size: usize,
    /// The payload of a frame, if a message is several.
    pub frame: Option<usize>,
    /// Whether a Ping stands between two frames of a message.
    pub pings: bool,
    /// How many bytes a read brings at most.
    pub read: usize,
    /// Whether the beginning of a message is left in the buffer until all of it is there, to be lent.
    pub whole: bool,
}

impl Stream {
    /// Messages of one frame, in reads as long as a kernel makes them.
    pub const fn new(role: Role, content: Content, size: usize) -> Self {
        Self {
            role,
            content,
            size,
            frame: None,
            pings: false,
            read: READ,
            whole: false,
        }
    }

    /// How many messages the image holds.
    fn messages(&self) -> usize {
        (IMAGE.min(READS * self.read) / (self.size + 14)).max(2)
    }

    /// Its frames are made by the crate's other role.
    fn image(&self) -> Vec<u8> {
        let mut peer = open(peer_of(self.role), Config::default());
        let kind = match self.content {
            Content::Binary => MessageKind::Binary,
            _ => MessageKind::Text,
        };
        let mut image = Vec::new();
        for index in 0..self.messages() {
            let message = self.content.message(index, self.size);
            let mut frames = message.chunks(self.frame.unwrap_or(self.size)).peekable();
            while let Some(frame) = frames.next() {
                let fin = frames.peek().is_none();
                peer.send_fragment(kind, frame, fin, &mut image).unwrap();
                if self.pings && !fin {
                    peer.ping(PING, &mut image).unwrap();
                }
            }
        }
        image
    }
}

/// A connection and the stream that it receives.
///
/// The next bytes are copied out of the image, as a kernel would: what is unmasked in place was masked every time. The
/// application looks at the ends of a message and drops it; what had to be assembled is recycled. Replies are thrown away
/// behind every read.
pub struct Receiving {
    stream: Stream,
    connection: Connection,
    image: Vec<u8>,
    at: usize,
    buffer: Vec<u8>,
    /// How much of the buffer is copied, how much of that has arrived, and how much of that is taken.
    copied: usize,
    arrived: usize,
    taken: usize,
    /// Before how much is there, of what is not taken, nothing comes of it.
    wanted: usize,
    out: Vec<u8>,
}

impl Receiving {
    pub fn new(stream: Stream) -> Self {
        let room = if stream.whole { READ } else { stream.read.max(SEGMENT) };
        let mut receiving = Self {
            stream,
            connection: open(stream.role, Config::default()),
            image: stream.image(),
            at: 0,
            buffer: vec![0; room],
            copied: 0,
            arrived: 0,
            taken: 0,
            wanted: 0,
            out: Vec::new(),
        };
        if stream.whole {
            receiving.verify::<true>();
        } else {
            receiving.verify::<false>();
        }
        receiving
    }

    /// Copies what the next read brings, or a segment, which shorter reads are handed out of: the call of a copy for each
    /// byte would be most of what is measured.
    fn copy(&mut self) {
        if self.taken > 0 {
            self.buffer.copy_within(self.taken..self.copied, 0);
        }
        (self.copied, self.taken) = (self.copied - self.taken, 0);
        self.arrived = self.copied;
        let rest = &self.image[self.at..];
        let room = &mut self.buffer[self.copied..];
        let len = rest.len().min(self.stream.read.max(SEGMENT)).min(room.len());
        room[..len].copy_from_slice(&rest[..len]);
        self.copied += len;
        self.at = (self.at + len) % self.image.len();
    }

    /// One read; the messages that come of it go to `then`, replies are left in `out`.
    #[inline(always)]
    fn read<const WHOLE: bool>(&mut self, mut then: impl FnMut(&Event<'_>, &[u8])) {
        self.out.clear();
        if self.arrived == self.copied {
            self.copy();
        }
        self.arrived = self.copied.min(self.arrived + self.stream.read);
        let is_full = self.taken == 0 && self.arrived == self.buffer.len();
        if WHOLE && self.arrived - self.taken < self.wanted && !is_full {
            return;
        }
        let mut input = &mut self.buffer[self.taken..self.arrived];
        let all = input.len();
        loop {
            // A message that is longer than the buffer is assembled.
            let event = if WHOLE && !(is_full && input.len() == all) {
                self.connection.receive_whole(&mut input, &mut self.out)
            } else {
                self.connection.receive(&mut input, &mut self.out)
            };
            let Some(event) = event.unwrap() else {
                break;
            };
            match &event {
                Event::Text(text) => then(&event, text.as_bytes()),
                Event::Binary(data) => then(&event, data),
                Event::Ping(_) => {}
                event => panic!("{event:?}"),
            }
            if matches!(event, Event::Text(Cow::Owned(_)) | Event::Binary(Cow::Owned(_))) {
                self.connection.recycle(event);
            }
        }
        self.taken = self.arrived - input.len();
        if WHOLE {
            self.wanted = input.len() + self.connection.wanted(input);
        }
    }

    /// Receives the image twice and compares every byte.
    fn verify<const WHOLE: bool>(&mut self) {
        let (stream, messages) = (self.stream, self.stream.messages());
        let expected: Vec<_> = (0..messages)
            .map(|index| stream.content.message(index, stream.size))
            .collect();
        let (mut received, mut pongs) = (0, 0);
        while received < 2 * messages {
            self.read::<WHOLE>(|event, payload| {
                assert_eq!(matches!(event, Event::Binary(_)), stream.content == Content::Binary);
                assert!(payload == expected[received % messages]);
                let is_lent = matches!(event, Event::Text(Cow::Borrowed(_)) | Event::Binary(Cow::Borrowed(_)));
                assert!(is_lent || !WHOLE || stream.size > READ / 2);
                received += 1;
            });
            for pong in frames(stream.role, &self.out) {
                assert_eq!(pong, (FIN_PONG, PING.to_vec()));
                pongs += 1;
            }
        }
        assert_eq!((received, self.at), (2 * messages, 0));
        let between = match stream.frame {
            Some(frame) if stream.pings => stream.size.div_ceil(frame) - 1,
            _ => 0,
        };
        assert_eq!(pongs, 2 * messages * between);
    }

    /// How long `iterations` messages take. A read that brings more than are asked for counts by its share.
    pub fn run(&mut self, iterations: u64) -> Duration {
        if self.stream.whole {
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

/// An iteration is a message, whatever the reads.
pub fn bench(criterion: &mut Criterion, name: &str, how: &str, stream: Stream) {
    let mut receiving = Receiving::new(stream);
    let mut group = criterion.benchmark_group(group(name, stream.role));
    group.throughput(Throughput::Bytes(stream.size as u64));
    let id = BenchmarkId::new(format!("{}{how}", stream.content.name()), stream.size);
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|iterations| receiving.run(iterations));
    });
}
