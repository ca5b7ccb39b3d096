//! permessage-deflate beside the raw library: JSON-like messages in and out, with takeover and without.
//!
//! `cargo bench --bench deflate` measures `miniz_oxide`, with `--features zlib-rs` the other back end. Memory of each mode:
//! `cargo test --test deflate f46 -- --nocapture`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockless::{Agreed, Config, Connection, DeflateConfig, DeflateParams, Endpoint, Event, WindowBits};

const SIZES: [usize; 3] = [256, 4 << 10, 64 << 10];
/// How many different messages a stream repeats.
const MESSAGES: usize = 16;

/// Messages like those that connections carry: alike, and each a little different.
fn messages(len: usize) -> Vec<String> {
    (0..MESSAGES)
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

fn connection(endpoint: Endpoint, takeover: bool, level: u8) -> Connection {
    let mut deflate = DeflateConfig::default();
    deflate.level = level;
    deflate.threshold = 0;
    let mut config = Config::default();
    config.deflate = Some(deflate);
    let mut agreed = Agreed::default();
    agreed.deflate = Some(DeflateParams {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: WindowBits::MAX,
        client_max_window_bits: WindowBits::MAX,
    });
    Connection::upgraded(endpoint, &agreed, config)
}

/// Sends one round of messages and returns the bytes of each.
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

fn out(c: &mut Criterion) {
    let mut group = c.benchmark_group("deflate/out");
    group
        .measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300))
        .sample_size(10);
    for len in SIZES {
        let messages = messages(len);
        group.throughput(Throughput::Bytes((len * MESSAGES) as u64));
        for level in [1, 6] {
            for takeover in [true, false] {
                let id = BenchmarkId::new(format!("sockless/level {level}/takeover {takeover}"), len);
                let mut server = connection(Endpoint::Server, takeover, level);
                // What is measured is what a client understands, and smaller.
                let mut client = connection(Endpoint::Client { seed: [1; 32] }, takeover, level);
                for (mut bytes, message) in send_round(&mut server, &messages).into_iter().zip(&messages) {
                    assert!(bytes.len() < message.len());
                    let mut input = &mut bytes[..];
                    let event = client.receive(&mut input, &mut Vec::new()).unwrap();
                    assert_eq!(event, Some(Event::Text(message.as_str().into())));
                }
                let mut out = Vec::with_capacity(2 * len);
                group.bench_function(id, |b| {
                    b.iter(|| {
                        for message in &messages {
                            out.clear();
                            server.send_text(message, &mut out).unwrap();
                            black_box(&out);
                        }
                    });
                });
            }
            let id = BenchmarkId::new(format!("raw/level {level}/takeover true"), len);
            let mut raw = raw::Deflate::new(level);
            let mut buf = vec![0; 2 * len + 1024];
            group.bench_function(id, |b| {
                b.iter(|| {
                    for message in &messages {
                        let used = raw.run(message.as_bytes(), &mut buf);
                        assert!(used > 0 && used < message.len());
                        black_box(&buf);
                    }
                });
            });
        }
    }
    group.finish();
}

fn into(c: &mut Criterion) {
    let mut group = c.benchmark_group("deflate/in");
    group
        .measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300))
        .sample_size(10);
    for len in SIZES {
        let messages = messages(len);
        group.throughput(Throughput::Bytes((len * MESSAGES) as u64));
        for takeover in [true, false] {
            let id = BenchmarkId::new(format!("sockless/takeover {takeover}"), len);
            let mut server = connection(Endpoint::Server, takeover, 6);
            let mut client = connection(Endpoint::Client { seed: [1; 32] }, takeover, 6);
            // The first round refers to nothing, each later one to the one before it; so the second can be repeated.
            let first = send_round(&mut server, &messages);
            let round = send_round(&mut server, &messages);
            let mut scratch = Vec::new();
            let mut feed = |client: &mut Connection, round: &[Vec<u8>]| {
                for (bytes, message) in round.iter().zip(&messages) {
                    scratch.clear();
                    scratch.extend_from_slice(bytes);
                    let mut input = &mut scratch[..];
                    let event = client.receive(&mut input, &mut Vec::new()).unwrap().unwrap();
                    assert!(matches!(&event, Event::Text(text) if text.len() == message.len()));
                    client.recycle(event);
                }
            };
            feed(&mut client, &first);
            group.bench_function(id, |b| b.iter(|| feed(&mut client, &round)));
        }
        let id = BenchmarkId::new("raw/takeover true", len);
        let mut deflate = raw::Deflate::new(6);
        let mut buf = vec![0; 2 * len + 1024];
        let mut rounds = [Vec::new(), Vec::new()];
        for round in &mut rounds {
            for message in &messages {
                let used = deflate.run(message.as_bytes(), &mut buf);
                round.push(buf[..used].to_vec());
            }
        }
        let mut inflate = raw::Inflate::new();
        let mut plain = vec![0; len + 1024];
        for bytes in &rounds[0] {
            assert_eq!(inflate.run(bytes, &mut plain), len);
        }
        group.bench_function(id, |b| {
            b.iter(|| {
                for bytes in &rounds[1] {
                    assert_eq!(inflate.run(bytes, &mut plain), len);
                    black_box(&plain);
                }
            });
        });
    }
    group.finish();
}

/// The library as it comes: its own stream interface.
#[cfg(not(feature = "zlib-rs"))]
mod raw {
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

        pub(super) fn run(&mut self, data: &[u8], out: &mut [u8]) -> usize {
            let result = deflate(&mut self.0, data, out, MZFlush::Sync);
            assert_eq!(result.bytes_consumed, data.len());
            result.bytes_written
        }
    }

    pub(super) struct Inflate(Box<InflateState>);

    impl Inflate {
        pub(super) fn new() -> Self {
            Self(InflateState::new_boxed(DataFormat::Raw))
        }

        pub(super) fn run(&mut self, data: &[u8], out: &mut [u8]) -> usize {
            let (mut rest, mut written) = (data, 0);
            loop {
                let result = inflate(&mut self.0, rest, &mut out[written..], MZFlush::None);
                rest = &rest[result.bytes_consumed..];
                written += result.bytes_written;
                if rest.is_empty() && result.bytes_written == 0 {
                    return written;
                }
            }
        }
    }
}

/// The library as it comes: its own stream interface.
#[cfg(feature = "zlib-rs")]
mod raw {
    use zlib_rs::{DeflateFlush, InflateFlush};

    pub(super) struct Deflate(zlib_rs::Deflate);

    impl Deflate {
        pub(super) fn new(level: u8) -> Self {
            Self(zlib_rs::Deflate::new(level.into(), false, 15))
        }

        pub(super) fn run(&mut self, data: &[u8], out: &mut [u8]) -> usize {
            let before = self.0.total_out();
            self.0.compress(data, out, DeflateFlush::SyncFlush).unwrap();
            usize::try_from(self.0.total_out() - before).unwrap()
        }
    }

    pub(super) struct Inflate(zlib_rs::Inflate);

    impl Inflate {
        pub(super) fn new() -> Self {
            Self(zlib_rs::Inflate::new(false, 15))
        }

        pub(super) fn run(&mut self, data: &[u8], out: &mut [u8]) -> usize {
            let before = self.0.total_out();
            self.0.decompress(data, out, InflateFlush::NoFlush).unwrap();
            usize::try_from(self.0.total_out() - before).unwrap()
        }
    }
}

criterion_group!(benches, out, into);
criterion_main!(benches);
