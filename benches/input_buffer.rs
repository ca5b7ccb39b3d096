//! Receiving with an `InputBuffer`, and with the plain loop of `Connection::receive` and an array:
//! nanoseconds per message.
//!
//! In addition to the figures of criterion, it prints a table of both in the same rounds. It has
//! the fastest round of each: turns are short, so that some of them are not interrupted on a
//! machine that is busy.

use std::{
    borrow::Cow,
    env,
    hint::black_box,
    time::{Duration, Instant},
};

use bench_support::{Content, READ, ROLES, SEGMENT, SIZES, config, group, open, receiving::Stream, rounds, turn};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockless::{Config, Connection, Event, InputBuffer, Role};

/// The best length for the array of the plain loop: a message of 16 KiB and its header.
const ARRAY_LEN: usize = (16 << 10) + 14;
/// The approximate time of one turn, for the table.
const TURN: Duration = Duration::from_micros(300);
const ROUNDS: usize = 151;
const CONTENTS: [Content; 3] = [Content::Binary, Content::Ascii, Content::Mixed];
/// The sizes of the other benches, and some around the length of a read.
const MORE_SIZES: [usize; 4] = [8 << 10, 15 << 10, 17 << 10, 64 << 10];

/// What a loop reads into.
enum Input {
    Array(Vec<u8>),
    Buffer(InputBuffer),
}

struct Loop {
    input: Input,
    connection: Connection,
    bytes: Vec<u8>,
    position: usize,
    stream: Stream,
}

impl Loop {
    fn new(stream: Stream, input: Input) -> Self {
        let mut receiver = Self {
            input,
            connection: open(stream.role, Config::default()),
            bytes: stream.bytes(),
            position: 0,
            stream,
        };
        receiver.verify();
        receiver
    }

    /// Receives the stream twice and compares every byte.
    fn verify(&mut self) {
        let (stream, count) = (self.stream, self.stream.message_count());
        let expected = stream.messages();
        let mut received = 0;
        while received < 2 * count {
            self.read(|payload| {
                assert!(payload == expected[received % count]);
                received += 1;
            });
        }
        assert_eq!((received, self.position), (2 * count, 0));
    }

    /// Reads once, as much as the kernel has, and receives it.
    #[inline(always)]
    fn read(&mut self, mut on_message: impl FnMut(&[u8])) {
        let room = match &mut self.input {
            Input::Array(array) => &mut array[..],
            Input::Buffer(buffer) => buffer.room(),
        };
        let rest = &self.bytes[self.position..];
        let len = rest.len().min(self.stream.read).min(room.len());
        room[..len].copy_from_slice(&rest[..len]);
        self.position = (self.position + len) % self.bytes.len();
        let mut out = Vec::new();
        match &mut self.input {
            Input::Array(array) => {
                let mut input = &mut array[..len];
                while let Some(event) = self.connection.receive(&mut input, &mut out).unwrap() {
                    report(&event, &mut on_message);
                    if matches!(event, Event::Text(Cow::Owned(_)) | Event::Binary(Cow::Owned(_))) {
                        self.connection.recycle(event);
                    }
                }
            }
            Input::Buffer(buffer) => {
                buffer.filled(len);
                while let Some(event) = buffer.receive(&mut self.connection, &mut out).unwrap() {
                    report(&event, &mut on_message);
                    if matches!(event, Event::Text(Cow::Owned(_)) | Event::Binary(Cow::Owned(_))) {
                        self.connection.recycle(event);
                    }
                }
            }
        }
        assert!(out.is_empty());
    }

    /// Returns the time to receive `iterations` messages. If the last read has more messages, their
    /// share of the time is subtracted.
    fn run(&mut self, iterations: u64) -> Duration {
        let (mut received, mut bytes) = (0, 0);
        let start = Instant::now();
        while received < iterations {
            self.read(|payload| {
                received += 1;
                bytes += payload.len();
                black_box((payload.first(), payload.last()));
            });
        }
        let elapsed = start.elapsed();
        assert_eq!(bytes as u64, received * self.stream.size as u64);
        elapsed.mul_f64(iterations as f64 / received as f64)
    }
}

#[inline(always)]
fn report(event: &Event<'_>, on_message: &mut impl FnMut(&[u8])) {
    match event {
        Event::Text(text) => on_message(text.as_bytes()),
        Event::Binary(data) => on_message(data),
        event => panic!("{event:?}"),
    }
}

fn inputs() -> [Input; 2] {
    [Input::Array(vec![0; ARRAY_LEN]), Input::Buffer(InputBuffer::new())]
}

fn stream(role: Role, content: Content, size: usize, read: usize) -> Stream {
    Stream {
        read,
        ..Stream::new(role, content, size)
    }
}

fn input_buffer(criterion: &mut Criterion) {
    for role in ROLES {
        let mut group = criterion.benchmark_group(group("input_buffer", role));
        for content in CONTENTS {
            for size in SIZES {
                for (how, read) in [(" whole", READ), (" by 1460 bytes", SEGMENT)] {
                    let mut receiver = Loop::new(stream(role, content, size, read), Input::Buffer(InputBuffer::new()));
                    group.throughput(Throughput::Bytes(size as u64));
                    let id = BenchmarkId::new(format!("{}{how}", content.name()), size);
                    group.bench_function(id, |bencher| {
                        bencher.iter_custom(|iterations| receiver.run(iterations));
                    });
                }
            }
        }
    }
    // Without `--bench`, criterion only tests.
    if env::args().any(|arg| arg == "--bench") {
        print_table();
    }
}

fn print_table() {
    println!(
        "ns per message with the plain loop and an array of 16 KiB and 14 bytes, in the fastest round; and the ratio of `InputBuffer` to it.\n"
    );
    println!("| receives | one read: plain loop | `InputBuffer` | by 1,460 bytes: plain loop | `InputBuffer` |");
    println!("|---|--:|--:|--:|--:|");
    let mut sizes = [&SIZES[..], &MORE_SIZES].concat();
    sizes.sort_unstable();
    for role in ROLES {
        for content in CONTENTS {
            for &size in &sizes {
                let cells = [READ, SEGMENT].map(|read| {
                    let mut turns = inputs().map(|input| {
                        let mut receiver = Loop::new(stream(role, content, size, read), input);
                        turn(TURN, move |count| receiver.run(count))
                    });
                    let rounds = rounds(ROUNDS, turns.each_mut().map(|turn| turn as &mut dyn FnMut() -> f64));
                    let fastest = |at: usize| rounds.iter().map(|times| times[at]).fold(f64::MAX, f64::min);
                    format!("{:.1} | {:.2}", fastest(0), fastest(1) / fastest(0))
                });
                println!("| {role:?}, {} {size} | {} |", content.name(), cells.join(" | "));
            }
        }
    }
}

criterion_group!(name = benches; config = config(); targets = input_buffer);
criterion_main!(benches);
