//! The same stream, cut differently: in reads of up to 64 KiB, a segment, a frame, a byte at a time; nanoseconds a message.
//!
//! Beside criterion's figures it writes a table of what cutting costs, from rounds in which the cuts take turns: the
//! machine disturbs all alike.

mod support;

use std::{env, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use sockless::frame::Role;
use support::{
    Content, READ, ROLES, SEGMENT, SIZES, config, frame_len, median, peer_of,
    receiving::{Receiving, Stream, bench},
    rounds,
};

/// How long one turn takes in the table, about.
const TURN: Duration = Duration::from_millis(1);
const ROUNDS: usize = 41;

fn cuts(criterion: &mut Criterion) {
    for role in ROLES {
        for content in Content::ALL {
            for size in SIZES {
                let frame = frame_len(peer_of(role), size);
                let reads = [
                    (" whole", READ),
                    (" by 1460 bytes", SEGMENT),
                    (" by frames", frame),
                    (" by bytes", 1),
                ];
                for (how, read) in reads.into_iter().filter(|&(_, read)| sensible(size, read)) {
                    let stream = Stream {
                        read,
                        ..Stream::new(role, content, size)
                    };
                    bench(criterion, "rechunk", how, stream);
                }
            }
        }
    }
    // Not when criterion only tests.
    if env::args().any(|arg| arg == "--bench") {
        table();
    }
}

/// No read brings more than a kernel copies; and a megabyte by single bytes takes what its parts do.
const fn sensible(size: usize, read: usize) -> bool {
    read <= READ && (read > 1 || size <= READ)
}

fn table() {
    println!("| receives | whole, ns a message | 1,460 bytes at a time | ratio | one byte at a time, ns a byte |");
    println!("|---|--:|--:|--:|--:|");
    for role in ROLES {
        for content in Content::ALL {
            for size in SIZES {
                row(role, content, size);
            }
        }
    }
}

/// Medians of rounds, and the median of the ratios within each.
fn row(role: Role, content: Content, size: usize) {
    let [mut whole, mut segments, mut bytes] = [READ, SEGMENT, 1].map(|read| {
        turn(Stream {
            read,
            ..Stream::new(role, content, size)
        })
    });
    let rounds = rounds(ROUNDS, [&mut whole, &mut segments, &mut bytes]);
    let wire = frame_len(peer_of(role), size);
    println!(
        "| {role:?}, {} {size} | {:.1} | {:.1} | {:.2} | {:.1} |",
        content.name(),
        median(rounds.iter().map(|[whole, ..]| *whole)),
        median(rounds.iter().map(|[_, segments, _]| *segments)),
        median(rounds.iter().map(|[whole, segments, _]| segments / whole)),
        median(rounds.iter().map(|[.., bytes]| bytes / wire as f64)),
    );
}

/// What receives for about the time of a turn and says how many nanoseconds a message took.
fn turn(stream: Stream) -> impl FnMut() -> f64 {
    let mut receiving = Receiving::new(stream);
    let mut count = 1;
    while receiving.run(count) < TURN {
        count *= 2;
    }
    move || receiving.run(count).as_nanos() as f64 / count as f64
}

criterion_group!(name = rechunk; config = config(); targets = cuts);
criterion_main!(rechunk);
