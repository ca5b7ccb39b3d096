//! The same stream, cut differently: in reads of up to 64 KiB, a segment, a frame, a byte at a time; nanoseconds a message.
//!
//! Beside criterion's figures it writes a table of what cutting costs, from rounds in which the cuts take turns: the
//! machine disturbs all alike.

use std::{env, time::Duration};

use bench_support::{
    Content, READ, ROLES, SEGMENT, SIZES, config, frame_len, median, peer_of,
    receiving::{Receiving, Stream, bench},
    rounds,
};
use criterion::{Criterion, criterion_group, criterion_main};
use sockless::Role;

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
    println!(
        "ns a message in one read, and how many times that by 1,460 bytes; ns a byte by single bytes, which are handed out of \
         segments; with either method.\n"
    );
    println!("| receives | one read | by 1,460, `receive` | `receive_whole` | by 1, `receive` | `receive_whole` |");
    println!("|---|--:|--:|--:|--:|--:|");
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
    let cuts = [(READ, false), (SEGMENT, false), (SEGMENT, true), (1, false), (1, true)];
    let mut turns = cuts.map(|(read, whole)| {
        turn(Stream {
            read,
            whole,
            ..Stream::new(role, content, size)
        })
    });
    let rounds = rounds(ROUNDS, turns.each_mut().map(|turn| turn as &mut dyn FnMut() -> f64));
    let wire = frame_len(peer_of(role), size) as f64;
    let ratio = |cut: usize| median(rounds.iter().map(|times| times[cut] / times[0]));
    let per_byte = |cut: usize| median(rounds.iter().map(|times| times[cut] / wire));
    println!(
        "| {role:?}, {} {size} | {:.1} | {:.2} | {:.2} | {:.1} | {:.1} |",
        content.name(),
        median(rounds.iter().map(|times| times[0])),
        ratio(1),
        ratio(2),
        per_byte(3),
        per_byte(4),
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
