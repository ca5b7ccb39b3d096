//! Receiving: nanoseconds a message.
//!
//! The stream is an image in memory that repeats for ever, its frames made by the crate's other role. A read copies the
//! next bytes out of it, at most 64 KiB, as a kernel would: what is unmasked in place was masked every time. The
//! application looks at the ends of a message and drops it; what had to be assembled is recycled. An iteration is
//! a message, whatever the reads: a read that brings more than are asked for counts by its share.

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    borrow::Cow,
    hint::black_box,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockless::{Config, Connection, Event, frame::Role};
use support::{open, peer_of};

const READ: usize = 64 << 10;
/// The length of the image, unless two messages are longer.
const IMAGE: usize = 256 << 10;
const SIZES: [usize; 5] = [16, 125, 1 << 10, 16 << 10, 1 << 20];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Content {
    Binary,
    Ascii,
    Chinese,
    Mixed,
}

impl Content {
    const ALL: [Self; 4] = [Self::Binary, Self::Ascii, Self::Chinese, Self::Mixed];

    const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Ascii => "ascii",
            Self::Chinese => "chinese",
            Self::Mixed => "mixed",
        }
    }

    const fn sample(self) -> &'static str {
        match self {
            Self::Binary => "",
            Self::Ascii => "It is a truth universally acknowledged, that a single man must be in want of a wife. ",
            Self::Chinese => "道可道非常道名可名非常名無名天地之始有名萬物之母故常無欲以觀其妙常有欲以觀其徼。",
            Self::Mixed => "Größe: 3 µm, naïve café, Ελληνικά, Война и мир, 雨ニモマケズ, emoji 🙂🚀, and plain text. ",
        }
    }

    /// Message number `index` of the stream; each differs from the next.
    fn message(self, index: usize, len: usize) -> Vec<u8> {
        if self == Self::Binary {
            return (0..len).map(|at| (at * 7 + at / 251 + index * 31) as u8).collect();
        }
        let sample = self.sample();
        let mut text = String::with_capacity(len);
        for char in sample.chars().cycle().skip(index % sample.chars().count()) {
            if text.len() + char.len_utf8() > len {
                break;
            }
            text.push(char);
        }
        text.extend(std::iter::repeat_n('.', len - text.len()));
        text.into_bytes()
    }
}

/// A connection and the stream that it receives.
struct Receiving {
    connection: Connection,
    content: Content,
    size: usize,
    /// How many messages the image holds.
    messages: usize,
    image: Vec<u8>,
    at: usize,
    read: Vec<u8>,
    out: Vec<u8>,
}

impl Receiving {
    /// `role` receives messages of `size` bytes, in frames of at most `frame` bytes, `read` bytes at a time.
    fn new(role: Role, content: Content, size: usize, frame: Option<usize>, read: usize) -> Self {
        let mut config = Config::default();
        config.fragment_size = frame.and_then(NonZeroUsize::new);
        let mut peer = open(peer_of(role), config);
        let messages = (IMAGE / (size + 14)).max(2);
        let mut image = Vec::new();
        for index in 0..messages {
            let message = content.message(index, size);
            match content {
                Content::Binary => peer.send_binary(&message, &mut image).unwrap(),
                _ => peer
                    .send_text(std::str::from_utf8(&message).unwrap(), &mut image)
                    .unwrap(),
            }
        }
        let mut receiving = Self {
            connection: open(role, Config::default()),
            content,
            size,
            messages,
            image,
            at: 0,
            read: vec![0; read],
            out: Vec::new(),
        };
        receiving.verify();
        receiving
    }

    /// One read; what comes of it goes to `then`.
    #[inline]
    fn read(&mut self, mut then: impl FnMut(&Event<'_>, &[u8])) {
        let rest = &self.image[self.at..];
        let len = rest.len().min(self.read.len());
        self.read[..len].copy_from_slice(&rest[..len]);
        self.at = (self.at + len) % self.image.len();
        let mut input = &mut self.read[..len];
        while let Some(event) = self.connection.receive(&mut input, &mut self.out).unwrap() {
            then(
                &event,
                match &event {
                    Event::Text(text) => text.as_bytes(),
                    Event::Binary(data) => data,
                    event => panic!("{event:?}"),
                },
            );
            if matches!(event, Event::Text(Cow::Owned(_)) | Event::Binary(Cow::Owned(_))) {
                self.connection.recycle(event);
            }
        }
    }

    /// Receives the image twice and compares every byte.
    fn verify(&mut self) {
        let (content, size, messages) = (self.content, self.size, self.messages);
        let mut received = 0;
        while received < 2 * messages {
            self.read(|event, payload| {
                assert_eq!(matches!(event, Event::Binary(_)), content == Content::Binary);
                assert!(payload == content.message(received % messages, size));
                received += 1;
            });
        }
        assert_eq!((received, self.at), (2 * messages, 0));
    }

    /// How long `iterations` messages take.
    fn run(&mut self, iterations: u64) -> Duration {
        let (mut received, mut bytes) = (0, 0);
        let start = Instant::now();
        while received < iterations {
            self.read(|_, payload| {
                received += 1;
                bytes += payload.len();
                black_box((payload.first(), payload.last()));
            });
        }
        let elapsed = start.elapsed();
        assert_eq!(bytes as u64, received * self.size as u64);
        assert!(self.out.is_empty());
        elapsed.mul_f64(iterations as f64 / received as f64)
    }
}

fn bench(criterion: &mut Criterion, id: BenchmarkId, mut receiving: Receiving) {
    let mut group = criterion.benchmark_group(match receiving.connection.role() {
        Role::Server => "receive/server",
        Role::Client => "receive/client",
    });
    group.throughput(Throughput::Bytes(receiving.size as u64));
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|iterations| receiving.run(iterations));
    });
}

fn whole(criterion: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        for content in Content::ALL {
            for size in SIZES {
                let id = BenchmarkId::new(content.name(), size);
                bench(criterion, id, Receiving::new(role, content, size, None, READ));
            }
        }
    }
}

/// 64 KiB in 64 frames.
fn fragments(criterion: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        for content in [Content::Binary, Content::Mixed] {
            let id = BenchmarkId::new(format!("{} in 64 frames", content.name()), 64 << 10);
            bench(
                criterion,
                id,
                Receiving::new(role, content, 64 << 10, Some(1 << 10), READ),
            );
        }
    }
}

/// A segment, a frame, a byte at a time.
fn arrivals(criterion: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        let frame = match role {
            Role::Server => 2 + 4 + 125,
            Role::Client => 2 + 125,
        };
        for (name, size, read) in [
            ("binary by 1460 bytes", 1 << 10, 1460),
            ("binary by 1460 bytes", 16 << 10, 1460),
            ("binary by frames", 125, frame),
            ("binary by bytes", 125, 1),
        ] {
            let id = BenchmarkId::new(name, size);
            bench(criterion, id, Receiving::new(role, Content::Binary, size, None, read));
        }
    }
}

fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .nresamples(2000)
}

criterion_group!(name = receive; config = config(); targets = whole, fragments, arrivals);
criterion_main!(receive);
