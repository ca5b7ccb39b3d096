//! Sending messages in one frame: nanoseconds per message. The output is flushed after each message
//! or after 16. Messages in several frames are in `fragment`.

use std::{hint::black_box, time::Instant};

use bench_support::{
    Content, ROLES, SIZES, config, frame_len, frames, group,
    sending::{Messages, Sender, bench},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockless::{MessageKind, Role};

const FIN_BINARY: u8 = 0x82;

const fn binary(role: Role, size: usize) -> Messages {
    Messages {
        role,
        content: Content::Binary,
        size,
        frame: None,
        batch: 1,
    }
}

fn whole(criterion: &mut Criterion) {
    for role in ROLES {
        // A `str` is valid already: the time does not depend on its content.
        for content in [Content::Binary, Content::Mixed] {
            for (how, batch) in [(", flushed each", 1), (", flushed by 16", 16)] {
                for size in SIZES {
                    let messages = Messages {
                        content,
                        batch,
                        ..binary(role, size)
                    };
                    bench(criterion, "send", how, messages);
                }
            }
        }
    }
}

/// `send_header`, which only a server can use. The payload is copied once, to the ring, as in a
/// vectored write.
fn header(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(group("send", Role::Server));
    for size in SIZES {
        let (mut connection, payload, mut ring) = Sender::new(binary(Role::Server, size)).into_parts();
        let mut out = Vec::new();

        connection
            .send_header(MessageKind::Binary, size as u64, &mut out)
            .unwrap();
        out.extend_from_slice(&payload);
        assert!(frames(Role::Server, &out) == [(FIN_BINARY, payload.clone())]);
        out.clear();

        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("send_header", size), |bencher| {
            bencher.iter_custom(|iterations| {
                let before = ring.written;
                let start = Instant::now();
                for _ in 0..iterations {
                    connection
                        .send_header(MessageKind::Binary, size as u64, &mut out)
                        .unwrap();
                    ring.write(&out);
                    ring.write(black_box(&payload));
                    out.clear();
                }
                let elapsed = start.elapsed();
                let message = frame_len(Role::Server, size) as u64;
                assert_eq!(ring.written - before, iterations * message);
                elapsed
            });
        });
    }
}

criterion_group!(name = send; config = config(); targets = whole, header);
criterion_main!(send);
