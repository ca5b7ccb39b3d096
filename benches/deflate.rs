//! permessage-deflate compared with the compression library alone: JSON-like messages, sent and
//! received, with and without context takeover.
//!
//! `cargo bench -p sockless-benches --bench deflate` measures `miniz_oxide`, and with
//! `--features zlib-rs` it measures `zlib-rs`. In addition to the figures of criterion, it prints a
//! table of ratios. The ratios are of rounds in which the two alternate, so that noise of the
//! machine affects both. A second table has `DeflateConfig::low_memory` for each window.

use std::{
    env,
    hint::black_box,
    time::{Duration, Instant},
};

use bench_support::{median, params, rounds, upgraded, with_deflate};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockless::{Config, Connection, Event, Role, deflate::DeflateConfig};

const SIZES: [usize; 3] = [256, 4 << 10, 64 << 10];
/// The bytes of all messages of a round. They are more than a window, so that no message is still
/// in the window when it is sent again.
const ROUND_LEN: usize = 512 << 10;

/// The bytes that a sender removes from the end of a compressed message (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// The size of the output buffer of the library.
const OUTPUT_BUFFER_SIZE: usize = 32 << 10;

/// Returns JSON messages that are similar and not equal.
fn messages(len: usize) -> Vec<String> {
    (0..ROUND_LEN / len)
        .map(|seed| {
            let mut text = String::new();
            let mut n = seed * 7919;
            while text.len() < len {
                n += 1;
                let (price, size) = (n * 37 % 1009, n * 61 % 509);
                text += &format!(
                    "{{\"id\":{n},\"symbol\":\"ABC{}\",\"price\":{price}.{:02},\"size\":{size}}},",
                    n % 13,
                    n % 100
                );
            }
            text.truncate(len);
            text
        })
        .collect()
}

fn connection(role: Role, takeover: bool, level: u8) -> Connection {
    let deflate = DeflateConfig::new().level(level);
    connection_with(role, takeover, 15, deflate)
}

fn connection_with(role: Role, takeover: bool, bits: u8, deflate: DeflateConfig) -> Connection {
    let config = Config::new().deflate(deflate.threshold(0));
    upgraded(role, &with_deflate(params(bits, !takeover)), config)
}

/// Sends one round of messages. Returns the bytes of each.
fn send_round(server: &mut Connection, messages: &[String]) -> Vec<Vec<u8>> {
    messages
        .iter()
        .map(|message| {
            let mut out = Vec::new();
            server.send_text(message, &mut out).unwrap();
            out
        })
        .collect()
}

/// A function that processes all messages of a round once.
type Round = Box<dyn FnMut()>;

/// One comparison: the same messages through a connection and through the library alone.
struct Case {
    name: String,
    len: usize,
    sockless: Round,
    library: Round,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for len in SIZES {
        for takeover in [true, false] {
            for level in [1, 6] {
                cases.push(Case {
                    name: format!("out/level {level}/takeover {takeover}"),
                    len,
                    sockless: sockless_out(len, level, takeover),
                    library: library_out(len, level, takeover),
                });
            }
            cases.push(Case {
                name: format!("in/takeover {takeover}"),
                len,
                sockless: sockless_in(len, takeover),
                library: library_in(len, takeover),
            });
        }
    }
    cases
}

fn sockless_out(len: usize, level: u8, takeover: bool) -> Round {
    let messages = messages(len);
    let mut server = connection(Role::Server, takeover, level);
    // Verifies that a client receives the messages and that they are compressed.
    let mut client = connection(Role::Client, takeover, level);
    for (mut bytes, message) in send_round(&mut server, &messages).into_iter().zip(&messages) {
        assert!(bytes.len() < message.len());
        let event = client.receive(&mut &mut bytes[..], &mut Vec::new()).unwrap();
        assert_eq!(event, Some(Event::Text(message.as_str().into())));
    }
    let mut out = Vec::with_capacity(2 * len);
    Box::new(move || {
        for message in &messages {
            out.clear();
            server.send_text(message, &mut out).unwrap();
            black_box(&out);
        }
    })
}

fn library_out(len: usize, level: u8, takeover: bool) -> Round {
    let messages = messages(len);
    let mut deflate = library::Deflate::new(level);
    let mut buf = vec![0; 2 * len + 1024];
    Box::new(move || {
        for message in &messages {
            if !takeover {
                deflate.reset();
            }
            let used = deflate.run(message.as_bytes(), &mut buf);
            assert!(used > 0 && used < message.len());
            black_box(&buf);
        }
    })
}

fn sockless_in(len: usize, takeover: bool) -> Round {
    let messages = messages(len);
    let mut server = connection(Role::Server, takeover, 6);
    let mut client = connection(Role::Client, takeover, 6);
    // The first round is compressed with an empty window, each later one with the window of the
    // round before. So the second round can be repeated.
    let mut round = send_round(&mut server, &messages);
    let mut scratch = Vec::new();
    // The first round is not timed. All of its bytes are compared.
    let mut feed = move |round: &[Vec<u8>], is_first: bool| {
        for (bytes, message) in round.iter().zip(&messages) {
            scratch.clear();
            scratch.extend_from_slice(bytes);
            let event = client.receive(&mut &mut scratch[..], &mut Vec::new()).unwrap().unwrap();
            assert!(matches!(&event, Event::Text(text) if text.len() == message.len()));
            assert!(!is_first || event == Event::Text(message.as_str().into()));
            client.recycle(event);
        }
    };
    feed(&round, true);
    let messages = self::messages(len);
    round = send_round(&mut server, &messages);
    Box::new(move || feed(&round, false))
}

fn library_in(len: usize, takeover: bool) -> Round {
    let mut deflate = library::Deflate::new(6);
    let mut buf = vec![0; 2 * len + 1024];
    let mut compress_round = || -> Vec<Vec<u8>> {
        messages(len)
            .iter()
            .map(|message| {
                if !takeover {
                    deflate.reset();
                }
                let used = deflate.run(message.as_bytes(), &mut buf);
                buf[..used].strip_suffix(&TAIL).unwrap().to_vec()
            })
            .collect()
    };
    let (first, round) = (compress_round(), compress_round());
    let mut inflate = library::Inflate::new();
    let (mut scratch, mut message) = (Vec::new(), Vec::new());
    // The work of every receiver: the payload has no tail (RFC 7692, section 7.2.2), the length of
    // the message is not known, and text is validated.
    let messages = messages(len);
    let mut feed = move |round: &[Vec<u8>], is_first: bool| {
        for (payload, expected) in round.iter().zip(&messages) {
            if !takeover {
                inflate.reset();
            }
            scratch.clear();
            scratch.extend_from_slice(payload);
            scratch.extend_from_slice(&TAIL);
            message.clear();
            inflate.run(&scratch, &mut message);
            let text = black_box(std::str::from_utf8(&message).unwrap());
            assert_eq!(text.len(), len);
            assert!(!is_first || text == expected);
        }
    };
    feed(&first, true);
    Box::new(move || feed(&round, false))
}

fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("deflate");
    group
        .measurement_time(Duration::from_millis(500))
        .warm_up_time(Duration::from_millis(100))
        .sample_size(10);
    for Case {
        name,
        len,
        mut sockless,
        mut library,
    } in cases()
    {
        group.throughput(Throughput::Bytes(ROUND_LEN as u64));
        group.bench_function(BenchmarkId::new(format!("sockless/{name}"), len), |b| {
            b.iter(&mut sockless)
        });
        group.bench_function(BenchmarkId::new(format!("raw/{name}"), len), |b| b.iter(&mut library));
    }
    group.finish();
    // Without `--bench`, criterion only tests.
    if env::args().any(|arg| arg == "--bench") {
        print_table();
        print_low_memory_table();
    }
}

/// Prints the medians of the rounds, and the median of the ratios within each round.
fn print_table() {
    println!("| direction | size | MiB/s | library alone, MiB/s | ratio |\n|---|---|---|---|---|");
    for Case {
        name,
        len,
        mut sockless,
        mut library,
    } in cases()
    {
        let throughput = |round: &mut Round| {
            let begun = Instant::now();
            round();
            ROUND_LEN as f64 / (1 << 20) as f64 / begun.elapsed().as_secs_f64()
        };
        let rounds = rounds(
            41,
            [&mut || throughput(&mut sockless), &mut || throughput(&mut library)],
        );
        println!(
            "| {name} | {len} | {:.0} | {:.0} | {:.2} |",
            median(rounds.iter().map(|[sockless, _]| *sockless)),
            median(rounds.iter().map(|[_, library]| *library)),
            median(rounds.iter().map(|[sockless, library]| sockless / library)),
        );
    }
}

/// What one round of messages takes: the bytes of the frames, and the throughput.
struct Window {
    name: String,
    len: usize,
    wire: usize,
    round: Round,
}

fn windows() -> Vec<Window> {
    let mut windows = Vec::new();
    for len in SIZES {
        for bits in 8..=12 {
            for (takeover, release) in [(true, false), (true, true), (false, false)] {
                let deflate = DeflateConfig::new().low_memory(true).release(release);
                let release = if release { ", release" } else { "" };
                let name = format!("{bits}, takeover {takeover}{release}");
                windows.push(window(name, len, bits, takeover, deflate));
            }
        }
        for (bits, takeover) in [(9, true), (12, true), (15, true), (15, false)] {
            let name = format!("{bits}, takeover {takeover}, not in low memory");
            windows.push(window(name, len, bits, takeover, DeflateConfig::new()));
        }
    }
    windows
}

fn window(name: String, len: usize, bits: u8, takeover: bool, deflate: DeflateConfig) -> Window {
    let messages = messages(len);
    let mut server = connection_with(Role::Server, takeover, bits, deflate);
    let mut client = connection_with(Role::Client, takeover, bits, DeflateConfig::new());
    let mut wire = 0;
    for (mut bytes, message) in send_round(&mut server, &messages).into_iter().zip(&messages) {
        wire += bytes.len();
        let event = client.receive(&mut &mut bytes[..], &mut Vec::new()).unwrap();
        assert_eq!(event, Some(Event::Text(message.as_str().into())));
    }
    Window {
        name,
        len,
        wire,
        round: Box::new(move || {
            black_box(send_round(&mut server, &messages));
        }),
    }
}

/// Prints the medians of rounds in which all windows alternate.
fn print_low_memory_table() {
    let mut windows = windows();
    let mut throughputs = vec![Vec::new(); windows.len()];
    for _ in 0..21 {
        for (window, throughputs) in windows.iter_mut().zip(&mut throughputs) {
            let begun = Instant::now();
            (window.round)();
            throughputs.push(ROUND_LEN as f64 / (1 << 20) as f64 / begun.elapsed().as_secs_f64());
        }
    }
    println!("\n| window bits | size | wire bytes, % of the messages | MiB/s |\n|---|---|---|---|");
    for (window, throughputs) in windows.iter().zip(throughputs) {
        println!(
            "| {} | {} | {:.1} | {:.0} |",
            window.name,
            window.len,
            100.0 * window.wire as f64 / ROUND_LEN as f64,
            median(throughputs.into_iter())
        );
    }
}

/// The stream interface of `miniz_oxide`.
#[cfg(not(feature = "zlib-rs"))]
mod library {
    use super::OUTPUT_BUFFER_SIZE;
    use miniz_oxide::{
        DataFormat, MZFlush,
        deflate::{
            core::{CompressorOxide, create_comp_flags_from_zip_params},
            stream::deflate,
        },
        inflate::stream::{InflateState, inflate},
    };

    pub(super) struct Deflate(CompressorOxide);

    impl Deflate {
        pub(super) fn new(level: u8) -> Self {
            Self(CompressorOxide::new(create_comp_flags_from_zip_params(
                level.into(),
                -15,
                0,
            )))
        }

        pub(super) fn reset(&mut self) {
            self.0.reset();
        }

        pub(super) fn run(&mut self, data: &[u8], out: &mut [u8]) -> usize {
            let result = deflate(&mut self.0, data, out, MZFlush::Sync);
            assert_eq!(result.bytes_consumed, data.len());
            result.bytes_written
        }
    }

    pub(super) struct Inflate(Box<InflateState>, Vec<u8>);

    impl Inflate {
        pub(super) fn new() -> Self {
            Self(InflateState::new_boxed(DataFormat::Raw), vec![0; OUTPUT_BUFFER_SIZE])
        }

        pub(super) fn reset(&mut self) {
            self.0.reset(DataFormat::Raw);
        }

        pub(super) fn run(&mut self, data: &[u8], message: &mut Vec<u8>) {
            let mut rest = data;
            loop {
                let result = inflate(&mut self.0, rest, &mut self.1, MZFlush::None);
                rest = &rest[result.bytes_consumed..];
                message.extend_from_slice(&self.1[..result.bytes_written]);
                if rest.is_empty() && result.bytes_written == 0 {
                    return;
                }
            }
        }
    }
}

/// The stream interface of `zlib-rs`.
#[cfg(feature = "zlib-rs")]
mod library {
    use super::OUTPUT_BUFFER_SIZE;
    use zlib_rs::{DeflateFlush, InflateFlush};

    pub(super) struct Deflate(zlib_rs::Deflate);

    impl Deflate {
        pub(super) fn new(level: u8) -> Self {
            Self(zlib_rs::Deflate::new(level.into(), false, 15))
        }

        pub(super) fn reset(&mut self) {
            self.0.reset();
        }

        pub(super) fn run(&mut self, data: &[u8], out: &mut [u8]) -> usize {
            let before = self.0.total_out();
            self.0.compress(data, out, DeflateFlush::SyncFlush).unwrap();
            usize::try_from(self.0.total_out() - before).unwrap()
        }
    }

    pub(super) struct Inflate(zlib_rs::Inflate, Vec<u8>);

    impl Inflate {
        pub(super) fn new() -> Self {
            Self(zlib_rs::Inflate::new(false, 15), vec![0; OUTPUT_BUFFER_SIZE])
        }

        pub(super) fn reset(&mut self) {
            self.0.reset(false);
        }

        pub(super) fn run(&mut self, data: &[u8], message: &mut Vec<u8>) {
            let mut rest = data;
            loop {
                let (from_in, from_out) = (self.0.total_in(), self.0.total_out());
                self.0.decompress(rest, &mut self.1, InflateFlush::NoFlush).unwrap();
                rest = &rest[usize::try_from(self.0.total_in() - from_in).unwrap()..];
                let produced = usize::try_from(self.0.total_out() - from_out).unwrap();
                message.extend_from_slice(&self.1[..produced]);
                if produced < OUTPUT_BUFFER_SIZE {
                    assert!(rest.is_empty());
                    return;
                }
            }
        }
    }
}

criterion_group!(benches, measure);
criterion_main!(benches);
